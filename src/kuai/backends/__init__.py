"""`kuai.backends`: the libraries that Kuai computes with besides XLA."""

from kuai.backends import mkldnn

__all__ = ["mkldnn"]
