"""cond, while_loop and scan: the same numbers eagerly, compiled and in PyTorch."""

import jax
import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.errors import CompileError, ControlFlowError, LeakedTensorError


def compiled(function):
    return kuai.compile(function, fullgraph=True)


def same_in_both(make):
    """Run a test program eagerly and compiled, from the same seed, and compare all it returns."""
    results = []
    for wrap in (lambda function: function, compiled):
        kuai.manual_seed(0)
        results.append(make(wrap))
    for eager, traced in zip(*results, strict=True):
        assert eager.shape == traced.shape and eager.dtype == traced.dtype
        np.testing.assert_allclose(eager.numpy(force=True), traced.numpy(force=True), 1e-4, 1e-5)
    return results[0]


def gradients(*modules):
    return [p.grad for module in modules for p in module.parameters()]


# cond -------------------------------------------------------------------------------------------


def test_cond_chooses_while_the_program_runs_and_trains_the_chosen_branch():
    def program(wrap):
        left, right, x = nn.Linear(3, 3), nn.Linear(3, 3), kuai.randn(2, 3)

        @wrap
        def step(x):
            y = kuai.cond(x.sum() > 0, lambda x: left(x).relu(), lambda x: right(x), (x,))
            y.sum().backward()
            return y

        return [step(x), step(-x), step(x), *gradients(left, right)]

    same_in_both(program)


def test_cond_with_random_numbers_in_one_branch_leaves_the_generator_as_eagerly():
    def program(wrap):
        @wrap
        def step(x):
            return kuai.cond(x > 0, lambda x: x + kuai.rand(()), lambda x: x * 2, (x,))

        one = kuai.tensor(1.0)
        return [step(one), step(-one), step(one), kuai.rand(2)]

    same_in_both(program)


def test_cond_decides_at_once_on_a_python_boolean_and_nests():
    @compiled
    def step(x, flag):
        inner = lambda x: kuai.cond(x > 10, lambda x: {"y": x}, lambda x: {"y": -x}, (x,))  # noqa: E731
        return kuai.cond(flag, inner, lambda x: {"y": x * 0}, (x,))["y"]

    found = [step(kuai.tensor(v), f).item() for v, f in ((11.0, True), (1.0, True), (1.0, False))]
    assert found == [11.0, -1.0, 0.0]


@pytest.mark.parametrize(
    ("false_fn", "text"),
    [
        (lambda x: x[:2], r"float32\[4\] from true_fn and float32\[2\] from false_fn"),
        (lambda x: x.double(), r"float32\[4\] from true_fn and float64\[4\] from false_fn"),
        (lambda x: (x, x), "same structure"),
    ],
)
def test_cond_explains_branches_that_differ(false_fn, text):
    step = compiled(lambda x: kuai.cond(x.sum() > 0, lambda x: x, false_fn, (x,)))
    with pytest.raises(ControlFlowError, match=text):
        step(kuai.ones(4))


def test_cond_refuses_a_predicate_of_several_elements():
    with pytest.raises(RuntimeError, match="Expected pred to be bool or single-element tensor"):
        kuai.cond(kuai.ones(2) > 0, lambda: 1, lambda: 2)
    with pytest.raises(RuntimeError, match="Expected pred to be bool or tensor, but got x."):
        kuai.cond("x", lambda: 1, lambda: 2)


# scan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dim", [0, 1])
def test_scan_runs_along_a_dimension(dim, reverse):
    """PyTorch's own needs its compiler, and a minute, for this; what it gives is written out."""
    array = np.random.randn(3, 3).astype(np.float32)
    total, outputs = np.ones(3, np.float32), [None] * 3
    for i in (2, 1, 0) if reverse else (0, 1, 2):
        x = array.take(i, dim)
        total, outputs[i] = total * 0.5 + x, np.concatenate([total, x])
    for wrap in (lambda function: function, compiled):

        @wrap
        def run(x):
            def combine(c, x):
                return c * 0.5 + x, kuai.cat([c, x])

            return kuai.scan(combine, kuai.ones(3), x, dim=dim, reverse=reverse)

        last, stacked = run(kuai.tensor(array))
        np.testing.assert_allclose(last, total, 1e-6)
        np.testing.assert_allclose(stacked, np.stack(outputs, dim), 1e-6)


