"""Names that popular packages take from PyTorch's insides."""

import torch
import torch.quasirandom
from torch.utils import _pytree as theirs

import kuai
import kuai.library  # which has `kuai.ops.aten`
import kuai.quasirandom
from kuai.distributed import nn as exchanges
from kuai.utils import _contextlib, _pytree
from kuai.utils.data._utils.worker import _generate_state


def test_sobol_points_are_pytorchs():
    for dimension in (1, 7):
        ours = kuai.quasirandom.SobolEngine(dimension)
        real = torch.quasirandom.SobolEngine(dimension)
        for engine in (ours, real):
            engine.fast_forward(3)
        assert ours.draw(6).tolist() == real.draw(6).tolist()
        assert repr(ours) == repr(real) and ours.num_generated == real.num_generated == 9
        assert ours.reset().draw_base2(2).tolist() == real.reset().draw_base2(2).tolist()
    mixed = kuai.quasirandom.SobolEngine(2, scramble=True, seed=1).draw(64)
    assert mixed.unique(dim=0).shape == (64, 2) and 0.45 < mixed.mean() < 0.55


def test_is_tensor_asks_no_class():
    class Other:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            raise NotImplementedError

    assert not kuai.is_tensor(Other()) and not torch.is_tensor(Other())


def test_a_convolution_of_aten():
    x, w = torch.randn(1, 4, 5, 5), torch.randn(4, 3, 2, 2)
    more = (None, [2, 1], [1, 0], [1, 1], True, [1, 0], 1)
    wanted = torch.ops.aten.convolution(x, w, *more)
    found = vars(kuai)["ops"].aten.convolution(
        kuai.tensor(x.numpy()), kuai.tensor(w.numpy()), *more
    )
    assert abs(found.numpy() - wanted.numpy()).max() < 1e-5


def test_exchanges_have_gradients():
    kuai.distributed.init_process_group("gloo")
    x = kuai.ones(2, requires_grad=True)
    (
        exchanges.all_reduce(x) + exchanges.all_gather(x)[0] + exchanges.broadcast(x, 0)
    ).sum().backward()
    kuai.distributed.destroy_process_group()
    assert x.grad is not None and x.grad.tolist() == [3, 3]


def test_helpers():
    flat = kuai._utils._flatten_dense_tensors([kuai.ones(2, 2), kuai.zeros(3)])
    parts = kuai._utils._unflatten_dense_tensors(flat, [kuai.ones(2, 2), kuai.zeros(3)])
    assert [part.shape for part in parts] == [(2, 2), (3,)]
    assert [int(each) for each in _generate_state(5, 2)] == torch_state(5, 2)
    assert _pytree._dict_flatten({"b": 1, "a": 2}) == theirs._dict_flatten({"b": 1, "a": 2})
    assert str(kuai.complex32) == str(torch.complex32) and kuai.qint8.itemsize == 1

    class Counting(_contextlib._DecoratorContextManager):
        entered = 0

        def __enter__(self):
            Counting.entered += 1

        def __exit__(self, *_):
            pass

    @Counting()
    def double(x):
        return x * 2

    assert double(2) == 4 and double(3) == 6 and Counting.entered == 2


def torch_state(base_seed, worker_id):
    from torch.utils.data._utils import worker

    return worker._generate_state(base_seed, worker_id)
