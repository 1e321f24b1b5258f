"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from kuai.saving.checkpoints.checkpointer import Checkpointer

__all__ = ["Checkpointer"]
