"""Configs, one file a method."""
