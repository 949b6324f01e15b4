"""Faults done to runs on purpose, and what becomes of the runs: docs/reliability.md."""
