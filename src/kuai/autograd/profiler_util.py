"""`kuai.autograd.profiler_util`: what profiles are made of."""

from kuai.profiler.averages import EventList, FunctionEvent, FunctionEventAvg, Interval

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "Interval"]
