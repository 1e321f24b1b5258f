"""`kuai._custom_ops`: an older path of `kuai.library`."""

from kuai.library import custom_op, get_ctx, impl, register_fake as impl_abstract

__all__ = ["custom_op", "get_ctx", "impl", "impl_abstract"]
