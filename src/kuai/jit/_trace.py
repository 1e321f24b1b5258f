"""PyTorch's file of traces."""

from kuai.jit import is_tracing as is_tracing, trace as trace, trace_module as trace_module
