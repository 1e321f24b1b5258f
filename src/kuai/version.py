"""`kuai.version`: the version of PyTorch that Kuai follows, and Kuai's own.

Example:
    >>> kuai.version.__version__, kuai.version.cuda
    ('2.13.0', None)
"""

from kuai.torch_version import TorchVersion

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "kuai", "rocm", "xpu"]

__version__ = TorchVersion("2.13.0")
kuai = "0.1.0"
debug = False
#: Kuai is built with none of these; what a device runs on is JAX's affair.
cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
git_version = "unknown"
