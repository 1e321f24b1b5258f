"""The examples of PyTorch's documentation, run by PyTorch and by Kuai in step.

What is compared is what the two print now, not what the documentation shows. Kuai is given the
random numbers that PyTorch draws, and PyTorch's weights.
"""

import contextlib
import doctest
import importlib
import inspect
import io
import math
import re
import types
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

import kuai
from tests.conformance import translating

MODULES = (
    "torch",
    *(
        f"torch.{name}"
        for name in (
            "linalg fft special func sparse masked autograd autograd.functional autograd.graph nn "
            "nn.functional nn.utils.rnn nn.utils.prune nn.utils.parametrize "
            "nn.utils.parametrizations optim optim.lr_scheduler optim.swa_utils distributions "
            "distributions.transforms signal.windows"
        ).split()
    ),
)
#: Examples that mention these are not run.
_LEFT_OUT = (
    *("cuda", "distributed", "DDP", "xla", "mps", "quantiz", "torch.jit", "hub."),  # other machines
    *(".pt'", '.pt"', "tempfile", "num_workers", "multiprocessing"),  # files and processes
    # random numbers that are drawn inside of a function
    *("uniform_", "normal_", "bernoulli(", "gumbel", "fractional", "dropout", "Dropout", "RReLU"),
    *(".sample(", "Generator", ".random_(", "seed()", "rrelu", "RandomSampler"),
    *("empty(", "empty_", "new_empty", "data_ptr"),  # values and addresses that nobody promises
    *("complex32", "is_conj()", "is_neg()"),  # a dtype and flags that Kuai does without
    *("_bsr", "_bsc", "dense_dim", "compressed_tensor", "as_sparse_gradcheck", "MaskedTensor"),
)
#: What is said of these in docs/differences.md, or follows from it.
_DIFFERENT = {
    "torch.from_dlpack": "memory is shared until Kuai writes",
    "torch.set_flush_denormal": "XLA decides",
    "torch.Tensor.to_sparse_csr": "compressed matrices have two dimensions",
    "torch.Tensor.to_sparse_csc": "compressed matrices have two dimensions",
    "torch.linalg.lu_factor": "PyTorch's own last digits are outside of what is compared there",
    "torch.linalg.lu_solve": "PyTorch's own last digits are outside of what is compared there",
    "torch.sort": "equal numbers stay in order",
    "torch.vmap": "a builtin function is printed, whose text is another one",
    "torch.func.vmap": "a builtin function is printed, whose text is another one",
}
_DRAWING = frozenset("rand randn randint randperm normal rand_like randn_like randint_like".split())
_IMPORT = re.compile(r"(^|\n)(\s*)(from|import) torch")
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:e[-+]?\d+)?")


class Documented(NamedTuple):
    """A thing of PyTorch's with examples."""

    name: str
    text: str


class _Drawn(types.ModuleType):
    """Kuai, but for the random numbers of its own sequence of PyTorch's."""

    def __init__(self):
        super().__init__("torch")
        self.state = torch.get_rng_state()

    def __getattr__(self, name):
        if name not in _DRAWING:
            return getattr(kuai, name)
        return lambda *args, **kwargs: self._draw(getattr(torch, name), args, kwargs)

    def _draw(self, function, args, kwargs):
        theirs = torch.get_rng_state()
        torch.set_rng_state(self.state)
        made = function(*map(_to_torch, args), **{k: _to_torch(v) for k, v in kwargs.items()})
        self.state = torch.get_rng_state()
        torch.set_rng_state(theirs)
        return translating.to_kuai(made)


def _to_torch(value: Any) -> Any:
    if isinstance(value, kuai.Tensor):
        return kuai.to_torch(value.detach())
    if isinstance(value, kuai.dtype):
        return getattr(torch, str(value).removeprefix("torch.").removeprefix("kuai."))
    if isinstance(value, kuai.Size):
        return torch.Size(value)
    return tuple(map(_to_torch, value)) if isinstance(value, (list, tuple)) else value


