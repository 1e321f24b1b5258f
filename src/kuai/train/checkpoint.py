"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file.

It is a safetensors file. Tensors are named `model.…`, `optimizer.<parameter>.<state>`, `meter.…`,
`generator.…`; what is not a tensor stands as JSON in the file's metadata.
"""

from __future__ import annotations

import json
import os
from typing import Any

from kuai.engine.randomness import default_generator
from kuai.engine.tensor import Tensor
from kuai.saving import BrokenFileError, load_file, load_metadata, save_file
from kuai.train.loop import Place, Trainer

__all__ = ["load_checkpoint", "read_notes", "save_checkpoint"]

_FORMAT = "kuai checkpoint 1"


def save_checkpoint(path: str | os.PathLike, trainer: Trainer, notes: dict[str, Any]) -> None:
    """Write the state of a run, and the caller's own notes, to a file."""
    optimizer = trainer.optimizer.state_dict()
    tensors = {
        **_prefixed("model", trainer.model.state_dict()),
        **_prefixed("meter", trainer.meter.tensors()),
        "generator.default": default_generator.get_state(),
        "generator.batches": trainer.batches.generator.get_state(),
        "generator.epoch_start": trainer.epoch_start,
    }
    for number, state in optimizer["state"].items():
        tensors |= _prefixed(f"optimizer.{number}", state)
    described = {
        "place": vars(trainer.place),
        "param_groups": optimizer["param_groups"],
        "scheduler": trainer.scheduler.state_dict(),
        "notes": notes,
    }
    save_file(tensors, path, {"format": _FORMAT, "run": json.dumps(described)})


def load_checkpoint(path: str | os.PathLike, trainer: Trainer) -> None:
    """Put a trainer made with the same settings into the state that a file holds.

    Raises:
        BrokenFileError: the file is not a checkpoint of such a run.
    """
    described = _read(path)
    tensors = load_file(path)
    try:
        _restore(trainer, described, tensors)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise BrokenFileError(f"{path} does not fit this run: {error}") from error


def read_notes(path: str | os.PathLike) -> dict[str, Any]:
    """The caller's notes in a checkpoint."""
    return _read(path)["notes"]


def _read(path: str | os.PathLike) -> dict[str, Any]:
    metadata = load_metadata(path)
    if metadata.get("format") != _FORMAT:
        raise BrokenFileError(f"{path} is not a checkpoint of a run")
    return json.loads(metadata["run"])


def _restore(trainer: Trainer, described: dict, tensors: dict[str, Tensor]) -> None:
    trainer.model.load_state_dict(_under("model", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("optimizer", tensors).items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    groups = [_with_tuples(group) for group in described["param_groups"]]
    trainer.optimizer.load_state_dict({"state": state, "param_groups": groups})
    trainer.scheduler.load_state_dict(described["scheduler"])
    trainer.meter.load(_under("meter", tensors))
    trainer.place = Place(**described["place"])
    default_generator.set_state(tensors["generator.default"])
    trainer.batches.generator.set_state(tensors["generator.batches"])
    trainer.epoch_start = tensors["generator.epoch_start"]


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def _with_tuples(group: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists only; options such as `betas` are tuples."""
    return {k: tuple(v) if isinstance(v, list) and k != "params" else v for k, v in group.items()}
