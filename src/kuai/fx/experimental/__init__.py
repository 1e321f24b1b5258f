"""`kuai.fx.experimental`: what PyTorch keeps under that path."""

from kuai.engine.late import late

__getattr__, __dir__ = late("kuai.fx.experimental", ("proxy_tensor",), {})
