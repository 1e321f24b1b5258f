"""Rows: normalization functions and layers."""

from tests.rowkit import A, Row


def _f(name, *arguments, **keywords):
    return lambda t, x, *more: getattr(t.nn.functional, name)(x, *arguments, *more, **keywords)


def _layer(name, *arguments, **keywords):
    return lambda t, *_: getattr(t.nn, name)(*arguments, **keywords)


def _evaluated(name, *arguments, **keywords):
    return lambda t, *_: getattr(t.nn, name)(*arguments, **keywords).eval()


_V = A(3, positive=True)

ROWS = [
    Row(
        "F.batch_norm training",
        _f("batch_norm", None, None, training=True),
        A(4, 3, 2),
        gradcheck=True,
    ),
    Row(
        "F.batch_norm evaluation",
        lambda t, x, m, v, w, b: t.nn.functional.batch_norm(x, m.detach(), v.detach(), w, b),
        A(4, 3, 2),
        A(3),
        _V,
        A(3),
        A(3),
        grad=False,
    ),
    Row("F.layer_norm", _f("layer_norm", (2, 3)), A(4, 2, 3), A(2, 3), A(2, 3), gradcheck=True),
    Row("F.rms_norm", _f("rms_norm", (3,)), A(4, 3), A(3), gradcheck=True),
    Row("F.group_norm", _f("group_norm", 2), A(3, 4, 5), A(4), A(4)),
    Row("F.instance_norm", _f("instance_norm"), A(2, 3, 5), gradcheck=True),
    Row("F.local_response_norm", _f("local_response_norm", 3), A(2, 5, 4)),
    Row("F.normalize", _f("normalize"), A(3, 4)),
    Row("F.normalize p=1", _f("normalize", 1.0, 0), A(3, 4)),
    Row("F.normalize p=3", _f("normalize", 3.0), A(3, 4)),
    *(
        Row(f"nn.BatchNorm{n}d", _layer(f"BatchNorm{n}d", 3), A(2, 3, *[4] * n), layer=True)
        for n in (1, 2, 3)
    ),
    Row("nn.BatchNorm1d 2-d", _layer("BatchNorm1d", 3), A(4, 3), layer=True),
    Row(
        "nn.BatchNorm2d momentum", _layer("BatchNorm2d", 3, momentum=0.3), A(2, 3, 2, 2), layer=True
    ),
    Row("nn.BatchNorm1d average", _layer("BatchNorm1d", 3, momentum=None), A(4, 3), layer=True),
    Row("nn.BatchNorm1d plain", _layer("BatchNorm1d", 3, affine=False), A(4, 3), layer=True),
    Row("nn.BatchNorm1d eval", _evaluated("BatchNorm1d", 3), A(4, 3), layer=True),
    Row(
        "nn.BatchNorm1d untracked",
        _layer("BatchNorm1d", 3, track_running_stats=False),
        A(4, 3),
        layer=True,
    ),
    *(
        Row(f"nn.InstanceNorm{n}d", _layer(f"InstanceNorm{n}d", 3), A(2, 3, *[4] * n), layer=True)
        for n in (1, 2, 3)
    ),
    Row(
        "nn.InstanceNorm1d tracked",
        _layer("InstanceNorm1d", 3, affine=True, track_running_stats=True),
        A(2, 3, 4),
        layer=True,
    ),
    Row("nn.InstanceNorm1d alone", _layer("InstanceNorm1d", 3), A(3, 4), layer=True),
    Row("nn.LayerNorm", _layer("LayerNorm", (2, 3)), A(4, 2, 3), layer=True),
    Row("nn.GroupNorm", _layer("GroupNorm", 2, 4), A(2, 4, 3), layer=True),
    Row("nn.RMSNorm", _layer("RMSNorm", 3), A(4, 3), layer=True),
    Row("nn.LocalResponseNorm", _layer("LocalResponseNorm", 2), A(2, 5, 4), layer=True),
]
