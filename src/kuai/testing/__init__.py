"""`torch.testing`: to compare results, and to make tensors for tests."""

from kuai.testing.comparison import assert_allclose, assert_close
from kuai.testing.creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
