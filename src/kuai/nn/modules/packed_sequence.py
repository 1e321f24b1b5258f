"""Sequences of different lengths in one batch: padded to a rectangle, or packed into a row.

A packed sequence has all first steps, then all second steps, and so on. Longer sequences come
first, so that the steps of each time are those of the first `batch_sizes[t]` sequences. Its sizes
depend on the lengths, so these have to be known: packing reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from kuai.engine.tensor import Tensor, dtypes, from_array
from kuai.engine.tensor.concrete import concrete
from kuai.ops.array.joining import stack
from kuai.ops.nn.padding import pad

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


_Packed.__name__ = "PackedSequence"


class PackedSequence(_Packed):
    """The steps of several sequences in one row; recurrent layers take it in place of a tensor.

    To be made by `pack_sequence` or `pack_padded_sequence`.

    Args:
        data: the steps, (sum of lengths, *).
        batch_sizes: how many sequences have a step at each time.
        sorted_indices: which sequence of the batch each one was, if they have been sorted.
        unsorted_indices: the inverse of that.

    Example:
        >>> a, b = kuai.tensor([1, 2]), kuai.tensor([3])
        >>> packed = kuai.nn.utils.rnn.pack_sequence([a, b])
        >>> packed.data, packed.batch_sizes
        (tensor([1, 3, 2]), tensor([2, 1]))
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            data, batch_sizes = data
        elif isinstance(batch_sizes, Tensor) and batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence and "
                "pack_padded_sequences in nn.utils.rnn. "
                "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The steps in another dtype or place, the indices in that place."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        moved = [None if part is None else part.to(data.device) for part in self[2:]]
        return type(self)(data, self.batch_sizes, *moved)

    def pin_memory(self) -> PackedSequence:
        """The same: there is no memory to pin."""
        return self

    def cpu(self) -> PackedSequence:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> PackedSequence:
        """On a GPU."""
        return self.to("cuda" if device is None else device)

    @property
    def is_cuda(self) -> bool:
        """Whether the steps are on a GPU."""
        return self.data.device.type == "cuda"

    def is_pinned(self) -> bool:
        """Whether the steps are in pinned memory, which JAX does not have."""
        return False

    def double(self) -> PackedSequence:
        """The steps as float64."""
        return self.to(dtype=dtypes.float64)

    def float(self) -> PackedSequence:
        """The steps as float32."""
        return self.to(dtype=dtypes.float32)

    def half(self) -> PackedSequence:
        """The steps as float16."""
        return self.to(dtype=dtypes.float16)

    def long(self) -> PackedSequence:
        """The steps as int64."""
        return self.to(dtype=dtypes.int64)

    def int(self) -> PackedSequence:
        """The steps as int32."""
        return self.to(dtype=dtypes.int32)

    def short(self) -> PackedSequence:
        """The steps as int16."""
        return self.to(dtype=dtypes.int16)

    def char(self) -> PackedSequence:
        """The steps as int8."""
        return self.to(dtype=dtypes.int8)

    def byte(self) -> PackedSequence:
        """The steps as uint8."""
        return self.to(dtype=dtypes.uint8)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another.

    Example:
        >>> kuai.nn.utils.rnn.invert_permutation(kuai.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    return None if permutation is None else permutation.argsort()


# Where each step is -------------------------------------------------------------------------------


class Layout(NamedTuple):
    """Where the steps of a packed sequence belong in a rectangle of times and sequences."""

    batch: int
    places: np.ndarray  # (T, B): the row of each step, 0 where there is none
    mask: np.ndarray  # (T, B): whether there is one
    rows: np.ndarray  # (sum of lengths,): the place of each row in the flattened rectangle

    def tensors(self, device) -> tuple[Tensor, Tensor, Tensor]:
        """Places, mask and rows as tensors."""
        made = (from_array(part, device) for part in self[1:])
        return tuple(made)  # pyright: ignore[reportReturnType]


def layout_of(batch_sizes: Tensor) -> Layout:
    """The layout that belongs to these numbers of sequences at each time."""
    sizes = concrete(batch_sizes, "the batch sizes of a packed sequence").astype(np.int64)
    batch = int(sizes[0]) if sizes.size else 0
    mask = np.arange(batch) < sizes[:, None]
    rows = np.flatnonzero(mask)
    places = np.zeros(mask.shape, np.int64)
    places.flat[rows] = np.arange(len(rows))
    return Layout(batch, places, mask, rows)


def _values(lengths) -> np.ndarray:
    """Lengths as an array of whole numbers, checked as PyTorch does."""
    given = concrete(lengths, "lengths") if isinstance(lengths, Tensor) else lengths
    array = np.asarray(given).astype(np.int64)
    if array.ndim != 1:
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {array.ndim}D cpu Long "
            "tensor"
        )
    return array


