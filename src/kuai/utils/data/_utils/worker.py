"""PyTorch's file of what runs in a worker."""

from kuai.data.worker import (
    WorkerInfo as WorkerInfo,
    get_worker_info as get_worker_info,
    numpy_state,
)

_generate_state = numpy_state
