"""Rows: losses."""

from tests.rowkit import A, Row

INDEX = A(values=[1, 3, 0, 3], dtype="int64")
IGNORED = A(values=[1, -100, 0, 3], dtype="int64")
IMAGE = A(2, 3, low=0, high=4, dtype="int64")
SIGNS = A(values=[[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])
WHOLE_SIGNS = A(values=[[1, -1, 1], [-1, 1, 1]], dtype="int64")
P = A(2, 3, low=0.05, high=0.95)


def _f(name, **keywords):
    return lambda t, *inputs: getattr(t.nn.functional, name)(*inputs, **keywords)


def _three(name, *inputs, note="", **keywords):
    return [
        Row(f"F.{name}{note} {way}", _f(name, reduction=way, **keywords), *inputs)
        for way in ("none", "mean", "sum")
    ]


def _layer(name, *arguments, **keywords):
    return lambda t, *_: getattr(t.nn, name)(*arguments, **keywords)


def _with_weight(name, **keywords):
    return lambda t, x, y, w: getattr(t.nn.functional, name)(x, y, w.detach(), **keywords)


ROWS = [
    *_three("cross_entropy", A(4, 5), INDEX),
    *_three("cross_entropy", A(4, 5), IGNORED, note=" ignoring some"),
    *(
        Row(f"F.cross_entropy weight {way}", _with_weight("cross_entropy", **options), *inputs)
        for way, options, inputs in [
            ("mean", {}, (A(4, 5), IGNORED, A(5, positive=True))),
            ("smooth", {"label_smoothing": 0.2}, (A(4, 5), IGNORED, A(5, positive=True))),
            ("probabilities", {"label_smoothing": 0.2}, (A(4, 5), A(4, 5), A(5, positive=True))),
        ]
    ),
    Row("F.cross_entropy image", _f("cross_entropy"), A(2, 5, 3), IMAGE, gradcheck=True),
    Row("F.cross_entropy smooth", _f("cross_entropy", label_smoothing=0.1), A(4, 5), IGNORED),
    Row("F.cross_entropy 1-d", _f("cross_entropy"), A(5), A(values=2, dtype="int64")),
    *_three("nll_loss", A(4, 5), IGNORED),
    Row(
        "F.nll_loss weight",
        _with_weight("nll_loss"),
        A(4, 5),
        INDEX,
        A(5, positive=True),
        grad=False,
    ),
    Row("F.nll_loss image", _f("nll_loss"), A(2, 5, 3), IMAGE),
    *_three("mse_loss", A(2, 3), A(2, 3)),
    *_three("l1_loss", A(2, 3), A(2, 3)),
    *_three("smooth_l1_loss", A(2, 3), A(2, 3), beta=0.5),
    *_three("huber_loss", A(2, 3), A(2, 3), delta=0.5),
    *_three("binary_cross_entropy", P, P),
    *_three("binary_cross_entropy_with_logits", A(2, 3), P),
    Row(
        "F.binary_cross_entropy_with_logits pos_weight",
        lambda t, x, y, w, p: t.nn.functional.binary_cross_entropy_with_logits(
            x, y, w.detach(), pos_weight=p.detach()
        ),
        A(2, 3),
        P,
        A(2, 3),
        A(3, positive=True),
        grad=False,
    ),
    *_three("kl_div", A(2, 3), P),
    Row("F.kl_div batchmean", _f("kl_div", reduction="batchmean"), A(2, 3), P),
    Row("F.kl_div log_target", _f("kl_div", reduction="sum", log_target=True), A(2, 3), A(2, 3)),
    *_three("poisson_nll_loss", A(2, 3), P, full=True),
    Row("F.poisson_nll_loss rates", _f("poisson_nll_loss", log_input=False), P, P),
    *_three("gaussian_nll_loss", A(2, 3), A(2, 3), A(2, 3, positive=True), full=True),
    *_three("hinge_embedding_loss", A(2, 3), SIGNS),
    *_three("margin_ranking_loss", A(2, 3), A(2, 3), SIGNS, margin=0.5),
    *(
        Row(
            f"F.soft_margin_loss {way}",
            lambda t, x, y, way=way: t.nn.functional.soft_margin_loss(
                x, y.to(x.dtype), reduction=way
            ),
            A(2, 3),
            WHOLE_SIGNS,
        )
        for way in ("none", "mean", "sum")
    ),
    *_three("multilabel_soft_margin_loss", A(2, 3), P),
    *_three("multi_margin_loss", A(4, 5), INDEX, p=2),
    *_three("multilabel_margin_loss", A(2, 3), A(values=[[0, 2, -1], [1, -1, 0]], dtype="int64")),
    *_three("cosine_embedding_loss", A(2, 3), A(2, 3), A(values=[1.0, -1.0])),
    *_three("triplet_margin_loss", A(2, 3), A(2, 3), A(2, 3), swap=True),
    Row("F.triplet_margin_with_distance_loss", _f("triplet_margin_with_distance_loss"), P, P, P),
    Row("F.cosine_similarity", _f("cosine_similarity"), A(2, 3), A(2, 3)),
    Row("F.pairwise_distance", _f("pairwise_distance"), A(2, 3), A(2, 3)),
    Row("nn.CrossEntropyLoss", _layer("CrossEntropyLoss"), A(4, 5), INDEX, layer=True),
    Row("nn.NLLLoss", _layer("NLLLoss"), A(4, 5), INDEX, layer=True),
    Row("nn.MultiMarginLoss", _layer("MultiMarginLoss"), A(4, 5), INDEX, layer=True),
    *(
        Row(f"nn.{name}", _layer(name), A(2, 3), P, layer=True)
        for name in (
            "MSELoss",
            "L1Loss",
            "SmoothL1Loss",
            "HuberLoss",
            "BCEWithLogitsLoss",
            "KLDivLoss",
            "PoissonNLLLoss",
            "HingeEmbeddingLoss",
            "MultiLabelSoftMarginLoss",
            "PairwiseDistance",
            "CosineSimilarity",
        )
    ),
    Row("nn.SoftMarginLoss", _layer("SoftMarginLoss"), A(2, 3), P, layer=True, grad=False),
    Row("nn.BCELoss", _layer("BCELoss"), P, P, layer=True),
    Row("nn.MarginRankingLoss", _layer("MarginRankingLoss"), A(2, 3), A(2, 3), SIGNS, layer=True),
    Row("nn.TripletMarginLoss", _layer("TripletMarginLoss"), P, P, P, layer=True),
    Row(
        "nn.TripletMarginWithDistanceLoss",
        _layer("TripletMarginWithDistanceLoss", margin=0.5, swap=True),
        P,
        P,
        P,
        layer=True,
    ),
    Row(
        "nn.CosineEmbeddingLoss",
        _layer("CosineEmbeddingLoss", 0.2),
        *(A(2, 3), A(2, 3), A(values=[1, -1], dtype="int64")),
        layer=True,
    ),
    Row(
        "nn.MultiLabelMarginLoss",
        _layer("MultiLabelMarginLoss"),
        *(A(1, 4), A(values=[[3, 0, -1, 1]], dtype="int64")),
        layer=True,
    ),
    Row("nn.GaussianNLLLoss", _layer("GaussianNLLLoss"), A(2, 3), P, P, layer=True),
]
