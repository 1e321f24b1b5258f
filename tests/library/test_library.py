"""Operations of a user's own."""

# ruff: noqa: UP006, UP007, UP035, UP045 - schemas know the older spellings, too
import importlib
from typing import List, Optional, Sequence, Tuple, Union

import pytest
import torch

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
    assert "grad_fn=<GeneratedBackwardFor_tests_cube_defaultBackward>" in repr(y)
    y.sum().backward()
    assert y.tolist() == [16.0] and x.grad.tolist() == [100.0]


def test_without_one_there_is_none():
    @library.custom_op("tests::square", mutates_args=())
    def square(x: kuai.Tensor) -> kuai.Tensor:
        return kuai.from_numpy(x.numpy() ** 2)

    x = kuai.tensor([3.0], requires_grad=True)
    assert square(x).requires_grad
    with pytest.raises(RuntimeError, match="Trying to backward through tests.square.default"):
        square(x).sum().backward()
    assert kuai.compile(lambda x: square(x) + 1)(x).tolist() == [10.0]
    with pytest.raises(RuntimeError, match="Declaration: tests::square"):
        square(x, 2)


def test_an_operation_of_a_library_has_the_gradient_of_what_it_calls():
    with library._scoped_library("testsscoped", "DEF") as lib:
        lib.define("f(Tensor x, int n=2) -> Tensor")
        with pytest.raises(RuntimeError, match="multiple times"):
            lib.define("f(Tensor x, int n=2) -> Tensor")

        @library.impl(lib, "f", "CPU")
        def f(x, n=2):
            return x**n

        x = kuai.tensor([3.0], requires_grad=True)
        kuai.ops.testsscoped.f(x).sum().backward()
        assert x.grad.tolist() == [6.0]
    with pytest.raises(AttributeError):
        _ = kuai.ops.testsscoped


def test_lists_and_names_reach_the_gradient():
    @library.custom_op("tests::mixed", mutates_args=())
    def mixed(parts: list[kuai.Tensor], by: float, *, shift: int = 2) -> kuai.Tensor:
        return parts[0] * by + parts[1] + shift

    def setup(ctx, inputs, keyword_only_inputs, output):
        ctx.by = inputs[1]
        assert keyword_only_inputs == {"shift": 5} and type(inputs[0]) is list

    mixed.register_autograd(lambda ctx, g: ([g * ctx.by, g], None), setup_context=setup)
    x, y = (kuai.ones(1, requires_grad=True) for _ in range(2))
    result = mixed([x, y], 3.0, shift=5)
    result.backward()
    assert result.tolist() == [9] and (x.grad.tolist(), y.grad.tolist()) == ([3], [1])


def test_arguments_are_changed_and_results_are_no_arguments():
    @library.custom_op("tests::add_to", mutates_args={"x"})
    def add_to(x: kuai.Tensor, by: int = 1) -> None:
        x.add_(by)

    @library.custom_op("tests::same", mutates_args=())
    def same(x: kuai.Tensor) -> kuai.Tensor:
        return x

    x = kuai.zeros(2)
    add_to(x)
    kuai.ops.tests.add_to(x, by=2)
    assert x.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="must not also be an input"):
        same(x)

    @library.custom_op("tests::twice_the_same", mutates_args=())
    def twice_the_same(x: kuai.Tensor) -> tuple[kuai.Tensor, kuai.Tensor]:
        made = x.clone()
        return made, made

    with pytest.raises(RuntimeError, match="or other returns"):
        twice_the_same(x)
    assert add_to.register_vmap(lambda info, in_dims, x, by: (None, None)) is None


def everything(t):
    def plain(
        x: t.Tensor, y: int, z: float = 1.0, w: Optional[t.Tensor] = None, b: bool = True,
        d: Optional[t.dtype] = None, s: str = "hi", k: List[int] = None,
        place: Optional[t.device] = None,
    ) -> t.Tensor: ...  # fmt: skip

    def nested(
        x: List[t.Tensor], y: Sequence[Optional[t.Tensor]], n: Union[int, float, bool],
        *, k: int | None = 3, kind: t.dtype = t.float32,
    ) -> Tuple[t.Tensor, int]: ...  # fmt: skip

    def nothing(x: t.Tensor) -> None: ...
    def bare(x): ...
    def no_result(x: t.Tensor): ...
    def star(x: t.Tensor, *rest) -> t.Tensor: ...

    return plain, nested, nothing, bare, no_result, star


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("mutates", [(), {"x"}, "unknown", {"nobody"}])
def test_schemas_are_pytorchs(number, mutates):
    def said(t):
        infer = importlib.import_module(f"{t.__name__}.library").infer_schema
        try:
            return infer(everything(t)[number], mutates_args=mutates, op_name="f")
        except ValueError as error:
            return str(error)

    assert said(kuai) == said(torch)


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


_CALLS = [
    lambda f, x: f(3),
    lambda f, x: f(x, "a"),
    lambda f, x: f(),
    lambda f, x: f(x, 1.0, 1, "a", 5),
    lambda f, x: f(x, zz=1),
    lambda f, x: f(x, 2.0, 1.5),
    lambda f, x: f(x, s=3),
    lambda f, x: f(x, 2, True),
]


def test_arguments_are_checked_by_the_schema():
    def made(t):
        @t.library.custom_op("checked::f", mutates_args=())
        def f(x: t.Tensor, k: float = 2.0, n: int = 1, s: str = "a") -> t.Tensor:
            return x * k + n

        return f

    def told(f, call, x):
        try:
            return call(f, x).tolist()
        except RuntimeError as error:
            return str(error).partition("\nCast error")[0]

    ours, theirs = made(kuai), made(torch)
    for call in _CALLS:
        assert told(ours, call, kuai.ones(1)) == told(theirs, call, torch.ones(1))


def test_what_is_registered_for_an_operation_itself():
    """By the object that `custom_op` gives, once it has been called, too."""

    @kuai.library.custom_op("edges::cube", mutates_args=())
    def cube(x: kuai.Tensor) -> kuai.Tensor:
        return x**3

    assert cube(kuai.tensor([2.0])).item() == 8
    kuai.library.register_vmap(cube, lambda info, in_dims, x: (cube(x), in_dims[0]))
    kuai.library.register_autograd(
        cube,
        lambda ctx, gradient: gradient * 3 * ctx.x**2,
        setup_context=lambda ctx, inputs, output: setattr(ctx, "x", inputs[0]),
    )
    kuai.library.register_fake(cube, kuai.empty_like)
    x = kuai.tensor([1.0, 2.0], requires_grad=True)
    cube(x).sum().backward()
    assert kuai.vmap(cube)(x).tolist() == [1, 8] and x.grad.tolist() == [3, 12]
