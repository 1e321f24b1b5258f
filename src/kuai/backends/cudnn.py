"""`kuai.backends.cudnn`: switches that programs set; XLA chooses kernels and tunes them itself."""

import contextlib
import types

from kuai.engine.tensor import devices

__all__ = [
    "allow_tf32",
    "benchmark",
    "deterministic",
    "enabled",
    "flags",
    "is_available",
    "version",
]

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True
fp32_precision = "none"
conv = types.SimpleNamespace(fp32_precision="tf32")
rnn = types.SimpleNamespace(fp32_precision="tf32")


def is_available() -> bool:
    """Whether there is a GPU, whose libraries XLA may use."""
    return devices.device_count("cuda") > 0


def version() -> int | None:
    """None: cuDNN is JAX's affair.

    Example:
        >>> kuai.backends.cudnn.version() is None
        True
    """
    return None


def is_acceptable(tensor) -> bool:
    """Whether a tensor lies on a GPU."""
    return tensor.device.type == "cuda"


@contextlib.contextmanager
def flags(
    enabled=False,
    benchmark=False,
    benchmark_limit=10,
    deterministic=False,
    allow_tf32=True,
    fp32_precision="none",
):
    """A context in which the switches have other values; none of them changes a result."""
    names, given = globals(), dict(locals())
    before = {name: names[name] for name in given}
    names.update(given)
    try:
        yield
    finally:
        names.update(before)