def _check_lengths(lengths, steps, batch):
    if batch == 0 or steps == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(lengths) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} "
            f"(batch_size={batch})"
        )
    if lengths.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if (np.diff(lengths) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if lengths[0] > steps:
        raise RuntimeError(
            f"Expected `lengths` to be at most the number of steps, but got {lengths[0]} "
            f"({steps} steps)"
        )


# Packing ------------------------------------------------------------------------------------------


def pack_padded_sequence(
    input: Tensor, lengths, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a batch of padded sequences.

    Args:
        lengths: how many steps of each sequence count; a list or a tensor.
        batch_first: the batch is the input's first dimension, and not its second.
        enforce_sorted: the sequences are sorted by length; False has them sorted here, and
            recurrent layers and `pad_packed_sequence` give results in the batch's own order.

    Shape: input `(T, B, *)` or `(B, T, *)`.

    Raises:
        RuntimeError: also for lengths that are greater than T, which PyTorch does not check.

    Example:
        >>> padded = kuai.tensor([[1, 2], [3, 0]])
        >>> kuai.nn.utils.rnn.pack_padded_sequence(padded, [2, 1], batch_first=True).data
        tensor([1, 3, 2])
    """
    counts, order = _values(lengths), None
    if not enforce_sorted:
        by_length = np.argsort(-counts, kind="stable")
        counts, order = counts[by_length], from_array(by_length, input.device)
        input = input.index_select(0 if batch_first else 1, order)
    if batch_first:
        input = input.transpose(0, 1)  # (T, B, *)
    steps, batch = input.shape[:2]
    _check_lengths(counts, steps, batch)
    sizes = (counts > np.arange(counts[0])[:, None]).sum(1)
    sizes = from_array(sizes.astype(np.int64), "cpu")
    rows = from_array(layout_of(sizes).rows, input.device)
    return PackedSequence(input.flatten(0, 1).index_select(0, rows), sizes, order)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded batch and the lengths: the inverse of `pack_padded_sequence`.

    Args:
        batch_first: the batch is the result's first dimension.
        total_length: pad to this many steps.

    Example:
        >>> packed = kuai.nn.utils.rnn.pack_sequence([kuai.tensor([1, 2]), kuai.tensor([3])])
        >>> kuai.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        (tensor([[1, 2],
                [3, 0]]), tensor([2, 1]))
    """
    layout = layout_of(sequence.batch_sizes)
    steps = len(layout.places)
    if total_length is not None and total_length < steps:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but "
            f"got total_length={total_length} and max sequence length being {steps}"
        )
    data = sequence.data
    places, mask, _ = layout.tensors(data.device)
    padded = data.index_select(0, places.flatten()).reshape(*places.shape, *data.shape[1:])
    mask = mask.reshape(*mask.shape, *[1] * (data.ndim - 1))
    padded = padded.masked_fill(mask.logical_not(), padding_value)
    if total_length is not None and total_length > steps:
        missing = [0, 0] * (padded.ndim - 1) + [0, total_length - steps]
        padded = pad(padded, missing, value=padding_value)
    if batch_first:
        padded = padded.transpose(0, 1)
    lengths = from_array(layout.mask.sum(0).astype(np.int64), "cpu")
    back = sequence.unsorted_indices
    if back is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, back), lengths[back.cpu()]


def pack_sequence(sequences, enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences `(L, *)`.

    Args:
        enforce_sorted: as for `pack_padded_sequence`.

    Example:
        >>> sequences = [kuai.tensor([3]), kuai.tensor([1, 2])]
        >>> packed = kuai.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
        >>> packed.data, packed.sorted_indices
        (tensor([1, 3, 2]), tensor([1, 0]))
    """
    lengths = [sequence.shape[0] for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed one, as a list.

    Example:
        >>> packed = kuai.nn.utils.rnn.pack_sequence([kuai.tensor([1, 2]), kuai.tensor([3])])
        >>> kuai.nn.utils.rnn.unpack_sequence(packed)
        [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


# Padding ------------------------------------------------------------------------------------------


def pad_sequence(
    sequences,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences `(L, *)` of different lengths in one tensor `(T, B, *)`.

    Args:
        batch_first: `(B, T, *)` instead.
        padding_side: where the padding goes, `'right'` or `'left'`.

    Example:
        >>> sequences = [kuai.tensor([1, 2]), kuai.tensor([3])]
        >>> kuai.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
        tensor([[1, 2],
                [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    given = list(sequences)
    if not given:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    steps = max(sequence.shape[0] for sequence in given)
    padded = [_padded(sequence, steps, padding_value, padding_side) for sequence in given]
    return stack(padded, 0 if batch_first else 1)


def _padded(sequence, steps, value, side):
    missing = steps - sequence.shape[0]
    if missing == 0:
        return sequence
    ends = [0, missing] if side == "right" else [missing, 0]
    return pad(sequence, [0, 0] * (sequence.ndim - 1) + ends, value=value)


def unpad_sequence(padded_sequences: Tensor, lengths, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, as a list: the inverse of `pad_sequence`.

    Example:
        >>> padded = kuai.tensor([[1, 2], [3, 0]])
        >>> kuai.nn.utils.rnn.unpad_sequence(padded, kuai.tensor([2, 1]), batch_first=True)
        [tensor([1, 2]), tensor([3])]

    Differs from PyTorch: the padded tensor is left as it is, PyTorch transposes it in place.
    """
    padded = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    counts = _values(lengths).tolist()
    return [sequence[:length] for sequence, length in zip(padded, counts, strict=True)]