def documented(module: str) -> Iterator[Documented]:
    """All things of a module, and what their classes have, that have examples to run."""
    found = importlib.import_module(module)
    for name in sorted(n for n in dir(found) if not n.startswith("_")):
        thing = getattr(found, name)
        if inspect.ismodule(thing):
            continue
        yield from _of(f"{module}.{name}", thing)
        # classes of the module's own; `Tensor` stands in many, and `FloatTensor` beside it
        if inspect.isclass(thing) and not (issubclass(thing, torch.Tensor) and module != "torch"):
            for attribute in sorted(n for n in vars(thing) if not n.startswith("_")):
                yield from _of(f"{module}.{name}.{attribute}", _static(thing, attribute))
    if module == "torch":
        for attribute in sorted(n for n in dir(torch.Tensor) if not n.startswith("_")):
            yield from _of(f"torch.Tensor.{attribute}", _static(torch.Tensor, attribute))


_static = inspect.getattr_static  # a class may warn of its attributes, or raise


def _of(name: str, thing: Any) -> Iterator[Documented]:
    text = getattr(thing, "__doc__", None)
    if not isinstance(text, str) or ">>>" not in text or any(w in text for w in _LEFT_OUT):
        return
    if callable(thing) and name not in _DIFFERENT:
        yield Documented(name, text)


def differences(example: Documented) -> list[str]:
    """Where Kuai prints something else than PyTorch, or where only one of them raises."""
    torch.manual_seed(1)
    theirs, ours = _names("torch", torch), _names("kuai", _Drawn())
    found = []
    for source in _statements(example.text):
        if source.strip() == "import torch":
            continue
        printed, error = _run(source, theirs)
        if isinstance(error, (NameError, SyntaxError)):
            continue  # the documentation leaves out what it is about
        shown, raised = _run(_IMPORT.sub(r"\1\2\3 kuai", source), ours)
        if (error is None) != (raised is None) or not (error or _are_alike(printed, shown)):
            found.append(
                f"{example.name}: {source.strip()}\n{printed or error!r}\n{shown or raised!r}"
            )
        if error is None and raised is not None:
            break  # what follows needs what is missing
        _share_weights(theirs, ours)
    return found


def _names(library: str, module: Any) -> dict[str, Any]:
    """What the documentation takes to be imported."""
    real = importlib.import_module(library)
    given = {"torch": module, "nn": real.nn, "F": real.nn.functional, "optim": real.optim}
    listed = torch.distributions.__all__
    distributions = {name: getattr(real.distributions, name, None) for name in listed}
    return distributions | given | {"np": np, "numpy": np, "math": math, "Tensor": real.Tensor}


def _statements(text: str) -> list[str]:
    try:
        return [example.source for example in doctest.DocTestParser().get_examples(text)]
    except ValueError:  # lines that are not indented alike
        found = re.findall(r"^[ ]*>>> ?(.*(?:\n[ ]*\.\.\. ?.*)*)", text, re.MULTILINE)
        return [re.sub(r"\n[ ]*\.\.\. ?", "\n", source) + "\n" for source in found]


def _run(source: str, names: dict[str, Any]) -> tuple[str, BaseException | None]:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(source, "<example>", "single"), names)
    except Exception as error:  # noqa: BLE001  an example may raise anything
        return printed.getvalue(), error
    return printed.getvalue(), None


def _are_alike(theirs: str, ours: str) -> bool:
    """Whether two texts say the same, but for spaces, addresses and last digits."""
    first, second = (re.sub(r"\s+", "", _ADDRESS.sub("0x", text)) for text in (theirs, ours))
    second = second.replace("kuai", "torch")
    if first == second:
        return True
    if _NUMBER.sub("#", first) != _NUMBER.sub("#", second):
        return False
    numbers = [np.array(_NUMBER.findall(text), float) for text in (first, second)]
    return np.allclose(*numbers, rtol=2e-3, atol=3e-4)


def _share_weights(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    for name, value in theirs.items():
        module = ours.get(name)
        if isinstance(value, torch.nn.Module) and isinstance(module, kuai.nn.Module):
            values = {key: translating.to_kuai(t) for key, t in value.state_dict().items()}
            if values.keys() == module.state_dict().keys():
                module.load_state_dict(values)