def test_scan_of_a_cell_with_dropout_trains_and_draws_new_numbers_each_time():
    def program(wrap):
        cell, drop, x = nn.RNNCell(3, 4), nn.Dropout(0.5), kuai.randn(6, 2, 3)
        x.requires_grad_()

        @wrap
        def step(x):
            h, masks = kuai.scan(
                lambda h, x: (cell(x, drop(h)), drop(kuai.ones(8))), kuai.zeros(2, 4), x
            )
            loss = (h**2).sum()
            loss.backward()
            return loss, masks

        results = [*step(x), *step(x)]
        return [*results, x.grad, *gradients(cell), kuai.rand(3)]

    masks = same_in_both(program)[1]
    assert len({tuple(row) for row in masks.tolist()}) > 1


def test_scan_updates_buffers_of_modules_in_its_body():
    def program(wrap):
        norm, x = nn.BatchNorm1d(3), kuai.randn(5, 4, 3)

        @wrap
        def step(x):
            count, rows = kuai.scan(lambda n, x: (n + 1, norm(x)), kuai.tensor(0), x)
            (rows**3).sum().backward()
            return count, rows

        return [*step(x), *step(x), norm.running_mean, norm.running_var, *gradients(norm)]

    same_in_both(program)


def nested(wrap):
    w, x = nn.Parameter(kuai.randn(3)), kuai.randn(5, 3)

    @wrap
    def step(x):
        z = w * 2
        v = z[:2]

        def body(h, x):
            g = kuai.cond(x.sum() > 0, lambda h: h * w + z, lambda h: h - v.sum(), (h,))
            _, t = kuai.scan(lambda c, q: (c + q * w[0], c * z[1]), kuai.tensor(0.0), g)
            return g.tanh(), {"a": t, "b": (g.detach() * g,)}

        h, rows = kuai.scan(body, kuai.zeros(3), x, reverse=True)
        (rows["a"].sum() + rows["b"][0].sum() + h.sum()).backward()
        return h, rows["a"], rows["b"][0]

    return [*step(x), *step(x), w.grad]


def test_nested_with_views_detach_and_nested_results():
    same_in_both(nested)


def test_second_derivatives_through_a_scan():
    def program(wrap):
        q, x = kuai.full((3,), 0.7, requires_grad=True), kuai.randn(4, 3)

        @wrap
        def step(x):
            z = q * 2
            h, rows = kuai.scan(
                lambda h, x: ((h * z + x * q).tanh(), (h * z).sum()), kuai.zeros(3), x
            )
            (g,) = kuai.autograd.grad(h.sum() + rows.sum(), q, create_graph=True)
            return kuai.autograd.grad((g**2).sum(), q)

        return step(x)

    same_in_both(program)


