"""BlockMask: which blocks of queries and keys see each other wholly, partly or not at all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.concrete import concrete

__all__ = ["BlockMask", "blocks_of_mask", "noop_mask"]


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask function that allows everything."""
    return batch.new_ones((), dtype=_bool_of(batch))


def _bool_of(tensor: Tensor) -> Any:
    return (tensor == tensor).dtype


def sliced_mask(b, h, q_idx, kv_idx):
    """In the place of the mask function of a part, which would have to know where it begins."""
    raise RuntimeError("Cannot use mask_mod from a sliced BlockMask")


def _ordered(dense: np.ndarray) -> tuple[Tensor, Tensor]:
    """For each row how many blocks there are, and all block numbers, those first."""
    order = np.argsort(-dense.astype(np.int32), axis=-1, kind="stable")
    counts = dense.sum(-1).astype(np.int32)
    return from_array(counts), from_array(order.astype(np.int32))


def _dense(counts: Tensor | None, indices: Tensor | None) -> np.ndarray:
    """Counts and block numbers as a matrix of truth values."""
    if counts is None or indices is None:
        return np.zeros((), bool)
    numbers = concrete(counts, "a BlockMask"), concrete(indices, "a BlockMask")
    dense = np.zeros(numbers[1].shape, bool)
    used = np.arange(numbers[1].shape[-1]) < numbers[0][..., None]
    np.put_along_axis(dense, numbers[1].astype(np.int64), used, axis=-1)
    return dense


