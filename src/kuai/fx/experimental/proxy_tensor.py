"""`kuai.fx.experimental.proxy_tensor`: tracing below operations, which is never on."""

from kuai.standin.refusing import refused

__all__ = ["get_proxy_mode", "make_fx"]


def get_proxy_mode() -> None:
    """The mode that records what operations are made of: none.

    Example:
        >>> import kuai.fx.experimental.proxy_tensor
        >>> kuai.fx.experimental.proxy_tensor.get_proxy_mode() is None
        True
    """


make_fx = refused(
    "torch.fx.experimental.proxy_tensor.make_fx",
    "operations are made of XLA's, not of PyTorch's",
    "Use kuai.fx.symbolic_trace, or jax.make_jaxpr",
)