def test_a_custom_function_keeps_its_backward_pass_in_a_body():
    class Through(kuai.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    def program(wrap):
        w = nn.Parameter(kuai.ones(2))

        @wrap
        def step(x):
            h, _ = kuai.scan(lambda h, x: (h + Through.apply(w * x), x), kuai.zeros(2), x)
            h.sum().backward()
            return h

        return [step(kuai.arange(6.0).reshape(3, 2)), w.grad]

    assert same_in_both(program)[1].tolist() == [18.0, 27.0]


def test_weights_are_not_kept_once_per_iteration():
    w = nn.Parameter(kuai.ones(37, 37))

    def step(x):
        h, _ = kuai.scan(lambda h, x: ((h @ w + x).tanh(), x), kuai.zeros(37), x)
        h.sum().backward()

    step = compiled(step)
    step(kuai.randn(11, 37))
    (program,) = step.programs
    seen = program.function.lower(*program.avals).as_text()
    assert "11x37x" in seen and "11x37x37x" not in seen


def test_a_program_is_found_again_though_its_parts_are_traced_anew():
    w = nn.Parameter(kuai.ones(3))

    @kuai.compile
    def step(x):
        w.grad = None
        h, ys = kuai.scan(lambda h, x: ((h * w + x).tanh(), h * 2), kuai.zeros(3), x)
        y = kuai.cond(h.sum() > 0, lambda h: h * w, lambda h: -h, (h,))
        (z,) = kuai.while_loop(
            lambda z: z.abs().sum() > 1, lambda z: (z * w / 2,), (y,), max_iterations=4
        )
        per_row = kuai.vmap(lambda row: (row * w).sum())(x)
        (z.sum() + ys.sum() + per_row.sum()).backward()
        return z

    for number in range(4):
        step(kuai.ones(5, 3) * number)
    assert len(step.programs) == 1


def test_scan_without_iterations_keeps_shapes():
    last, rows = kuai.scan(lambda n, x: (n + 1, x * 2), kuai.tensor(0), kuai.zeros(0, 3))
    assert last.item() == 0 and rows.shape == (0, 3)


def test_inside_plain_jax():
    def loss(array):
        x = kuai.engine.tensor.wrap(array)
        y = kuai.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, (x,))
        return kuai.scan(lambda h, x: (h * 0.5 + x, h), kuai.tensor(0.0), y)[0].__jax_array__()

    found = jax.jit(jax.grad(loss))(jax.numpy.ones(3, "float32"))
    assert found.tolist() == [0.5, 1.0, 2.0]


def test_inside_vmap():
    def branch(x):
        return kuai.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, (x,))

    found = kuai.vmap(branch)(kuai.tensor([[1.0, 2.0], [-1.0, -2.0]]))
    assert found.tolist() == [[2.0, 4.0], [1.0, 2.0]]


# while_loop -------------------------------------------------------------------------------------


def test_a_bounded_loop_is_differentiable():
    def program(wrap):
        layer, x = nn.Linear(3, 3), kuai.randn(2, 3) * 10

        @wrap
        def step(x):
            (h,) = kuai.while_loop(
                lambda h: h.abs().sum() > 1,
                lambda h: (h * layer.weight.mean().sigmoid(),),
                (layer(x),),
                max_iterations=40,
            )
            h.sum().backward()
            return h

        return [step(x), step(x * 2), *gradients(layer)]

    same_in_both(program)


def test_a_loop_of_unknown_length_stays_in_a_program_without_gradient():
    @compiled
    def halvings(x):
        with kuai.no_grad():
            test, body = lambda n, x: x.abs().sum() > 1, lambda n, x: (n + 1, x / 2)
            return kuai.while_loop(test, body, (0, x))

    assert [halvings(kuai.tensor(v))[0].item() for v in (0.5, 3.0, 100.0)] == [0, 2, 7]


def test_the_backward_pass_of_a_loop_of_unknown_length():
    w = nn.Parameter(kuai.ones(()))

    def step(x):
        (y,) = kuai.while_loop(lambda x: x > 1, lambda x: (x * w / 2,), (x,))
        y.backward()
        return y

    with pytest.raises(CompileError, match="max_iterations="):
        compiled(step)(kuai.tensor(4.0))
    w.grad = None
    assert kuai.compile(step)(kuai.tensor(4.0)).item() == 1.0
    assert w.grad.item() == 2.0


def test_loops_explain_what_they_cannot_carry():
    x = kuai.ones(3)
    for wrap in (lambda function: function, compiled):
        with pytest.raises(ControlFlowError, match=r"goes in as float32\[3\] and comes out as"):
            wrap(lambda x: kuai.scan(lambda h, x: (h.double(), x), kuai.zeros(3), x))(x)
        with pytest.raises(ControlFlowError, match="has to return a pair"):
            wrap(lambda x: kuai.scan(lambda h, x: h, kuai.zeros(3), x))(x)
        with pytest.raises(ControlFlowError, match="has to return one boolean"):
            wrap(lambda x: kuai.while_loop(lambda x: x > 1, lambda x: x, (x,)))(x)
        with pytest.raises(ControlFlowError, match="keep its structure"):
            wrap(lambda x: kuai.while_loop(lambda x: x[0] > 0, lambda x: (x, x), (x,)))(x)


