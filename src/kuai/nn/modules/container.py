"""PyTorch's import path for the containers."""

from kuai.nn.containers import ModuleDict, ModuleList, Sequential
from kuai.nn.parameter_containers import ParameterDict, ParameterList

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]
