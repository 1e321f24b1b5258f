"""State inside compiled code: each known way to go stale is a test here."""

import collections
import gc

import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.errors import CompileError
from tests.compilations import compilations

F = nn.functional


def make_step(net, opt, loss_function=nn.functional.mse_loss):
    def step(x, y):
        opt.zero_grad()
        loss = loss_function(net(x), y)
        loss.backward()
        opt.step()
        return loss

    return step


def twins(make):
    """Two equal nets."""
    kuai.manual_seed(0)
    first = make()
    kuai.manual_seed(0)
    return first, make()


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def batch(seed=0, size=6):
    generator = np.random.default_rng(seed)
    return (
        kuai.tensor(generator.normal(size=(size, 4)).astype(np.float32)),
        kuai.tensor(generator.normal(size=(size, 2)).astype(np.float32)),
    )


def same(first, second):
    for (name, a), (_, b) in zip(
        first.state_dict().items(), second.state_dict().items(), strict=True
    ):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


def pair(make=mlp, optimizer=lambda p: kuai.optim.SGD(p, lr=0.1, momentum=0.9)):
    eager, compiled = twins(make)
    eager_optimizer, compiled_optimizer = (
        optimizer(eager.parameters()),
        optimizer(compiled.parameters()),
    )
    steps = make_step(eager, eager_optimizer), kuai.compile(make_step(compiled, compiled_optimizer))
    return (eager, eager_optimizer, steps[0]), (compiled, compiled_optimizer, steps[1])


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_whole_step_equals_eager_and_compiles_once(name):
    (eager, _, run), (compiled, _, step) = pair(
        optimizer=lambda p: getattr(kuai.optim, name)(p, lr=0.05)
    )
    x, y = batch()
    losses = [(run(x, y).item(), step(x, y).item())]
    with compilations() as compiled_now:
        losses += [(run(x, y).item(), step(x, y).item()) for _ in range(4)]
    assert not compiled_now
    for expected, found in losses:
        assert found == pytest.approx(expected, rel=1e-5)
    same(eager, compiled)


def test_learning_rate_is_an_input():
    (eager, eager_optimizer, run), (compiled, optimizer, step) = pair()
    x, y = batch()
    run(x, y), step(x, y)
    with compilations() as compiled_now:
        for rate in (0.5, 0.01, 0.2):
            eager_optimizer.param_groups[0]["lr"] = optimizer.param_groups[0]["lr"] = rate
            run(x, y), step(x, y)
    assert not compiled_now
    same(eager, compiled)


def test_dropout_masks_differ_and_equal_eager_ones():
    layer = nn.Dropout(0.5)
    x = kuai.ones(64)
    kuai.manual_seed(1)
    expected = [layer(x).numpy() for _ in range(3)]
    compiled = kuai.compile(lambda x: layer(x))
    kuai.manual_seed(1)
    found = [compiled(x).numpy() for _ in range(3)]
    assert not np.array_equal(found[0], found[1])
    np.testing.assert_array_equal(expected, found)


def test_running_statistics_move():
    def make():
        return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))

    (eager, _, run), (compiled, _, step) = pair(make)
    for seed in range(3):
        run(*batch(seed)), step(*batch(seed))
    same(eager, compiled)
    assert compiled[1].num_batches_tracked.item() == 3


def test_train_and_eval_are_seen():
    net = nn.Sequential(nn.Dropout(0.9))
    compiled = kuai.compile(lambda x: net(x))
    x = kuai.ones(100)
    assert compiled(x).ne(1).any()
    net.eval()
    assert compiled(x).eq(1).all()
    net.train()
    assert compiled(x).ne(1).any()


def test_weights_edited_between_calls_are_read():
    net = mlp()
    compiled = kuai.compile(lambda x: net(x))
    x, _ = batch()
    compiled(x)
    with kuai.no_grad():
        net[0].weight[0, 0] = 100.0
    np.testing.assert_allclose(compiled(x).detach().numpy(), net(x).detach().numpy(), rtol=1e-5)
    net[2].bias.data = kuai.ones(2)
    np.testing.assert_allclose(compiled(x).detach().numpy(), net(x).detach().numpy(), rtol=1e-5)


def test_tied_weights_stay_tied():
    def make():
        shared = nn.Linear(4, 4)
        return nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(4, 2))

    (eager, _, run), (compiled, _, step) = pair(make)
    for _ in range(3):
        run(*batch()), step(*batch())
    assert compiled[0].weight is compiled[2].weight
    same(eager, compiled)


