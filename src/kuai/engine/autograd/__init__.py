"""Autograd: running operations, the tape, walking it, and what is built on it."""
