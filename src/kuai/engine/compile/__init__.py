"""Compilation: whole steps as one XLA program."""
