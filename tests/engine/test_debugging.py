"""kuai.debug and detect_anomaly: the operation and the block that made the first NaN."""

import os
import subprocess
import sys
import threading
import warnings

import pytest

import kuai
from kuai import nn
from kuai.errors import NonFiniteError


class Root(nn.Module):
    """Makes NaN of negative numbers, and a NaN gradient at zero."""

    def forward(self, x):
        return x.sqrt()


def network():
    return nn.Sequential(nn.Identity(), nn.Sequential(nn.Identity(), Root()))


def compiled(function):
    return kuai.compile(function, fullgraph=True)


both = pytest.mark.parametrize("wrap", [lambda function: function, compiled])


@both
def test_nan_is_reported_with_operation_and_block(wrap):
    net = network()
    step = wrap(lambda x: net(x).sum())
    x = kuai.tensor([1.0, -4.0])
    assert step(x).isnan()
    with kuai.debug(), pytest.raises(NonFiniteError) as caught:
        step(x)
    assert str(caught.value) == (
        "NaN in the result of sqrt in block 1.1 (Root) of Sequential: float32[2], has 1 of them, "
        "the first at [1]. It was given: float32[2] from -4 to 1"
    )
    assert isinstance(caught.value, RuntimeError) and isinstance(caught.value, FloatingPointError)
    assert step(x).isnan()  # nothing is looked at any more


@both
def test_nan_is_reported_in_the_backward_pass(wrap):
    net = network()

    def train(x):
        (net(x) * 0).sum().backward()

    step = wrap(train)
    with kuai.debug(), pytest.raises(NonFiniteError) as caught:
        step(kuai.zeros(2, requires_grad=True))
    assert "in the result of the backward of sqrt in block 1.1 (Root)" in str(caught.value)


def test_nan_that_was_there_before_and_nan_outside_of_blocks():
    with kuai.debug():
        with pytest.raises(NonFiniteError, match=r"relu in block ReLU: .* was given NaN already"):
            nn.ReLU()(kuai.tensor([float("nan")]))
        with pytest.raises(NonFiniteError, match="div in no block"):
            kuai.zeros(2) / 0


def test_nan_in_an_optimizers_update():
    layer = nn.Linear(2, 1)
    optimizer = kuai.optim.SGD(layer.parameters(), lr=float("nan"))
    layer(kuai.ones(3, 2)).sum().backward()
    with kuai.debug(), pytest.raises(NonFiniteError, match=r"an update by kuai\.optim\.sgd"):
        optimizer.step()


def test_infinities_only_if_asked_for_and_only_new_ones():
    scores = kuai.zeros(2, 2).masked_fill(kuai.eye(2).bool(), -float("inf"))
    with kuai.debug():
        kuai.zeros(2).log()
    with kuai.debug(infs=True):
        assert (scores + 1).softmax(-1).tolist() == [[0.0, 1.0], [1.0, 0.0]]
        with pytest.raises(NonFiniteError, match="infinity in the result of log"):
            kuai.zeros(2).log()
    with kuai.debug(nans=False):
        kuai.zeros(2) / 0


def test_shapes_of_every_call(capsys):
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    step = kuai.compile(lambda x: net(x))
    step(kuai.ones(4, 2))
    with kuai.debug(shapes=True) as seen:
        step(kuai.ones(4, 2))
    assert seen.lines == [
        "block 0 (Linear) of Sequential: Tensor[4, 2] float32 -> Tensor[4, 3] float32",
        "block 1 (ReLU) of Sequential: Tensor[4, 3] float32 -> Tensor[4, 3] float32",
        "block Sequential: Tensor[4, 2] float32 -> Tensor[4, 3] float32",
    ]
    assert capsys.readouterr().out == "".join(f"{line}\n" for line in seen.lines)


def test_other_threads_and_compiled_programs_are_left_alone():
    net, found = network(), []
    step = compiled(lambda x: net(x))
    step(kuai.ones(2))
    programs = step.programs
    with kuai.debug():
        other = threading.Thread(target=lambda: found.append(net(-kuai.ones(2)).isnan().all()))
        other.start()
        other.join()
    step(kuai.ones(2))
    assert found[0] and step.programs == programs


def test_anomalies_in_pytorchs_words():
    x = kuai.tensor([-1.0], requires_grad=True)
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        context = kuai.autograd.detect_anomaly()
    message = "Function 'SqrtBackward0' returned nan values in its 0th output."
    with context:
        assert kuai.is_anomaly_enabled()
        y = x.sqrt()
        with pytest.raises(RuntimeError, match=message):
            with pytest.warns(UserWarning, match="Error detected in SqrtBackward0. Traceback of"):
                y.backward()
    assert not kuai.is_anomaly_enabled()
    with kuai.autograd.set_detect_anomaly(True, check_nan=False):
        x.sqrt().backward()
    kuai.autograd.set_detect_anomaly(True)
    try:
        with pytest.raises(RuntimeError, match=message):
            with pytest.warns(UserWarning, match="Error detected in SqrtBackward0"):
                compiled(lambda x: x.sqrt().backward())(x)
    finally:
        kuai.autograd.set_detect_anomaly(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x.sqrt().backward()


def test_all_compilation_can_be_turned_off_from_outside():
    program = """
import kuai
calls = []
@kuai.compile(fullgraph=True)
def step(x):
    calls.append(bool(x.sum() > 0))
    return x
net = kuai.nn.Linear(2, 2)
net.hybridize(fullgraph=True)
net.register_forward_hook(lambda *_: calls.append(0))
for _ in range(2):
    net(step(kuai.ones(1, 2)))
assert calls == [True, 0] * 2, calls
"""
    environment = {**os.environ, "KUAI_COMPILE": "0"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
