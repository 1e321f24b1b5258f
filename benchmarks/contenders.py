"""The contenders: how each library runs a case.

Each function makes `step()`, one step that returns its loss, or its outputs where nothing is
trained, and `wait(result)`, which blocks until all that was started is done and returns the result
as one float. Every library is used in the way its own documentation shows. Imports are in the
functions: each contender runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.case import Case, value
from benchmarks.torch_step import torch_like

Made = tuple[Callable[[], Any], Callable[[Any], float]]


def size_of(result: Any) -> float:
    """A loss itself; the length of outputs, taken as one long vector."""
    if hasattr(result, "cpu"):  # a tensor, perhaps on a GPU, perhaps of a dtype NumPy lacks
        result = result.double().cpu()
    return float(np.linalg.norm(np.asarray(result, np.float64)))


def settled(result: Any) -> float:
    """The same for JAX, once nothing is computed any more.

    A loss is known before the update that follows it has been computed; what is left of that must
    not run in the next contender's time.
    """
    import jax

    jax.block_until_ready(jax.live_arrays())
    return size_of(result)


# Kuai and PyTorch, from the same source -----------------------------------------------------------


def kuai_eager(case: Case) -> Made:
    """Kuai, operation by operation."""
    import kuai

    return torch_like(case, kuai), settled


def kuai_compiled(case: Case) -> Made:
    """Kuai, the whole step as one program; also with its Python run at each call."""
    import kuai

    # a stranger's step asks for its loss before it has ended
    return kuai.compile(torch_like(case, kuai), fullgraph=not case.strangers), settled


def torch_eager(case: Case) -> Made:
    """PyTorch, operation by operation."""
    import torch

    return torch_like(case, torch), size_of


def torch_compiled(case: Case) -> Made:
    """PyTorch, the step under torch.compile."""
    import torch

    return torch.compile(torch_like(case, torch)), size_of


# On JAX -------------------------------------------------------------------------------------------


def plain_jax(case: Case) -> Made:
    """jax.jit, written by hand, with donated weights."""
    import functools

    import jax

    weights = {name: jax.numpy.array(value(name, shape)) for name, shape in case.shapes.items()}
    inputs, labels = map(jax.numpy.asarray, (case.inputs(), case.labels()))
    if not case.training:
        forward = jax.jit(case.jax_model)
        return lambda: forward(weights, inputs), settled

    @functools.partial(jax.jit, donate_argnums=0)
    def update(weights, inputs, labels):
        def loss_of(weights):
            return _cross_entropy(case.jax_model(weights, inputs), labels)

        loss, gradients = jax.value_and_grad(loss_of)(weights)
        return jax.tree.map(lambda w, g: w - case.lr * g, weights, gradients), loss

    state = [weights]

    def step():
        state[0], loss = update(state[0], inputs, labels)
        return loss

    return step, settled


def flax_nnx(case: Case) -> Made:
    """Flax NNX with Optax, under nnx.jit."""
    import jax
    from flax import nnx

    model = case.flax_model()
    inputs, labels = map(jax.numpy.asarray, (case.inputs(), case.labels()))
    if not case.training:
        model.eval()
        forward = nnx.jit(lambda model, inputs: model(inputs))
        return lambda: forward(model, inputs), settled
    model.train()
    optimizer = nnx.Optimizer(model, _optax(case), wrt=nnx.Param)

    @nnx.jit
    def update(model, optimizer, inputs, labels):
        def loss_of(model):
            return _cross_entropy(model(inputs), labels)

        loss, gradients = nnx.value_and_grad(loss_of)(model)
        optimizer.update(model, gradients)
        return loss

    return lambda: update(model, optimizer, inputs, labels), settled


def equinox(case: Case) -> Made:
    """Equinox with Optax, under eqx.filter_jit."""
    import equinox as eqx
    import jax

    model, state = eqx.nn.make_with_state(case.equinox_model)()
    inputs, labels = map(jax.numpy.asarray, (case.inputs(), case.labels()))
    batched = {"axis_name": "batch", "in_axes": (0, None, None), "out_axes": (0, None)}
    if not case.training:
        model = eqx.nn.inference_mode(model)

        @eqx.filter_jit
        def forward(model, inputs, state):
            return jax.vmap(_with_key(model), **batched)(inputs, state, None)[0]

        return lambda: forward(model, inputs, state), settled
    optimizer = _optax(case)
    held = [model, state, optimizer.init(eqx.filter(model, eqx.is_array)), jax.random.key(0)]

    @eqx.filter_jit(donate="all-except-first")
    def update(batch, model, state, optimizer_state, key):
        inputs, labels = batch

        def loss_of(model, state):
            if case.is_random:
                keys = jax.random.split(key, len(inputs))
                each = jax.vmap(_with_key(model), **{**batched, "in_axes": (0, None, 0)})
                outputs, state = each(inputs, state, keys)
            else:
                outputs, state = jax.vmap(_with_key(model), **batched)(inputs, state, None)
            return _cross_entropy(outputs, labels), state

        differentiate = eqx.filter_value_and_grad(loss_of, has_aux=True)
        (loss, state), gradients = differentiate(model, state)
        changes, optimizer_state = optimizer.update(gradients, optimizer_state)
        key = jax.random.split(key, 1)[0]
        return [eqx.apply_updates(model, changes), state, optimizer_state, key], loss

    def step():
        held[:], loss = update((inputs, labels), *held)
        return loss

    return step, settled


def _with_key(model: Any) -> Callable:
    return lambda input, state, key: model(input, state, key=key)


def _optax(case: Case) -> Any:
    import optax

    return {"sgd": optax.sgd, "adam": optax.adam}[case.optimizer](case.lr)


def _cross_entropy(outputs: Any, labels: Any) -> Any:
    import jax

    chosen = jax.numpy.take_along_axis(jax.nn.log_softmax(outputs), labels[:, None], axis=1)
    return -chosen.mean()


CONTENDERS: dict[str, Callable[[Case], Made]] = {
    "Kuai eager": kuai_eager,
    "Kuai compiled": kuai_compiled,
    "Kuai recorded": kuai_compiled,
    "Kuai fused": kuai_eager,
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
    "Kuai recorded": "kuai",
    "Kuai fused": "kuai",
    "PyTorch eager": "torch",
    "torch.compile": "torch",
    "jax.jit by hand": "jax",
    "Flax NNX": "flax",
    "Equinox": "equinox",
}


#: What a contender's process finds in its environment.
ENVIRONMENT = {"Kuai recorded": {"KUAI_REPLAY": "0"}, "Kuai fused": {"KUAI_FUSED": "1"}}


def why_not(case: Case, contender: str) -> str | None:
    """Why a contender cannot take part in a case, or None if it can."""
    models = {
        "jax.jit by hand": case.jax_model,
        "Flax NNX": case.flax_model,
        "Equinox": case.equinox_model,
    }
    if models.get(contender, True) is None:
        return "this case is not written for it"
    return case.left_out.get(contender)
