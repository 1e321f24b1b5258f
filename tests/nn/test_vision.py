"""Interpolation, shuffles and DataParallel: errors and old names, on torch and on Kuai."""

import numpy as np
import pytest
import torch

import kuai


def resize(t, *shape, **keywords):
    return t.nn.functional.interpolate(t.ones(*shape), **keywords)


WRONG = {
    "neither": lambda t: resize(t, 1, 1, 2, 2),
    "both": lambda t: resize(t, 1, 1, 2, 2, size=2, scale_factor=2),
    "corners": lambda t: resize(t, 1, 1, 2, 2, size=2, align_corners=True),
    "sizes": lambda t: resize(t, 1, 1, 2, 2, size=(2, 2, 2)),
    "size of floats": lambda t: resize(t, 1, 1, 2, 2, size=(2.0, 2)),
    "factors": lambda t: resize(t, 1, 1, 2, 2, scale_factor=(2.0,)),
    "recompute": lambda t: resize(t, 1, 1, 2, 2, size=3, recompute_scale_factor=True),
    "antialias": lambda t: resize(t, 1, 1, 2, 2, size=3, antialias=True),
    "rank": lambda t: resize(t, 2, 2, scale_factor=2),
    "bilinear rank": lambda t: resize(t, 1, 2, 2, size=3, mode="bilinear"),
    "linear rank": lambda t: resize(t, 1, 2, 2, 2, size=3, mode="linear"),
    "mode": lambda t: resize(t, 1, 2, 2, 2, size=3, mode="cubic"),
    "bicubic rank": lambda t: resize(t, 1, 2, 2, size=3, mode="bicubic"),
    "lanczos": lambda t: resize(t, 1, 2, 2, 2, size=3, mode="lanczos"),
    "empty output": lambda t: resize(t, 1, 1, 2, 2, size=(0, 3)),
    "empty input": lambda t: resize(t, 1, 1, 2, 0, size=3),
    "no channels": lambda t: resize(t, 1, 0, 2, 2, size=3),
    "integers": lambda t: t.nn.functional.interpolate(t.ones(1, 1, 2, 2).long(), size=3),
    "shuffle rank": lambda t: t.nn.functional.pixel_shuffle(t.ones(2, 3), 2),
    "shuffle channels": lambda t: t.nn.functional.pixel_shuffle(t.ones(2, 3, 4, 4), 2),
    "shuffle factor": lambda t: t.nn.functional.pixel_shuffle(t.ones(2, 4, 4, 4), 0),
    "unshuffle height": lambda t: t.nn.functional.pixel_unshuffle(t.ones(2, 3, 5, 4), 2),
    "unshuffle width": lambda t: t.nn.functional.pixel_unshuffle(t.ones(2, 3, 4, 5), 2),
    "unshuffle rank": lambda t: t.nn.functional.pixel_unshuffle(t.ones(2, 3), 2),
    "channels": lambda t: t.nn.functional.channel_shuffle(t.ones(2, 3, 5), 2),
    "channels rank": lambda t: t.nn.functional.channel_shuffle(t.ones(2, 3), 3),
    "channels groups": lambda t: t.nn.functional.channel_shuffle(t.ones(2, 3, 5), 0),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG.keys())
def test_errors(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type) as ours:
        call(kuai)
    assert str(ours.value) == str(theirs.value)


def test_upsample_is_the_old_name():
    for t in (kuai, torch):
        with pytest.warns(UserWarning, match="`nn.functional.upsample` is deprecated"):
            assert t.nn.functional.upsample(t.ones(1, 1, 2), 4).shape == (1, 1, 4)


def test_a_bad_pixel_stays_where_it_is():
    """The derivative is a matrix product, the value is not: nan times zero would spread."""
    x = kuai.ones(1, 1, 6)
    x[0, 0, 0] = float("nan")
    wide = kuai.nn.functional.interpolate(x, size=12, mode="linear")
    assert wide.isnan().sum().item() == 3


def test_a_copied_size_has_the_gradient_of_its_value():
    """PyTorch's backward pass takes equal sizes for a copy where its forward pass does not."""
    x = kuai.rand(1, 1, 7, dtype=kuai.float64, requires_grad=True)
    assert kuai.autograd.gradcheck(kuai.nn.Upsample(scale_factor=1.1), x)


def test_data_parallel_is_a_wrapper():
    for t in (kuai, torch):
        inner = t.nn.Linear(3, 2)
        net = t.nn.DataParallel(inner)
        assert net.module is inner
        assert list(net.state_dict()) == ["module.weight", "module.bias"]
        x = t.ones(4, 3)
        assert net(x).tolist() == inner(x).tolist()
        assert net.device_ids == []


@pytest.mark.parametrize("name", ["upsample_nearest", "upsample_bilinear"])
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_old_names_of_interpolate(name):
    def result(t):
        x = t.arange(6.0).reshape(1, 1, 2, 3)
        return getattr(t.nn.functional, name)(x, scale_factor=2).numpy()

    np.testing.assert_allclose(result(kuai), result(torch), rtol=1e-6)
