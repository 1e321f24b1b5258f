"""PyTorch's file of queues: Python's, which send tensors as `reductions` says."""

from multiprocessing.connection import Connection as ConnectionWrapper
from multiprocessing.queues import Queue as Queue, SimpleQueue as SimpleQueue

__all__ = ["ConnectionWrapper", "Queue", "SimpleQueue"]
