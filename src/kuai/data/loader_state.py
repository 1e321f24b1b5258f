"""Where a loader stands: how many passes are done, and how far the one that runs has come.

The order of a pass is not written down, it is drawn again: `start` keeps the random states from
before the pass; the order is drawn from them and the batches that were handed out are left away,
without being fetched. Then the generators get their present states back, so that it makes no
difference whether anything else draws from them too. A sampler that has `state_dict` and
`load_state_dict` is asked instead; as workers fetch ahead, it is asked after each batch it gives,
and what counts is its answer for the batch that was handed out last.

Of an iterable data set the batches that were handed out are fetched again and thrown away.

Samplers of the program's own may draw from `random`, from NumPy, or from generators that they keep:
those count as random states, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kuai.data.random_states import GENERATORS, GLOBAL, give_state, state_of
from kuai.data.sampler import BatchSampler, SequentialSampler, base_seed
from kuai.engine.tensor import modes
from kuai.engine.tensor.randomness import default_generator

if TYPE_CHECKING:
    from kuai.data.loader import DataLoader

__all__ = ["Pass", "as_it_began", "begin", "end", "load_state_dict", "parts_now", "state_dict"]


@dataclass
class Pass:
    """One pass over the data.

    Attributes:
        batches: how many have been handed out.
        start: the random states from before the pass.
        seed: what the seeds of workers are counted up from, drawn before the order.
        parts: where samplers with a state of their own stood at the last batch; None is now.
        restored: it was begun elsewhere and has to be gone on with.
        goes_on: it was begun elsewhere, and has been gone on with.
    """

    batches: int = 0
    start: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    parts: dict[str, Any] | None = None
    restored: bool = False
    goes_on: bool = False


def begin(loader: DataLoader) -> tuple[Pass, Iterator[Any]]:
    """A pass, new or restored, and the indices of the batches that are left in it."""
    running = loader._pass
    if running is not None and running.restored:
        running.restored, running.goes_on = False, True
        return running, _go_on(loader, running)
    if running is not None and running.parts is not None:
        _load_parts(loader, running.parts)  # workers had asked for more than was handed out
    loader._pass = Pass(0, _states(_sources_of_order(loader)))
    loader._pass.seed = _draw_seed(loader)
    return loader._pass, iter(loader._index_sampler)


def _go_on(loader: DataLoader, running: Pass) -> Iterator[Any]:
    if _stateful(loader) or loader._dataset_kind:
        return iter(loader._index_sampler)  # of a stream see `as_it_began`
    generators = _sources_of_order(loader)
    present = _states(generators)
    _set_states(generators, running.start)
    if generators and running.seed is not None:
        _draw_seed(loader)  # as the pass did when it began
    order = iter(loader._index_sampler)
    for _ in range(running.batches):
        next(order, None)
    if running.batches:  # else the order has yet to be drawn
        _set_states(generators, present)
    return order


@contextlib.contextmanager
def as_it_began(loader: DataLoader) -> Iterator[None]:
    """A context with the random states from before a pass that is gone on with.

    That is where a stream draws what it has drawn in the batches before.
    """
    running, generators = loader._pass, _sources_of_order(loader)
    streams = loader._dataset_kind
    if running is None or not (running.goes_on and streams and generators):
        yield
        return
    present = _states(generators)
    _set_states(generators, running.start)
    _draw_seed(loader)
    try:
        yield
    finally:
        _set_states(generators, present)


def _draw_seed(loader: DataLoader) -> int | None:
    """Drawn with and without workers, so that what is drawn afterwards is the same."""
    if modes.state.capture is not None:
        return None  # inside a function that is traced a number cannot be known
    return base_seed(loader.generator)


def end(loader: DataLoader, finished: Pass) -> None:
    """All batches of a pass have been handed out."""
    if loader._pass is finished:
        loader._pass = None
        loader.epoch += 1


# Saving and loading -------------------------------------------------------------------------------


def state_dict(self: DataLoader) -> dict[str, Any]:
    """Where the loader stands: epochs done, batches handed out in this one, random states.

    A loader in this state goes on with the next batch of the same epoch.

    Example:
        >>> data = kuai.data.TensorDataset(kuai.arange(6))
        >>> first = kuai.data.DataLoader(data, batch_size=2)
        >>> _ = next(iter(first))
        >>> second = kuai.data.DataLoader(data, batch_size=2)
        >>> second.load_state_dict(first.state_dict())
        >>> [batch.tolist() for (batch,) in second]
        [[2, 3], [4, 5]]
    """
    running = self._pass
    return {
        "epoch": self.epoch,
        "batches": None if running is None else running.batches,
        "seed": None if running is None else running.seed,
        "length": _length(self),
        "start": {} if running is None else dict(running.start),
        "generators": _states(_own_generators(self)),
        "parts": parts_now(self) if running is None or running.parts is None else running.parts,
    }


def load_state_dict(self: DataLoader, state: dict[str, Any]) -> None:
    """Go on from what `state_dict` of a loader of the same data returned."""
    own = _own_generators(self)
    for what, here in (("generators", own), ("parts", _stateful(self))):
        if set(state[what]) != set(here):
            raise ValueError(
                f"the loader it was saved from had {sorted(state[what]) or 'no'} {what}, this one "
                f"has {sorted(here) or 'none'}"
            )
    if state["batches"] is not None and state["length"] != _length(self):
        raise ValueError(
            f"it was saved after {state['batches']} of {state['length']} batches of an epoch, and "
            f"this loader has {_length(self)}; only at the end of an epoch may data or batch size "
            "change"
        )
    _set_states(own, state["generators"])
    _load_parts(self, state["parts"])
    self.epoch = state["epoch"]
    self._pass = None
    if state["batches"] is not None:
        start, seed = dict(state["start"]), state.get("seed")
        self._pass = Pass(state["batches"], start, seed, restored=True)


def _length(loader: DataLoader) -> int | None:
    try:
        return len(loader)
    except TypeError:  # a sampler without end
        return None


# Parts of a loader --------------------------------------------------------------------------------


def _parts(loader: DataLoader) -> dict[str, Any]:
    inner = getattr(loader.batch_sampler, "sampler", None)
    return {"loader": loader, "batch_sampler": loader.batch_sampler, "sampler": inner} | (
        {"sampler": loader.sampler} if loader.batch_sampler is None else {}
    )


def _stateful(loader: DataLoader) -> dict[str, Any]:
    """The samplers that know their own state."""
    return {
        name: part
        for name, part in _parts(loader).items()
        if name != "loader" and hasattr(part, "state_dict") and hasattr(part, "load_state_dict")
    }


def parts_now(loader: DataLoader) -> dict[str, Any]:
    """Where the samplers that know their own state stand."""
    return {name: part.state_dict() for name, part in _stateful(loader).items()}


def _load_parts(loader: DataLoader, states: dict[str, Any]) -> None:
    for name, part in _stateful(loader).items():
        part.load_state_dict(states[name])


def _own_generators(loader: DataLoader) -> dict[str, Any]:
    """Generators that the loader or its samplers keep, each once."""
    found: dict[str, Any] = {}
    for name, part in _parts(loader).items():
        kept = {"generator": loader.generator} if part is loader else _attributes(part)
        for attribute, generator in kept.items():
            known = generator is default_generator or any(generator is g for g in found.values())
            if isinstance(generator, GENERATORS) and not known:
                found[name if attribute == "generator" else f"{name}.{attribute}"] = generator
    return found


def _attributes(part: Any) -> dict[str, Any]:
    return {"generator": getattr(part, "generator", None)} | getattr(part, "__dict__", {})


def _sources_of_order(loader: DataLoader) -> dict[str, Any]:
    """Every generator that an order may be drawn from."""
    if loader._dataset_kind:
        if loader.num_workers:
            return {}  # workers draw from the seed of the pass
        return {"default": default_generator, **GLOBAL, **_own_generators(loader)}
    order = _order(loader)
    if type(order) is SequentialSampler:
        return {}
    others = {} if type(order).__module__.startswith("kuai.") else GLOBAL
    return {"default": default_generator, **others, **_own_generators(loader)}


def _order(loader: DataLoader) -> Any:
    """What says which index follows which."""
    batches = loader.batch_sampler
    if batches is None:
        return loader.sampler
    return batches.sampler if type(batches) is BatchSampler else batches


def _states(generators: dict[str, Any]) -> dict[str, Any]:
    return {name: state_of(generator) for name, generator in generators.items()}


def _set_states(generators: dict[str, Any], states: dict[str, Any]) -> None:
    for name, generator in generators.items():
        if name in states:
            give_state(generator, states[name])
