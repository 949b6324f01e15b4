"""The loop, one for every method: data, checkpoints, logs, numbers on the way."""
