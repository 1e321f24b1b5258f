"""The engine: tensors, views, the tape and whole-step compilation. The only layer that knows
tracing."""
