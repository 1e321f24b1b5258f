"""NumPy's integers are sizes, dimensions and counts: tables and environments give them."""

import numpy as np
import pytest
import torch

import kuai

N = np.int64
CASES = {
    "Linear": lambda t: t.nn.Linear(N(4), N(2))(t.ones(3, 4)).shape,
    "Bilinear": lambda t: t.nn.Bilinear(N(4), N(4), N(2))(t.ones(3, 4), t.ones(3, 4)).shape,
    "Conv2d": lambda t: t.nn.Conv2d(N(2), N(4), N(3), padding=N(1))(t.ones(1, 2, 5, 5)).shape,
    "BatchNorm1d": lambda t: t.nn.BatchNorm1d(N(4))(t.ones(3, 4)).shape,
    "LayerNorm": lambda t: t.nn.LayerNorm(N(4))(t.ones(3, 4)).shape,
    "RMSNorm": lambda t: t.nn.RMSNorm(N(4))(t.ones(3, 4)).shape,
    "GroupNorm": lambda t: t.nn.GroupNorm(N(2), N(4))(t.ones(3, 4)).shape,
    "LSTMCell": lambda t: t.nn.LSTMCell(N(4), N(5))(t.ones(3, 4))[0].shape,
    "MultiheadAttention": lambda t: t.nn.MultiheadAttention(N(4), N(2)).in_proj_bias.shape,
    "PReLU": lambda t: t.nn.PReLU(N(4))(t.ones(3, 4)).shape,
    "repeat_interleave": lambda t: t.ones(2, 3).repeat_interleave(N(2), dim=N(1)).shape,
    "movedim": lambda t: t.ones(2, 3).movedim(N(0), N(1)).shape,
    "squeeze": lambda t: t.ones(1, 3).squeeze(N(0)).shape,
    "tensor_split": lambda t: [x.shape for x in t.ones(2, 3).tensor_split(N(2), N(1))],
    "hsplit": lambda t: [x.shape for x in t.ones(2, 3).hsplit(N(3))],
    "chunk": lambda t: [x.shape for x in t.ones(2, 3).chunk(N(2), N(1))],
    "chunk of nothing": lambda t: [x.shape for x in t.ones(0, 3).chunk(N(2))],
    "all": lambda t: t.ones(2, 3).all(N(1)).tolist(),
    "prod": lambda t: t.ones(2, 3).prod(N(1)).tolist(),
    "argmax": lambda t: t.ones(2, 3).argmax(N(1)).shape,
}


@pytest.mark.parametrize("case", CASES)
def test_as_in_pytorch(case):
    def plain(found):
        return [plain(each) for each in found] if isinstance(found, list) else found

    ours, theirs = CASES[case](kuai), CASES[case](torch)
    assert plain(ours) == plain(theirs)


A = np.arange(12.0).reshape(2, 3, 2)


@pytest.mark.parametrize("driver", ["gels", "gelsd"])
@pytest.mark.parametrize("single", [True, False], ids=["one", "many"])
def test_least_squares_with_vectors(driver, single):
    matrix = np.sin(A[0] if single else A)
    side = np.cos(matrix[..., 0] * 3)
    ours = kuai.linalg.lstsq(kuai.tensor(matrix), kuai.tensor(side), driver=driver)
    theirs = torch.linalg.lstsq(torch.tensor(matrix), torch.tensor(side), driver=driver)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.shape == wanted.shape
        np.testing.assert_allclose(mine.numpy(), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize("shapes", [((2, 3, 2), (3,)), ((3, 2), (2, 3, 1)), ((2, 3, 2), (3, 2)),
                                    ((3, 2), (2, 3)), ((3, 2), (2,))], ids=str)  # fmt: skip
def test_least_squares_of_what_does_not_belong_together(shapes):
    texts = []
    for library in (torch, kuai):
        with pytest.raises(RuntimeError) as error:
            library.linalg.lstsq(*map(library.ones, shapes))
        texts.append(str(error.value))
    assert texts[0] == texts[1]