def test_freezing_a_layer_is_seen():
    (eager, _, run), (compiled, _, step) = pair()
    run(*batch()), step(*batch())
    for net in (eager, compiled):
        net[0].requires_grad_(False)
    before = compiled[0].weight.detach().clone()
    run(*batch()), step(*batch())
    same(eager, compiled)
    assert (compiled[0].weight == before).all() or compiled[0].weight.grad is None
    for net in (eager, compiled):
        net[0].requires_grad_(True)
    run(*batch()), step(*batch())
    same(eager, compiled)


def test_hooks_act_and_their_changes_are_seen():
    net = mlp()
    compiled = kuai.compile(lambda x: net(x))
    x, _ = batch()
    plain = compiled(x).detach().numpy()
    handle = net[0].register_forward_hook(lambda module, args, output: output * 2)
    doubled = compiled(x).detach().numpy()
    np.testing.assert_allclose(doubled, net(x).detach().numpy(), rtol=1e-5)
    assert not np.allclose(plain, doubled)
    handle.remove()
    np.testing.assert_array_equal(compiled(x).detach().numpy(), plain)


def test_tensor_and_backward_hooks_inside_the_step():
    (eager, _, run), (compiled, _, step) = pair()
    for net in (eager, compiled):
        net[0].weight.register_hook(lambda grad: grad * 0.5)
        net[2].register_full_backward_hook(lambda module, gi, go: tuple(g * 2 for g in gi))
    for _ in range(3):
        run(*batch()), step(*batch())
    same(eager, compiled)


def test_attributes_globals_and_closures_are_guarded():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = 1.0
            self.table = [1.0]

        def forward(self, x):
            return x * self.scale * self.table[0]

    net, factor = Scaled(), 3.0
    compiled = kuai.compile(lambda x: net(x) * factor)
    x = kuai.ones(2)
    assert compiled(x).tolist() == [3, 3]
    net.scale = 0.5
    assert compiled(x).tolist() == [1.5, 1.5]
    net.table[0] = 2.0
    assert compiled(x).tolist() == [3, 3]
    factor = 1.0
    assert compiled(x).tolist() == [1, 1]


def test_gradients_accumulate_without_zero_grad():
    net = nn.Linear(4, 2)

    def step(x):
        net(x).sum().backward()

    compiled = kuai.compile(step)
    x, _ = batch()
    for _ in range(3):
        compiled(x)
    found = net.weight.grad.numpy()
    net.zero_grad()
    for _ in range(3):
        step(x)
    np.testing.assert_allclose(found, net.weight.grad.numpy(), rtol=1e-5)


def test_compiled_forward_lets_backward_run_outside():
    net = mlp()
    compiled = kuai.compile(lambda x: net(x))
    x, y = batch()
    F.mse_loss(compiled(x), y).backward()
    found = [p.grad.numpy() for p in net.parameters()]
    net.zero_grad()
    F.mse_loss(net(x), y).backward()
    for expected, parameter in zip(found, net.parameters(), strict=True):
        np.testing.assert_allclose(expected, parameter.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_gradients_of_an_outside_tensor_and_its_ancestor():
    w = nn.Parameter(kuai.tensor(3.0))
    y = w * 2
    kuai.compile(lambda: y * w)().backward()
    assert w.grad.item() == 12


def test_gradient_reaches_an_argument():
    compiled = kuai.compile(lambda x: (x * x).sum())
    x = kuai.tensor([1.0, 2.0], requires_grad=True)
    compiled(x * 3).backward()
    assert x.grad.tolist() == [18.0, 36.0]


def test_loss_of_a_whole_step_is_spent():
    _, (_, _, step) = pair()
    loss = step(*batch())
    assert loss.requires_grad
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_arguments_changed_in_place():
    @kuai.compile
    def halve(x):
        x /= 2
        return x

    x = kuai.tensor([8.0, 4.0])
    held = x.detach()
    assert halve(x) is x
    assert held.tolist() == [4, 2]
    rows = kuai.tensor([[8.0, 4.0], [2.0, 6.0]])
    halve(rows[1])
    assert rows.tolist() == [[8, 4], [1, 3]]


def test_snapshots_taken_before_a_step_survive_it():
    _, (net, _, step) = pair()
    step(*batch())
    snapshot, numbers, copied = (
        net[0].weight.detach().clone(),
        net[0].weight.detach().numpy(),
        net.state_dict(),
    )
    before = numbers.copy()
    aliased = copied["0.weight"]
    step(*batch())
    np.testing.assert_array_equal(snapshot.numpy(), before)
    np.testing.assert_array_equal(numbers, net[0].weight.detach().numpy())  # the same memory
    np.testing.assert_array_equal(aliased.numpy(), net[0].weight.detach().numpy())


def test_last_smaller_batch_costs_one_program():
    _, (_, _, step) = pair()
    step(*batch()), step(*batch(size=3))
    with compilations() as compiled_now:
        step(*batch()), step(*batch(size=3)), step(*batch())
    assert not compiled_now


def test_lazy_layers_and_lazy_optimizer_state():
    net = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2))
    compiled = kuai.compile(lambda x: net(x))
    x, _ = batch()
    first = compiled(x)
    assert net[0].weight.shape == (8, 4)
    np.testing.assert_allclose(first.detach().numpy(), net(x).detach().numpy(), rtol=1e-5)
    with compilations() as compiled_now:
        compiled(x)
    assert not compiled_now