def blocks_of_mask(mask: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Which blocks of a mask (B, H, L, S) are partly, and which are wholly allowed."""
    rows, columns = mask.shape[-2:]
    around = [(0, 0), (0, 0), (0, -rows % size[0]), (0, -columns % size[1])]
    mask = np.pad(mask, around)
    b, h, rows, columns = mask.shape
    blocks = mask.reshape(b, h, rows // size[0], size[0], columns // size[1], size[1])
    sums = blocks.sum((3, 5))
    full = sums == size[0] * size[1]
    return (sums > 0) & ~full, full


class BlockMask:
    """A mask for `flex_attention`, by blocks; to be made by `create_block_mask`.

    Attributes:
        kv_num_blocks, kv_indices: for each row of blocks how many are partly allowed, and their
            numbers first among all numbers.
        full_kv_num_blocks, full_kv_indices: those that are wholly allowed, for which the mask
            function need not be asked.
        q_num_blocks, q_indices, full_q_num_blocks, full_q_indices: the same by columns.
        mask_mod: `mask_mod(b, h, q_idx, kv_idx)` says whether a query sees a key.

    Example:
        >>> from kuai.nn.attention.flex_attention import create_block_mask
        >>> causal = lambda b, h, q_idx, kv_idx: q_idx >= kv_idx
        >>> mask = create_block_mask(causal, None, None, 256, 256, BLOCK_SIZE=128)
        >>> mask.kv_num_blocks, mask.full_kv_num_blocks, mask.sparsity()
        (tensor([[[1, 1]]], dtype=torch.int32), tensor([[[0, 1]]], dtype=torch.int32), 25.0)
    """

    _TENSORS = (
        "kv_num_blocks",
        "kv_indices",
        "full_kv_num_blocks",
        "full_kv_indices",
        "q_num_blocks",
        "q_indices",
        "full_q_num_blocks",
        "full_q_indices",
    )

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None,
        full_kv_indices: Tensor | None,
        q_num_blocks: Tensor | None,
        q_indices: Tensor | None,
        full_q_num_blocks: Tensor | None,
        full_q_indices: Tensor | None,
        BLOCK_SIZE: tuple[int, int] = (128, 128),
        mask_mod: Callable = noop_mask,
        *,
        dq_write_order: Tensor | None = None,
        dq_write_order_full: Tensor | None = None,
        dq_kv_order: Tensor | None = None,
        dq_kv_order_spt: bool | None = None,
    ) -> None:
        if kv_indices.ndim < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError(
                "full_kv_num_blocks and full_kv_indices must be both provided or omitted"
            )
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError(
                "full_kv_num_blocks and full_kv_indices must be both provided or omitted"
            )
        self.seq_lengths = seq_lengths
        self.kv_num_blocks = kv_num_blocks
        self.kv_indices = kv_indices
        self.full_kv_num_blocks = full_kv_num_blocks
        self.full_kv_indices = full_kv_indices
        self.q_num_blocks = q_num_blocks
        self.q_indices = q_indices
        self.full_q_num_blocks = full_q_num_blocks
        self.full_q_indices = full_q_indices
        self.BLOCK_SIZE = BLOCK_SIZE
        self.mask_mod = mask_mod
        self.dq_write_order = dq_write_order
        self.dq_write_order_full = dq_write_order_full
        self.dq_kv_order = dq_kv_order
        self.dq_kv_order_spt = dq_kv_order_spt

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: int | tuple[int, int] = 128,
        mask_mod: Callable | None = None,
        seq_lengths: tuple[int, int] | None = None,
        compute_q_blocks: bool = True,
        **orders: Any,
    ) -> BlockMask:
        """A BlockMask of the blocks in each row; the columns are found from them."""
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        if kv_indices.ndim < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if seq_lengths is None:
            seq_lengths = kv_indices.shape[-2] * size[0], kv_indices.shape[-1] * size[1]
        columns: Any = [None] * 4
        if compute_q_blocks:
            columns[:2] = _ordered(_dense(kv_num_blocks, kv_indices).swapaxes(-1, -2))
            if full_kv_num_blocks is not None:
                full = _dense(full_kv_num_blocks, full_kv_indices)
                columns[2:] = _ordered(full.swapaxes(-1, -2))
        rows = kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices
        function = noop_mask if mask_mod is None else mask_mod
        return cls(seq_lengths, *rows, *columns, BLOCK_SIZE=size, mask_mod=function, **orders)

    @classmethod
    def from_dense(
        cls,
        partial: np.ndarray,
        full: np.ndarray | None,
        size: tuple[int, int],
        mask_mod: Callable,
        seq_lengths: tuple[int, int],
    ) -> BlockMask:
        """A BlockMask of truth values for each block."""
        whole = (None, None) if full is None else _ordered(full)
        return cls.from_kv_blocks(*_ordered(partial), *whole, size, mask_mod, seq_lengths)

    # What it is -----------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Batch, heads, queries and keys."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """The number of elements, masked or not."""
        return math.prod(self.shape)

    def sparsity(self) -> float:
        """The percentage of elements in blocks that need not be computed."""
        blocks = int(self.to_dense_blocks().sum())
        return 100 * (1 - blocks * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1] / self.numel())

    def to_dense_blocks(self) -> np.ndarray:
        """Whether each block is allowed, at least in part."""
        full = _dense(self.full_kv_num_blocks, self.full_kv_indices)
        return _dense(self.kv_num_blocks, self.kv_indices) | full

    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each block is allowed in part, and whether it is wholly."""
        partial = _dense(self.kv_num_blocks, self.kv_indices)
        full = _dense(self.full_kv_num_blocks, self.full_kv_indices)
        return partial, np.broadcast_to(full, partial.shape)

    def to_dense(self) -> Tensor:
        """1 for each block that is allowed, at least in part."""
        return from_array(self.to_dense_blocks().astype(np.int32))

    def as_tuple(self, flatten: bool = True) -> tuple:
        """All of it in a row; with `flatten=False` lengths and block sizes stay pairs."""
        orders = self.dq_write_order, self.dq_write_order_full, self.dq_kv_order
        tensors = (*(getattr(self, name) for name in self._TENSORS), *orders, self.dq_kv_order_spt)
        if flatten:
            return (*self.seq_lengths, *tensors, *self.BLOCK_SIZE, self.mask_mod)
        return (self.seq_lengths, *tensors, self.BLOCK_SIZE, self.mask_mod)

    def to(self, device: Any) -> BlockMask:
        """The same on another device."""
        tensors = [getattr(self, name) for name in self._TENSORS]
        moved: Any = [None if tensor is None else tensor.to(device) for tensor in tensors]
        return type(self)(
            self.seq_lengths, *moved, BLOCK_SIZE=self.BLOCK_SIZE, mask_mod=self.mask_mod
        )

    def __getitem__(self, index: Any) -> BlockMask:
        """The part for some batches, heads and rows of blocks; its mask function is lost."""
        index = index if isinstance(index, tuple) else (index,)
        index = (*index, slice(None), slice(None), slice(None))[:3]
        chosen = tuple(
            slice(i, i + 1 if i != -1 else None) if isinstance(i, int) else i for i in index
        )
        tensors = [getattr(self, name) for name in self._TENSORS[:4]]
        rows: Any = [None if tensor is None else tensor[chosen] for tensor in tensors]
        return type(self).from_kv_blocks(
            *rows,
            BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=sliced_mask,
            seq_lengths=self.seq_lengths,
            compute_q_blocks=self.q_indices is not None,
        )

    def _adjust(self, new_q_len: int, new_kv_len: int) -> BlockMask:
        """The upper left corner, for other lengths."""
        lengths = new_q_len, new_kv_len
        rows, columns = (-(-n // size) for n, size in zip(lengths, self.BLOCK_SIZE, strict=True))
        partial, full = (part[..., :rows, :columns] for part in self.parts())
        has_full = self.full_kv_num_blocks is not None
        made = full if has_full else None
        return self.from_dense(partial, made, self.BLOCK_SIZE, self.mask_mod, lengths)

    # Printed --------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        tensors = {name: getattr(self, name) for name in self._TENSORS}
        names = [
            f"    {name}={None if tensor is None else tensor.shape},\n"
            for name, tensor in tensors.items()
        ]
        return (
            f"BlockMask(\n{''.join(names)}"
            f"    BLOCK_SIZE={self.BLOCK_SIZE},\n    shape={self.shape},\n"
            f"    sparsity={self.sparsity():.2f}%,\n"
            f"    mask_mod={getattr(self.mask_mod, '__name__', self.mask_mod)}\n)"
        )

    def __str__(self) -> str:
        head = f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n"
        return f"{head}{self.to_string().strip()}\n)"

    def to_string(self, grid_size: int | tuple[int, int] = (20, 20), limit: int = 4) -> str:
        """A picture of the blocks; `grid_size=-1` shows each of them."""
        dense = self.to_dense_blocks()
        shown = dense.shape[-2:] if grid_size == -1 else grid_size
        grid = (shown, shown) if isinstance(shown, int) else shown
        steps = [max(1, -(-n // most)) for n, most in zip(dense.shape[-2:], grid, strict=True)]
        found = []
        for number, place in enumerate(np.ndindex(dense.shape[:-2])):
            if number == limit:
                found += [
                    "...",
                    "To print out more, set BlockMask.to_string(limit=N)",
                    "You can also index (BlockMask[batch, head]) to choose a specific batch "
                    "or head",
                ]
                break
            found.append(f"{place}\n{_picture(dense[place], steps)}")
        return "\n".join(found)


def _picture(blocks: np.ndarray, steps: list[int]) -> str:
    rows = range(0, blocks.shape[0], steps[0])
    columns = range(0, blocks.shape[1], steps[1])
    text = ""
    for row, column in itertools.product(rows, columns):
        share = blocks[row : row + steps[0], column : column + steps[1]].mean()
        text += ("█" if share == 1 else " " if share == 0 else "░") * 2
        text += "\n" * (column == columns[-1])
    return text
