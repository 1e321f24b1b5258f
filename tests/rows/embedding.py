"""Rows: embeddings."""

from tests.rowkit import A, Row

INDEX = A(values=[[1, 2, 2], [4, 0, 1]], dtype="int64")
FLAT = A(values=[1, 2, 2, 4, 0], dtype="int64")
STARTS = A(values=[0, 3, 3], dtype="int64")


def _embedding(**keywords):
    return lambda t, x, w: t.nn.functional.embedding(x, w, **keywords)


ROWS = [
    Row("F.embedding", _embedding(), INDEX, A(5, 3)),
    Row("F.embedding padding", _embedding(padding_idx=2), INDEX, A(5, 3)),
    Row("F.embedding frequency", _embedding(scale_grad_by_freq=True), INDEX, A(5, 3)),
    Row("F.one_hot", lambda t, x: t.nn.functional.one_hot(x, 5), INDEX, grad=False),
    *(
        Row(
            f"F.embedding_bag {mode}",
            lambda t, x, o, w, mode=mode: t.nn.functional.embedding_bag(x, w, o, mode=mode),
            FLAT,
            STARTS,
            A(5, 3),
        )
        for mode in ("sum", "mean", "max")
    ),
    Row("nn.Embedding", lambda t, *_: t.nn.Embedding(5, 3, padding_idx=1), INDEX, layer=True),
    Row("nn.EmbeddingBag", lambda t, *_: t.nn.EmbeddingBag(5, 3), INDEX, layer=True),
]
