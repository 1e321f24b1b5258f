"""Layers kept for old code."""

import pytest

import kuai


def test_container_warns_and_has_children():
    with pytest.warns(FutureWarning, match="Container"):
        made = kuai.nn.Container(act=kuai.nn.ReLU(), loss=kuai.nn.MSELoss())
    assert [name for name, _ in made.named_children()] == ["act", "loss"]


def test_nll_loss_2d_is_nll_loss():
    with pytest.warns(FutureWarning, match="NLLLoss2d"):
        old = kuai.nn.NLLLoss2d(ignore_index=1)
    scores, target = kuai.randn(2, 3, 4, 4), kuai.ones(2, 4, 4, dtype=kuai.long)
    target[0, 0] = 2
    new = kuai.nn.NLLLoss(ignore_index=1)
    assert old(scores, target).item() == new(scores, target).item()


def test_factory_kwargs():
    assert kuai.nn.factory_kwargs(None) == {}
    with pytest.raises(TypeError, match="unexpected"):
        kuai.nn.factory_kwargs({"bias": True})
    with pytest.raises(TypeError, match="twice"):
        kuai.nn.factory_kwargs({"dtype": kuai.int8, "factory_kwargs": {"dtype": kuai.int8}})