def test_a_value_asked_for_in_the_middle():
    def walk(x):
        while x.abs().sum() > 1:
            x = x / 2
        return x.sum()

    compiled = kuai.compile(walk)
    x = kuai.tensor([8.0, 4.0])
    first = compiled(x)
    with compilations() as compiled_now:
        second = compiled(x)
    assert first.item() == second.item() == walk(x).item()
    assert not compiled_now
    ((what, line, times),) = compiled.explain().flushes
    assert what == "bool()" and "while x.abs().sum() > 1" in line and times == 10


def test_fullgraph_says_where():
    compiled = kuai.compile(lambda x: float(x.sum()), fullgraph=True)
    with pytest.raises(CompileError, match="test_compiling.py"):
        compiled(kuai.ones(2))


def test_an_exception_leaves_everything_as_eager_code_does():
    x, y = batch()
    found = []
    for wrap in (lambda step: step, kuai.compile):
        kuai.manual_seed(0)
        net = mlp()
        optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)

        def step(x, y, net=net, optimizer=optimizer):
            F.mse_loss(net(x), y).backward()
            optimizer.step()
            raise ValueError("half-way")

        with pytest.raises(ValueError, match="half-way"):
            wrap(step)(x, y)
        found.append([t.detach().numpy() for p in net.parameters() for t in (p, p.grad)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_tensor_kept_in_a_list():
    kept = []

    @kuai.compile
    def keep(x):
        kept.append(x * 2)
        return x + 1

    keep(kuai.ones(2))
    keep(kuai.ones(2))
    assert [x.tolist() for x in kept] == [[2, 2], [2, 2]]
    kuai.compile(keep.function, fullgraph=True)(kuai.ones(2))
    assert kept[2].tolist() == [2, 2] and len(keep.programs) == 1


HIDDEN = collections.deque(maxlen=1)


def test_a_tensor_kept_in_a_global():
    @kuai.compile
    def keep(x):
        HIDDEN.append(x * 2)
        return x + 1

    for number in range(3):
        keep(kuai.ones(2) * number)
        assert (HIDDEN[0] + 1).tolist() == [2 * number + 1] * 2
        assert HIDDEN[0].shape == (2,)


def test_same_tensor_as_argument_and_as_state():
    weight = kuai.ones(2)

    @kuai.compile
    def add(x):
        weight.mul_(2)
        return x + weight

    assert add(kuai.ones(2)).tolist() == [3, 3]
    assert add(weight).tolist() == [8, 8]
    assert add(kuai.ones(2)).tolist() == [9, 9]


def test_compile_as_module_method_and_decorator():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 2)

        @kuai.compile
        def twice(self, x):
            return self.inner(x) * 2

        def forward(self, x):
            return self.inner(x)

    first, second = Net(), Net()
    x, _ = batch()
    for net in (first, second):
        expected = net(x).detach().numpy()
        np.testing.assert_allclose(net.twice(x).detach().numpy(), expected * 2, rtol=1e-5)
        net.hybridize()
        np.testing.assert_allclose(net(x).detach().numpy(), expected, rtol=1e-5)
        assert list(net.state_dict()) == ["inner.weight", "inner.bias"]


def test_programs_do_not_keep_arguments_alive():
    compiled = kuai.compile(lambda x: x + 1)
    x = kuai.ones(3)
    array = x.__jax_array__()
    compiled(x)
    del x
    gc.collect()
    assert not any(isinstance(r, kuai.Tensor) for r in gc.get_referrers(array))


def test_a_gradient_that_was_kept_is_not_overwritten():
    _, (net, _, step) = pair()
    step(*batch())
    kept = net[0].weight.grad
    values = kept.numpy().copy()
    seen = net[0].bias.grad.detach()
    before = seen.numpy().copy()
    step(*batch(1))
    assert net[0].weight.grad is not kept
    np.testing.assert_array_equal(kept.numpy(), values)
    np.testing.assert_array_equal(seen.numpy(), before)
    assert not np.array_equal(net[0].weight.grad.numpy(), values)
