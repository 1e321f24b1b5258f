"""What functions of `nn.functional` refuse, they refuse with PyTorch's words."""

import numpy as np
import pytest
import torch

import kuai

r = np.random.default_rng(0).standard_normal
x = r((4, 6)).astype("f")
t = np.array([1, 2, 3, 0])


def z(shape):
    return np.zeros(shape, "f")


CASES = [
    ("linear", (r((2, 4)).astype("f"), r((3, 5)).astype("f"), z(3))),
    ("linear", (r((2, 4)).astype("f"), r((3, 5)).astype("f"))),
    ("linear", (r((2, 5)), r((3, 5)).astype("f"), z(3))),
    ("linear", (r((2, 5)), r((3, 5)).astype("f"))),
    ("linear", (r((2, 5)).astype("f"), r((3, 5)).astype("f"), z(4))),
    ("cross_entropy", (x, t[:3])),
    ("cross_entropy", (x, r(4).astype("f"))),
    ("cross_entropy", (x, t.astype("i4"))),
    ("cross_entropy", (x, t, z(3))),
    ("nll_loss", (x[0], t)),
    ("cross_entropy", (r((2, 3, 4)).astype("f"), np.zeros((2, 5), "i8"))),
    ("cross_entropy", (x, t[:, None])),
    ("relu", (np.array([True]),)),
    ("leaky_relu", (t,)),
    ("gelu", (t,)),
    ("softmax", (x, 2)),
    ("log_softmax", (t, 0)),
    ("glu", (z(3),)),
    ("prelu", (x, z(3))),
    ("softshrink", (x, -1)),
    ("hardtanh", (x, 2, 1)),
    ("celu", (x, 0.0)),
    ("layer_norm", (x, (5,))),
    ("layer_norm", (x, (6,), z(5))),
    ("rms_norm", (x, (5,))),
    ("group_norm", (x, 4)),
    ("group_norm", (x, 3, z(3))),
    ("batch_norm", (x, z(5), z(6))),
    ("batch_norm", (x[:1], None, None, None, None, True)),
    ("batch_norm", (x, None, None)),
    ("batch_norm", (x.astype("d"), z(6), z(6))),
    ("instance_norm", (x,)),
    ("local_response_norm", (x, 2)),
    ("embedding", (z(1), x)),
    ("embedding", (t, z(5))),
    ("one_hot", (z(1),)),
    ("dropout", (x, 1.5)),
    ("dropout", (t,)),
    ("dropout1d", (z(4),)),
    ("pad", (x, (1,))),
    ("pad", (x, (1,) * 6)),
    ("pad", (x, (-7, 0))),
    ("pad", (z((1, 2, 3)), (3, 1), "reflect")),
    ("pad", (x, (1, 1, 1, 1), "reflect")),
    ("pad", (x, (1, 1), "foo")),
    ("pad", (z((1, 2, 3)), (4, 1), "circular")),
    ("pad", (z((1, 2, 3)), (1, 1), "reflect", 1.0)),
    ("bilinear", (z((2, 3)), z((2, 4)), z((5, 3, 3)))),
    ("bilinear", (z((2, 3)), z(4), z((5, 3, 4)))),
    ("multi_margin_loss", (x, t[:2])),
    ("multilabel_margin_loss", (x, t)),
    ("binary_cross_entropy", (abs(x[:, :2]) / 9, x)),
    ("binary_cross_entropy_with_logits", (x, t)),
    ("mse_loss", (t, t)),
    ("smooth_l1_loss", (x, x, None, None, "mean", -1)),
    ("huber_loss", (x, x, "mean", 0)),
    ("mse_loss", (x, x, None, None, "foo")),
    ("margin_ranking_loss", (x, x, x[0])),
    ("triplet_margin_loss", (x, x, x[0])),
    ("gumbel_softmax", (t,)),
    ("rrelu", (x, 2, 1, True)),
]


def complaint(module, name, arguments):
    given = [module.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
    with pytest.raises(Exception) as caught:
        getattr(module.nn.functional, name)(*given)
    return caught.type.__name__, str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_same_error(name, arguments):
    assert complaint(kuai, name, arguments) == complaint(torch, name, arguments)
