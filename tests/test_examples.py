"""The examples in the docstrings of operations, which doctest itself does not find.

An operation's public function is made by the door, so doctest takes it for a foreign object.
"""

import doctest

import pytest

import kuai
from kuai.engine.op import REGISTRY

SCOPES = (REGISTRY.functions, REGISTRY.functional, REGISTRY.methods, *REGISTRY.modules.values())
PUBLIC = {
    id(f.operation): f.operation for s in SCOPES for f in s.values() if hasattr(f, "operation")
}
OPERATIONS = sorted(PUBLIC.values(), key=lambda operation: operation.pure.__qualname__)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.pure.__name__)
def test_example(operation):
    text = operation.pure.__doc__
    assert text, f"{operation.pure.__name__} has no docstring"
    names = {"kuai": kuai, "nn": kuai.nn, "F": kuai.nn.functional}
    examples = doctest.DocTestParser().get_doctest(
        text, names, operation.pure.__name__, operation.pure.__module__, 0
    )
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(examples, out=report.append)
    assert runner.failures == 0, "".join(report)
