"""The contenders: how each library trains a case.

Each function makes `step()`, one training step that returns its loss, and `wait(loss)`, which
blocks until the loss is known and returns it as a float. Every library is used in the way its own
documentation shows. Imports are in the functions: each contender runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.case import Case

Made = tuple[Callable[[], Any], Callable[[Any], float]]


def kuai_eager(case: Case) -> Made:
    """Kuai, operation by operation."""
    import kuai

    return _torch_like(case, kuai), lambda loss: loss.item()


def kuai_compiled(case: Case) -> Made:
    """Kuai, the whole step as one program."""
    import kuai

    return kuai.compile(_torch_like(case, kuai), fullgraph=True), lambda loss: loss.item()


def torch_eager(case: Case) -> Made:
    """PyTorch, operation by operation."""
    import torch

    return _torch_like(case, torch), lambda loss: loss.item()


def torch_compiled(case: Case) -> Made:
    """PyTorch, the step under torch.compile."""
    import torch

    return torch.compile(_torch_like(case, torch)), lambda loss: loss.item()


def _torch_like(case: Case, t: Any) -> Callable[[], Any]:
    model = case.torch_model(t)
    values = zip(model.state_dict(), case.weights, strict=True)
    model.load_state_dict({name: t.tensor(value) for name, value in values})
    optimizer = t.optim.SGD(model.parameters(), lr=case.lr)
    inputs, labels = t.tensor(case.inputs), t.tensor(case.labels.astype("int64"))

    # In the order of PyTorch's own quickstart: gradients are dropped at the end, so nobody has to
    # bring them out of the step, as plain JAX, Flax and Equinox do not either.
    def step():
        loss = t.nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def plain_jax(case: Case) -> Made:
    """jax.jit, written by hand, with donated weights."""
    import functools

    import jax

    @functools.partial(jax.jit, donate_argnums=0)
    def update(weights, inputs, labels):
        def loss_of(weights):
            return _cross_entropy(case.jax_model(weights, inputs), labels)

        loss, gradients = jax.value_and_grad(loss_of)(weights)
        return jax.tree.map(lambda w, g: w - case.lr * g, weights, gradients), loss

    state = [[jax.numpy.array(value) for value in case.weights]]
    inputs, labels = map(jax.numpy.asarray, (case.inputs, case.labels))

    def step():
        state[0], loss = update(state[0], inputs, labels)
        return loss

    return step, float


def flax_nnx(case: Case) -> Made:
    """Flax NNX with Optax, under nnx.jit."""
    import jax
    import optax
    from flax import nnx

    model = case.flax_model()
    optimizer = nnx.Optimizer(model, optax.sgd(case.lr), wrt=nnx.Param)
    inputs, labels = map(jax.numpy.asarray, (case.inputs, case.labels))

    @nnx.jit
    def update(model, optimizer, inputs, labels):
        def loss_of(model):
            return _cross_entropy(model(inputs), labels)

        loss, gradients = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradients)
        return loss

    return lambda: update(model, optimizer, inputs, labels), float


def equinox(case: Case) -> Made:
    """Equinox with Optax, under eqx.filter_jit."""
    import equinox as eqx
    import jax
    import optax

    model = case.equinox_model()
    optimizer = optax.sgd(case.lr)
    state = [model, optimizer.init(eqx.filter(model, eqx.is_array))]
    inputs, labels = map(jax.numpy.asarray, (case.inputs, case.labels))

    @eqx.filter_jit
    def update(model, optimizer_state, inputs, labels):
        def loss_of(model):
            return _cross_entropy(jax.vmap(model)(inputs), labels)

        loss, gradients = eqx.filter_value_and_grad(loss_of)(model)
        changes, optimizer_state = optimizer.update(gradients, optimizer_state)
        return eqx.apply_updates(model, changes), optimizer_state, loss

    def step():
        state[0], state[1], loss = update(*state, inputs, labels)
        return loss

    return step, float


def _cross_entropy(outputs: Any, labels: Any) -> Any:
    import jax

    chosen = jax.numpy.take_along_axis(jax.nn.log_softmax(outputs), labels[:, None], axis=1)
    return -chosen.mean()


CONTENDERS: dict[str, Callable[[Case], Made]] = {
    "Kuai eager": kuai_eager,
    "Kuai compiled": kuai_compiled,
    "PyTorch eager": torch_eager,
    "torch.compile": torch_compiled,
    "jax.jit by hand": plain_jax,
    "Flax NNX": flax_nnx,
    "Equinox": equinox,
}

#: The module that a contender needs.
MODULES = {
    "Kuai eager": "kuai",
    "Kuai compiled": "kuai",
    "PyTorch eager": "torch",
    "torch.compile": "torch",
    "jax.jit by hand": "jax",
    "Flax NNX": "flax",
    "Equinox": "equinox",
}
