"""Code that was copied from PyTorch's own, or overrides its inner parts, beside PyTorch."""

import importlib
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import kuai
from kuai.nn.modules import transformer
from kuai.standin import paths

BOTH = (torch, kuai)


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def of(t, array):
    return t.from_numpy(array.copy())


def alike(run):
    """What `run(t)` gives, with both."""
    wanted, found = (np.asarray(run(t).detach()) for t in BOTH)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def filled(t, module):
    with t.no_grad():
        for i, p in enumerate(module.parameters()):
            p.copy_(of(t, numbers(*p.shape) * 0.1 + 0.01 * i))
    return module


def layers(t, **options):
    encoder = t.nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, **options)
    decoder = t.nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True, **options)
    return filled(t, encoder), filled(t, decoder)


@pytest.mark.parametrize("norm_first", [False, True])
def test_attention_whose_forward_is_replaced(norm_first):
    """The usual way to look at the weights: a wrapper that asks for them by name."""

    def run(t):
        kept = []
        encoder, decoder = layers(t, norm_first=norm_first)

        def patch(module):
            forward = module.forward

            def wrapped(*args, **kwargs):
                assert len(args) == 3
                kwargs["need_weights"], kwargs["average_attn_weights"] = True, False
                result = forward(*args, **kwargs)
                kept.append(result[1])
                return result

            module.forward = wrapped

        for module in (encoder.self_attn, decoder.self_attn, decoder.multihead_attn):
            patch(module)
        x = of(t, numbers(2, 3, 8))
        decoder(x, encoder(x))
        return t.stack(kept)

    alike(run)


def test_blocks_of_layers_are_overridden():
    def run(t):
        class Louder(t.nn.TransformerEncoderLayer):
            def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
                return 2 * super()._sa_block(x, attn_mask, key_padding_mask, is_causal)

            def _ff_block(self, x):
                return 3 * super()._ff_block(x)

        class Deaf(t.nn.TransformerDecoderLayer):
            def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal=False):
                return 0 * super()._mha_block(x, mem, attn_mask, key_padding_mask, is_causal)

        x = of(t, numbers(2, 3, 8))
        louder = filled(t, Louder(8, 2, 16, 0.0, batch_first=True))
        return filled(t, Deaf(8, 2, 16, 0.0, batch_first=True))(x, louder(x))

    alike(run)


