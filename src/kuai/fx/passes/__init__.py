"""`kuai.fx.passes`: things to do with graphs."""
