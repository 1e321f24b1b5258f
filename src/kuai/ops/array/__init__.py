"""Tensors as containers: making, shaping, indexing, joining and converting them."""

from kuai.engine.late import late

#: Modules that are loaded when they are first asked for.
__getattr__, __dir__ = late("kuai.ops.array", ("nested_faults", "sharing"), {})