def test_layers_of_ones_own_are_given_masks_by_name():
    told = []

    def run(t):
        class Layer(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.self_attn = t.nn.MultiheadAttention(8, 2)  # PyTorch's encoder looks at it

            def forward(self, x, memory=None, **masks):
                told.append((t, list(masks)))
                return x

        x = of(t, numbers(2, 3, 8))
        encoder = t.nn.TransformerEncoder(Layer(), 1, enable_nested_tensor=False)
        return t.nn.TransformerDecoder(Layer(), 1)(encoder(x), x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alike(run)
    assert [names for t, names in told if t is torch] == [names for t, names in told if t is kuai]


def test_what_copied_attention_calls():
    def run(t):
        F = t.nn.functional
        q, w, b = of(t, numbers(2, 3, 4)), of(t, numbers(12, 4)), of(t, numbers(12))
        packed = F._in_projection_packed(q, q, q, w, b)
        apart = F._in_projection(q, q, q, *w.chunk(3), *b.chunk(3))
        mask = t.tensor([[True, False, True]])
        mask = F._canonical_mask(mask, "mask", F._none_or_dtype(None), "other", q.dtype)
        return t.cat([*packed, *apart]).sum(-1) + mask.isinf().float()

    alike(run)
    functional: Any = kuai.nn.functional
    assert transformer._get_activation_fn("gelu") is functional.gelu
    assert functional._Reduction.get_enum("sum") == 2


def test_an_embedding_that_resets_itself():
    class Small(kuai.nn.Embedding):
        def reset_parameters(self):
            kuai.nn.init._no_grad_normal_(self.weight, 0, 1e-3)
            self._fill_padding_idx_with_zero()

    table = Small(5, 3, padding_idx=1).weight
    assert table[1].tolist() == [0, 0, 0] and 0 < table.abs().max() < 1e-2


def test_an_optimizer_and_a_scheduler_that_were_copied():
    def run(t):
        names = importlib.import_module(f"{t.__name__}.optim.optimizer")
        lrs = t.optim.lr_scheduler

        class Plain(t.optim.Optimizer):
            __doc__ = f"{names._params_doc} {names._foreach_doc} {names._maximize_doc}"

            def __init__(self, params, lr=0.1, differentiable=False):
                super().__init__(params, {"lr": lr, "differentiable": differentiable})

            @names._use_grad_for_differentiable
            def step(self, closure=None):
                self._accelerator_graph_capture_health_check()
                for group in self.param_groups:
                    for p in group["params"]:
                        state = self.state[p]
                        count = names._get_value(state.get("step", t.tensor(0.0))) + 1
                        state["step"] = t.tensor(count, dtype=names._get_scalar_dtype())
                        p.add_(p.grad, alpha=-group["lr"] / names._get_value(state["step"]))

        class Halved(lrs.LRScheduler):
            def get_lr(self):
                lrs._warn_get_lr_called_within_step(self)
                return [base * 0.5**self.last_epoch for base in self.base_lrs]

        w = t.nn.Parameter(of(t, numbers(3)))
        optimizer = Plain([w])
        scheduler = Halved(optimizer)
        for _ in range(3):
            optimizer.zero_grad()
            w.square().sum().backward()
            optimizer.step()
            scheduler.step()
        with pytest.warns(UserWarning, match="get_last_lr"):
            scheduler.get_lr()
        with lrs._enable_get_lr_call(scheduler):
            rates = scheduler.get_lr()
        return w * rates[0]

    alike(run)


@pytest.mark.parametrize("kind", ["sgd", "sgd, nesterov", "adam", "adam, amsgrad", "adamw"])
def test_steps_as_functions_of_lists(kind):
    name, _, flag = kind.partition(", ")
    amsgrad, nesterov = flag == "amsgrad", flag == "nesterov"

    def run(t):
        step = getattr(importlib.import_module(f"{t.__name__}.optim._functional"), name)
        params = [of(t, numbers(3)), of(t, numbers(2, 2))]
        shared = dict(lr=0.1, weight_decay=0.1, maximize=False)
        buffers = [None, None]
        means, squares, most = ([t.zeros_like(p) for p in params] for _ in range(3))
        counts = [t.tensor(0.0) for _ in params]
        for _ in range(3):
            grads = [p.sin() for p in params]
            if name == "sgd":
                options = dict(momentum=0.9, dampening=0.0 if nesterov else 0.1, nesterov=nesterov)
                step(params, grads, buffers, **options, **shared)
            else:
                options = dict(amsgrad=amsgrad, beta1=0.9, beta2=0.999, eps=1e-8)
                step(params, grads, means, squares, most, counts, **options, **shared)
        return t.cat([p.flatten() for p in params])

    alike(run)
    home = importlib.import_module(f"kuai.optim.{name}")
    assert callable(getattr(home, name))


def test_modules_as_functions_in_the_older_way():
    def run(t):
        older = importlib.import_module(f"{t.__name__}._functorch.make_functional")
        nets = [filled(t, t.nn.Linear(3, 2)), filled(t, t.nn.Linear(3, 2))]
        x = of(t, numbers(4, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch calls these names outdated
            function, params = older.make_functional(nets[0])
            both, weights, buffers = older.combine_state_for_ensemble(nets)
            norm, values, state = older.make_functional_with_buffers(t.nn.BatchNorm1d(2))
        each = t.func.vmap(t.func.grad(lambda p, one: function(p, one).sum()), (None, 0))
        together = t.func.vmap(both, (0, 0, None))(weights, buffers, x).sum(0)
        return norm(values, state, together).sum(-1) + each(params, x)[0].sum((1, 2))

    alike(run)
    norm = kuai.nn.BatchNorm1d(2)
    with pytest.raises(ValueError, match="has buffers"):
        importlib.import_module("kuai._functorch.make_functional").make_functional(norm)
    assert paths.ours("functorch") == "kuai._functorch.everything"