# What bodies may do to the outside --------------------------------------------------------------


def test_buffers_may_be_changed_but_arguments_and_histories_may_not():
    total, w = kuai.zeros(3), nn.Parameter(kuai.ones(3))

    def loop(body):
        return compiled(lambda x: kuai.scan(body, kuai.zeros(3), x))

    x = kuai.arange(6.0).reshape(2, 3)
    loop(lambda h, x: (h, total.add_(x) * 1))(x)
    assert total.tolist() == [3.0, 5.0, 7.0]
    with pytest.raises(ControlFlowError, match="changes one of its arguments in place"):
        loop(lambda h, x: (h.add_(x), x))(x)
    with pytest.raises(ControlFlowError, match="requires a gradient into a tensor from outside"):
        loop(lambda h, x: (h, total.add_(x * w) * 1))(x)
    with pytest.raises(ControlFlowError, match=r"\.grad of a tensor from outside"):
        loop(lambda h, x: ((w * x).sum().backward() or h, x))(x)
    assert total.tolist() == [3.0, 5.0, 7.0] and not total.requires_grad and w.grad is None


def test_a_tensor_smuggled_out_of_a_body_is_an_error():
    kept = []
    step = compiled(lambda x: kuai.scan(lambda h, x: (kept.append(h) or h, x), x[0], x))
    step(kuai.ones(2, 3))
    with pytest.raises(LeakedTensorError, match="inside a compiled function"):
        kept[0] + 1


def test_python_decisions_in_a_body_run_it_in_python():
    def step(x):
        return kuai.scan(lambda h, x: (h + 1 if x > 0 else h, x), kuai.tensor(0), x)[0]

    assert kuai.compile(step)(kuai.tensor([1.0, -1.0, 2.0])).item() == 2
    with pytest.raises(CompileError, match="if x > 0"):
        compiled(step)(kuai.tensor([1.0, -1.0, 2.0]))


# The documents' network -------------------------------------------------------------------------


class FixedHiddenMLP(nn.Module):
    """The documents' network: a constant weight, a layer used twice, and a loop."""

    def __init__(self):
        super().__init__()
        self.rand_weight = kuai.rand((20, 20), requires_grad=False)
        self.linear = nn.Linear(20, 20)

    def forward(self, X):
        X = self.linear(X)
        X = nn.functional.relu(kuai.mm(X, self.rand_weight) + 1)
        X = self.linear(X)
        return self.shrink(X).sum()

    def shrink(self, X):
        while X.abs().sum() > 1:
            X /= 2
        return X


class LoopedMLP(FixedHiddenMLP):
    """The same with its loop as a part of the program."""

    def shrink(self, X):
        (X,) = kuai.while_loop(
            lambda X: X.abs().sum() > 1, lambda X: (X / 2,), (X,), max_iterations=50
        )
        return X


def losses_of_training(kind, prepare):
    kuai.manual_seed(0)
    net = kind()
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.01)
    prepare(net)
    losses = []
    for seed in (1, 2, 1, 2):  # two epochs of two batches
        kuai.manual_seed(seed)
        loss = (net(kuai.rand(2, 20)) - 1) ** 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_documents_network_trains_hybridized():
    eager = losses_of_training(FixedHiddenMLP, lambda net: None)
    hybrid = losses_of_training(FixedHiddenMLP, lambda net: net.hybridize())
    assert hybrid == pytest.approx(eager, rel=1e-5) and eager[2] != eager[0]


def test_the_documents_network_stays_one_program_with_while_loop():
    eager = losses_of_training(FixedHiddenMLP, lambda net: None)
    looped = losses_of_training(LoopedMLP, lambda net: net.hybridize(fullgraph=True))
    np.testing.assert_allclose(looped, eager, 1e-5)
