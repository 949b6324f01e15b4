"""Measured speed: each module prints a table and a last line of ratios."""
