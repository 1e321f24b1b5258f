"""What programs for PyTorch reach by its paths below `torch.nn`: files, base classes, helpers."""

import importlib
import pkgutil

import pytest
import torch

import kuai

FILES = [
    module.name
    for module in pkgutil.iter_modules(torch.nn.modules.__path__)
    if not module.name.startswith(("_", "linear_cross_entropy"))
]

#: Base classes without a public name, which packages ask for by `isinstance` or build on.
BASES = {
    "batchnorm": ["_NormBase", "_BatchNorm", "_LazyNormBase"],
    "conv": ["_ConvNd", "_ConvTransposeNd", "_LazyConvXdMixin"],
    "dropout": ["_DropoutNd"],
    "instancenorm": ["_InstanceNorm"],
    "loss": ["_Loss", "_WeightedLoss"],
    "padding": ["_CircularPadNd", "_ConstantPadNd", "_ReflectionPadNd", "_ReplicationPadNd"],
    "pooling": [
        "_AdaptiveAvgPoolNd",
        "_AdaptiveMaxPoolNd",
        "_AvgPoolNd",
        "_LPPoolNd",
        "_MaxPoolNd",
    ],
}
LISTED = [(file, name) for file, names in BASES.items() for name in names]
HELPERS = ["_ntuple", "_single", "_pair", "_triple", "_quadruple", "_reverse_repeat_tuple"]


def in_torch(file):
    return importlib.import_module(f"torch.nn.modules.{file}")


def in_kuai(file):
    return importlib.import_module(f"kuai.nn.modules.{file}")


def layers():
    """Every class that both have under `nn`, in PyTorch and here."""
    names = [name for name in torch.nn.modules.__all__ if hasattr(kuai.nn, name)]
    return {name: (getattr(torch.nn, name), getattr(kuai.nn, name)) for name in names}


@pytest.mark.parametrize("file", FILES)
def test_every_name_stands_where_pytorch_has_it(file):
    known = [name for name in in_torch(file).__all__ if hasattr(kuai.nn, name)]
    for name in known:
        assert getattr(in_kuai(file), name) is getattr(kuai.nn, name)


def test_nn_modules_has_all_layers():
    assert len(layers()) > 130
    assert {name for name in layers() if not hasattr(kuai.nn.modules, name)} == set()


@pytest.mark.parametrize(("file", "base"), LISTED, ids=lambda value: value)
def test_base_classes_have_the_same_descendants(file, base):
    theirs, ours = getattr(in_torch(file), base), getattr(in_kuai(file), base)
    wanted = {name for name, (layer, _) in layers().items() if issubclass(layer, theirs)}
    assert wanted
    assert {name for name, (_, layer) in layers().items() if issubclass(layer, ours)} == wanted


@pytest.mark.parametrize("name", HELPERS)
def test_helpers_for_arguments(name):
    theirs, ours = getattr(in_torch("utils"), name), getattr(in_kuai("utils"), name)
    if name == "_ntuple":
        theirs, ours = theirs(5), ours(5)
    given = [((1, 2), 2), ([1, 2, 3], 3)] if name == "_reverse_repeat_tuple" else None
    for arguments in given or [(3,), ((4, 5),), ([6],), (range(2),), (None,), (torch.Size([2]),)]:
        assert ours(*arguments) == theirs(*arguments)
    assert ours.__name__ == theirs.__name__


def test_names_of_the_module_file():
    module = in_kuai("module")
    text = "a(\nb\n\nc"
    assert module._addindent(text, 3) == in_torch("module")._addindent(text, 3)
    loaded = kuai.nn.Linear(1, 1).load_state_dict({}, strict=False)
    assert isinstance(loaded, module._IncompatibleKeys)


@pytest.mark.parametrize("path", ["parameter.Buffer", "parallel.DataParallel", "utils.clip_grad"])
def test_other_paths(path):
    file, _, name = path.partition(".")
    assert hasattr(importlib.import_module(f"torch.nn.{file}"), name)
    assert hasattr(importlib.import_module(f"kuai.nn.{file}"), name)


def own_convolution(t):
    """A layer as packages write them: PyTorch's base class, a `forward` of their own."""

    class Own(t.nn.modules.conv._ConvNd):
        def __init__(self, channels, size, padding, padding_mode="reflect"):
            pair = t.nn.modules.utils._pair
            numbers = (pair(size), pair(1), pair(padding), pair(1), False, pair(0))
            super().__init__(channels, channels, *numbers, 2, True, padding_mode)

        def forward(self, x):
            border = self._reversed_padding_repeated_twice
            x = t.nn.functional.pad(x, border, mode=self.padding_mode)
            return t.nn.functional.conv2d(x, self.weight, self.bias, groups=self.groups)

    return Own(4, 3, (2, 1))


def own_transposed(t):
    class Own(t.nn.modules.conv._ConvTransposeNd):
        def __init__(self):
            pair = t.nn.modules.utils._pair
            numbers = (pair(3), pair(2), pair(1), pair(1), True, pair(0))
            super().__init__(4, 2, *numbers, 1, True, "zeros")

        def forward(self, x, output_size=None):
            numbers = (self.stride, self.padding, self.kernel_size, 2, self.dilation)
            extra = self._output_padding(x, output_size, *numbers)
            return t.nn.functional.conv_transpose2d(
                x, self.weight, self.bias, self.stride, self.padding, extra
            )

    return Own()


@pytest.mark.parametrize(
    ("make", "arguments"),
    [(own_convolution, ()), (own_transposed, ()), (own_transposed, ([9, 10],))],
)
def test_classes_of_ones_own_on_the_base_classes(make, arguments):
    theirs, ours = make(torch), make(kuai)
    assert repr(ours) == repr(theirs)
    x = torch.linspace(-1, 1, 4 * 25).reshape(1, 4, 5, 5)
    state = {name: kuai.tensor(value.numpy()) for name, value in theirs.state_dict().items()}
    ours.load_state_dict(state)
    wanted = theirs(x, *arguments)
    result = ours(kuai.tensor(x.numpy()), *arguments)
    assert tuple(result.shape) == tuple(wanted.shape)
    torch.testing.assert_close(torch.tensor(result.tolist()), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("padding", [(2, 1), "same", "valid"])
def test_the_border_of_a_convolution(padding):
    theirs, ours = (t.nn.Conv2d(1, 1, (3, 4), padding=padding) for t in (torch, kuai))
    border = ours._reversed_padding_repeated_twice
    assert tuple(border) == tuple(theirs._reversed_padding_repeated_twice)
    assert ours.transposed is theirs.transposed is False
