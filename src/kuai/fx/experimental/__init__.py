"""`kuai.fx.experimental`: what PyTorch keeps under that path."""
