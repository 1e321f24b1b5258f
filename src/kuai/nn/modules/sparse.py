"""Embedding layers: a table of vectors, looked up alone or in bags."""

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.modes import no_grad
from kuai.nn import functional as F, init
from kuai.nn.base.module import Module
from kuai.nn.modules.factory import parameter
from kuai.nn.parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    def _set_table(self, rows, columns, padding_idx, given, freeze, made):
        self.num_embeddings = rows
        self.embedding_dim = columns
        if padding_idx is not None:
            if not -rows <= padding_idx < rows:
                raise AssertionError(f"{self._padding_name} must be within num_embeddings")
            padding_idx %= rows
        self.padding_idx = padding_idx
        if given is None:
            self.weight = parameter((rows, columns), **made)
            self.weight.requires_grad_(not freeze)
            self.reset_parameters()
            return
        if list(given.shape) != [rows, columns]:
            raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
        self.weight = Parameter(given, requires_grad=not freeze)

    def reset_parameters(self):
        """Draw the table anew from the standard normal distribution; the padding row is 0."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self):
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    @classmethod
    def _from_table(cls, embeddings, freeze, **options):
        if embeddings.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        made = cls(rows, columns, _weight=embeddings, **options)
        made.weight.requires_grad = not freeze
        return made

    def _options_repr(self):
        yield f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            yield f"max_norm={self.max_norm}"
        if self.norm_type != 2:
            yield f"norm_type={self.norm_type}"
        if self.scale_grad_by_freq is not False:
            yield f"scale_grad_by_freq={self.scale_grad_by_freq}"


class Embedding(_Table):
    """A table of `num_embeddings` vectors, looked up by whole numbers.

    Args:
        padding_idx: a row that starts as zeros and gets no gradient.
        max_norm: rows are scaled to this norm at most, when looked up.

    Example:
        >>> kuai.nn.Embedding(10, 3)(kuai.tensor([[1, 2, 4, 5]])).shape
        torch.Size([1, 4, 3])
    """

    _padding_name = "Padding_idx"

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
        _weight=None,
        _freeze=False,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        made = {"device": device, "dtype": dtype}
        self._set_table(num_embeddings, embedding_dim, padding_idx, _weight, _freeze, made)

    def forward(self, input: Tensor) -> Tensor:
        """The rows at the given indices."""
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, padding_idx=None, **options):
        """A layer around a given table, not trained unless `freeze=False`.

        Example:
            >>> layer = kuai.nn.Embedding.from_pretrained(kuai.tensor([[1.0, 2.0]]))
            >>> layer(kuai.tensor([0]))
            tensor([[1., 2.]])
        """
        return cls._from_table(embeddings, freeze, padding_idx=padding_idx, **options)

    def extra_repr(self):
        """What is printed between the parentheses."""
        first, *others = self._options_repr()
        padding = [] if self.padding_idx is None else [f"padding_idx={self.padding_idx}"]
        sparse = ["sparse=True"] if self.sparse is not False else []
        return ", ".join([first, *padding, *others, *sparse])


class EmbeddingBag(_Table):
    """Sums, means or maxima of bags of rows of a table.

    Example:
        >>> kuai.nn.EmbeddingBag(10, 3, mode="sum")(kuai.tensor([[1, 2, 4]])).shape
        torch.Size([1, 3])
    """

    _padding_name = "padding_idx"

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        mode="mean",
        sparse=False,
        _weight=None,
        include_last_offset=False,
        padding_idx=None,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        made = {"device": device, "dtype": dtype}
        self._set_table(num_embeddings, embedding_dim, padding_idx, _weight, False, made)

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        """The bags of rows at the given indices."""
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, **options):
        """A layer around a given table, not trained unless `freeze=False`."""
        return cls._from_table(embeddings, freeze, **options)

    def extra_repr(self):
        """What is printed between the parentheses."""
        padding = [] if self.padding_idx is None else [f"padding_idx={self.padding_idx!r}"]
        return ", ".join([*self._options_repr(), f"mode={self.mode!r}", *padding])
