"""PyTorch's own tables of modules, with the arguments it tests them with."""

import importlib
import importlib.util
import sys
import types
import unittest


def common_modules():
    """`torch.testing._internal.common_modules`, also where `expecttest` is not installed.

    PyTorch's test base class derives from that package's; the tables need nothing of it.
    """
    if "expecttest" not in sys.modules and importlib.util.find_spec("expecttest") is None:
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in
    return importlib.import_module("torch.testing._internal.common_modules")
