"""The program: one loop for every method, checkpoints, logs and the command line."""
