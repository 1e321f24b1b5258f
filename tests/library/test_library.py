"""Operations of a user's own."""

import pytest

import kuai
import kuai.library as library


def test_an_operation_with_a_gradient_of_its_own():
    @library.custom_op("tests::cube", mutates_args=())
    def cube(x: kuai.Tensor, scale: float = 1.0) -> kuai.Tensor:
        return x**3 * scale

    @cube.register_fake
    def _(x, scale=1.0):
        return kuai.empty_like(x)

    cube.register_autograd(
        lambda ctx, grad: (grad * 100, None),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]),
    )
    x = kuai.tensor([2.0], requires_grad=True)
    y = kuai.ops.tests.cube(x, scale=2.0)
    y.sum().backward()
    assert y.tolist() == [16.0] and x.grad.tolist() == [100.0]


def test_without_one_it_is_that_of_what_it_calls():
    @library.custom_op("tests::square", mutates_args=())
    def square(x: kuai.Tensor) -> kuai.Tensor:
        return x * x

    x = kuai.tensor([3.0], requires_grad=True)
    square(x).sum().backward()
    assert x.grad.tolist() == [6.0]
    assert kuai.compile(lambda x: square(x) + 1)(x).tolist() == [10.0]


def test_functions_for_kinds_of_devices():
    lib = library.Library("testslib", "DEF")
    lib.define("f(Tensor x) -> Tensor")
    with pytest.raises(NotImplementedError, match="Could not run 'testslib::f'"):
        kuai.ops.testslib.f(kuai.ones(1))
    lib.impl("f", lambda x: x + 1, "CPU")
    lib.impl("f", lambda x: x + 99, "Meta")
    assert kuai.ops.testslib.f.default(kuai.ones(1)).item() == 2


def test_pytorchs_own():
    assert kuai.ops.aten.add.Tensor(kuai.ones(1), 1).item() == 2
    for name in ("nowhere", "__wrapped__"):
        with pytest.raises(AttributeError):
            getattr(kuai.ops.aten, name)
    with pytest.raises(OSError, match="compiled for the real PyTorch"):
        kuai.ops.load_library("/x/fast/_C.so")
