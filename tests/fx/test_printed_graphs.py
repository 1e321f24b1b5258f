"""What graphs look like, as text and as code, beside PyTorch's; and what is made of them."""

import copy
import importlib
import math
import operator
import pickle

import pytest
import torch
import torch.fx.experimental.optimization
import torch.fx.passes.shape_prop
import torch.fx.passes.split_module

import kuai
import kuai.fx.experimental.optimization
import kuai.fx.passes.shape_prop
import kuai.fx.passes.split_module


def net_of(t):
    class Block(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = t.nn.Linear(2, 3)

        def forward(self, x: t.Tensor) -> t.Tensor:
            return t.relu(self.linear(x))

    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.gain = Block(), t.nn.Parameter(t.ones(3))
            self.register_buffer("shift", t.zeros(3))
            self.constant = t.ones(3)
            self.layers = t.nn.ModuleList(t.nn.Linear(3, 3) for _ in range(2))

        def forward(self, x: t.Tensor, y: int = 2, *, z=None):
            h = self.block(x) * self.gain + self.shift - self.constant
            for layer in self.layers:
                h = layer(h).relu()
            rows, _ = h.shape
            return {"out": t.cat([h, h], dim=-1).view(rows, -1)[:, 1:], "given": (h, y, z)}

    return Net()


def operators(t):
    def function(x, y):
        z = 1 - (2 * x + y) / 3 // 2 % 5**y @ x
        z = (~(z > 0) & (x < 1) | (x == 1)) ^ (y != 1)
        w = abs(x)[..., None][1:2, ::3].float().to(t.float16)
        v = t.zeros(2, 3, device=x.device, dtype=y.dtype).masked_fill(z, float("inf"))
        u = t.where(v > 0, v, -math.inf)
        return w, u, t.einsum("ij,jk->ik", x, y), x.T, x.max(dim=0).values, x.size(0) + x.shape[0]

    return function


def several_arguments(t):
    def function(x: "list[int]", *rest, factor: float = 2.0, **named):
        return rest[0] * factor + named["bias"] + x

    return function


def names_that_are_taken(t):
    return lambda x, torch_=1, self_=2: t.sin(t.sin(x)).sin().add(1).add_(torch_ + self_)


TRACED = {
    "net": net_of,
    "operators": operators,
    "several arguments": several_arguments,
    "names": names_that_are_taken,
    "layers": lambda t: t.nn.Sequential(t.nn.Conv2d(1, 2, 3), t.nn.Flatten(), t.nn.LSTM(2, 2)),
    "assertion": lambda t: lambda x: (t._assert(x.shape[0] == 2, "two"), x)[1],
}


@pytest.mark.parametrize("name", TRACED)
def test_graphs_and_code_are_pytorchs(name):
    theirs, ours = (t.fx.symbolic_trace(TRACED[name](t)) for t in (torch, kuai))
    assert str(ours.graph) == str(theirs.graph)
    assert ours.code == theirs.code
    readable = [g.print_readable(print_output=False).split() for g in (ours, theirs)]
    assert readable[0] == readable[1]
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert [n.op for n in ours.graph.nodes] == [n.op for n in theirs.graph.nodes]


def test_a_module_prints_its_code():
    theirs, ours = (str(t.fx.symbolic_trace(t.nn.Sequential(t.nn.ReLU()))) for t in (torch, kuai))
    assert ours == theirs


def test_nodes_know_their_modules():
    def stacks(t):
        nodes = t.fx.symbolic_trace(net_of(t)).graph.nodes
        return [[path for path, _ in n.meta.get("nn_module_stack", {}).values()] for n in nodes]

    assert stacks(kuai) == stacks(torch)


def flag_of(t):
    def function(x, flag, scale=3.0):
        return x * scale if flag else x

    return function


def nested_of(t):
    def function(x, given):
        return {"a": x + given["first"] * given["second"]}

    return function


CONCRETE = {
    "a flag": (flag_of, lambda t: {"flag": True}),
    "several": (flag_of, lambda t: {"flag": False, "scale": 1.0}),
    "none": (flag_of, lambda t: {"flag": None}),
    "nested": (nested_of, lambda t: {"given": {"first": t.fx.PH, "second": 2.0}}),
}


@pytest.mark.parametrize("name", CONCRETE)
def test_concrete_arguments(name):
    make, arguments = CONCRETE[name]
    theirs, ours = (t.fx.symbolic_trace(make(t), arguments(t)) for t in (torch, kuai))
    assert str(ours.graph) == str(theirs.graph) and ours.code == theirs.code


def test_concrete_arguments_are_checked():
    traced = kuai.fx.symbolic_trace(flag_of(kuai), {"flag": True})
    assert traced(kuai.ones(1), True, 2.0).tolist() == [2]
    with pytest.raises(AssertionError, match="specialized to have value True"):
        traced(kuai.ones(1), False)
    nested = kuai.fx.symbolic_trace(nested_of(kuai), CONCRETE["nested"][1](kuai))
    result = nested(kuai.ones(1), {"first": kuai.ones(1), "second": 2.0})
    assert result["a"].tolist() == [3] and copy.deepcopy(nested).code == nested.code


def test_code_runs_after_pickling_and_copying():
    traced = kuai.fx.symbolic_trace(kuai.nn.Sequential(kuai.nn.Linear(2, 2), kuai.nn.ReLU()))
    x = kuai.randn(3, 2)
    for other in (pickle.loads(pickle.dumps(traced)), copy.deepcopy(traced), copy.copy(traced)):
        assert other.code == traced.code and kuai.equal(other(x), traced(x))


# Replacing ----------------------------------------------------------------------------------------

PATTERNS = {
    "twice": (
        lambda t: lambda x, a, b: x + t.max(t.cat([a, b]).sum()) + t.max(t.cat([a, b]).sum()),
        lambda t: (lambda a, b: t.cat([a, b]).sum(), lambda a, b: t.stack([a, b])),
    ),
    "one after the other": (
        lambda t: lambda x: t.sin(t.sin(x)),
        lambda t: (lambda x: t.sin(x), lambda x: t.cos(x)),
    ),
    "a method and a constant": (
        lambda t: lambda x: x.add(1).mul(2) - x.add(2),
        lambda t: (lambda x: x.add(1), lambda x: x.sub(1)),
    ),
    "used outside": (
        lambda t: lambda x: (t.sin(x), t.cos(t.sin(x))),
        lambda t: (lambda x: t.cos(t.sin(x)), lambda x: t.tan(x)),
    ),
    "two parameters that are one": (
        lambda t: lambda x: t.add(x, x) + t.add(x, t.sin(x)),
        lambda t: (lambda a, b: t.add(a, b), lambda a, b: t.sub(a, b)),
    ),
    "two results": (
        lambda t: lambda x, y: t.cos(x + y) * t.sin(x + y),
        lambda t: (lambda x, y: (t.cos(x + y), t.sin(x + y)), lambda x, y: (t.neg(x), t.abs(y))),
    ),
    "layers": (
        lambda t: t.nn.Sequential(t.nn.ReLU(), t.nn.ReLU()),
        lambda t: (lambda x: t.sin(x), lambda x: t.cos(x)),
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_are_replaced(name):
    make, parts = PATTERNS[name]

    def replaced(t):
        traced = t.fx.symbolic_trace(make(t))
        found = t.fx.replace_pattern(traced, *parts(t))
        traced.graph.lint()
        return str(found), traced.code

    assert replaced(kuai) == replaced(torch)


def test_filters_choose_what_is_replaced():
    traced = kuai.fx.symbolic_trace(lambda x: kuai.sin(x) + kuai.sin(-x))
    replace = importlib.import_module("kuai.fx.subgraph_rewriter").replace_pattern_with_filters
    only = lambda match, *graphs: match.nodes_map[match.anchor].args[0].op == "placeholder"  # noqa: E731
    found = replace(traced, lambda x: kuai.sin(x), lambda x: kuai.cos(x), [only])
    assert len(found) == 1 and [n.name for n in found[0].replacements] == ["cos"]
    assert traced.code.count("cos(") == 1 and traced.code.count("sin(") == 1


# What is there for graphs -------------------------------------------------------------------------


def test_split_module():
    def apart(t):
        net = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.ReLU(), t.nn.Linear(3, 1))
        traced = t.fx.symbolic_trace(net)
        split = t.fx.passes.split_module.split_module
        made = split(traced, None, lambda node: int(node.name == "_2"))
        x = t.ones(4, 2)
        assert t.equal(made(x), net(x))
        return made.code, made.submod_0.code, made.submod_1.code, list(made.state_dict())

    assert apart(kuai) == apart(torch)


def test_batch_norms_are_fused_and_dropout_is_removed():
    net = kuai.nn.Sequential(kuai.nn.Conv2d(1, 2, 3), kuai.nn.BatchNorm2d(2), kuai.nn.Dropout())
    net(kuai.randn(4, 1, 5, 5))
    x = kuai.randn(2, 1, 5, 5)
    optimization = kuai.fx.experimental.optimization
    fused = optimization.remove_dropout(optimization.fuse(net.eval()))
    assert [name for name, _ in fused.named_children()] == ["0"]
    assert kuai.allclose(fused(x), net(x), atol=1e-5)


def test_shape_prop():
    def shapes(t):
        traced = t.fx.symbolic_trace(t.nn.Sequential(t.nn.Conv2d(1, 2, 3), t.nn.Flatten()))
        t.fx.passes.shape_prop.ShapeProp(traced).propagate(t.ones(2, 1, 4, 4))
        return [str(n.meta["tensor_meta"]) for n in traced.graph.nodes]

    assert shapes(kuai) == shapes(torch)


def test_an_interpreters_error_names_the_node():
    traced = kuai.fx.symbolic_trace(lambda x: kuai.mm(x, x))
    with pytest.raises(RuntimeError, match=r"While executing %mm : .*target=torch.mm"):
        kuai.fx.Interpreter(traced).run(kuai.ones(2, 3))


def test_arguments_of_nodes_do_not_change():
    traced = kuai.fx.symbolic_trace(lambda x: kuai.cat([x, x]))
    (cat,) = traced.graph.find_nodes(op="call_function")
    with pytest.raises(TypeError, match="does not support mutation"):
        cat.args[0].append(1)
    assert traced.graph.output_node().args == (cat,)


def test_code_may_be_transformed():
    traced = kuai.fx.symbolic_trace(lambda x: x + 1)
    with traced.graph.on_generate_code(lambda before: lambda body: ["x = x * 2\n", *body]):
        traced.recompile()
        assert traced(kuai.ones(1)).tolist() == [3]
    traced.recompile()
    assert traced(kuai.ones(1)).tolist() == [2]


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: [part for part in x], "cannot be iterated"),
        (lambda x: 1 in x, "cannot be iterated"),
        (lambda x: x if x > 0 else -x, "control flow"),
        (lambda x: len(x), "'len' is not supported"),
    ],
)
def test_what_cannot_be_traced(function, text):
    for t in (torch, kuai):
        with pytest.raises((t.fx.proxy.TraceError, RuntimeError), match=text):
            t.fx.symbolic_trace(function)


def test_operators_have_names_that_code_can_use():
    graph = kuai.fx.Graph()
    x = graph.placeholder("x", type_expr=kuai.Tensor)
    y = graph.call_function(operator.mul, (x, 3), type_expr=kuai.Tensor)
    graph.output(y, type_expr=kuai.Tensor)
    assert "def forward(self, x : torch.Tensor) -> torch.Tensor:" in graph.python_code().src
    assert kuai.fx.GraphModule({}, graph)(kuai.ones(1)).tolist() == [3]


WRAPPED = """
def scaled(x):
    return x * len(x)

t.fx.wrap("scaled")
t.fx.wrap("len")

def function(x):
    return scaled(x) + len(x) * scaled(x)
"""


def test_wrapped_functions_stay_nodes_when_the_code_is_traced_again():
    codes = []
    for t in (torch, kuai):
        names = {"t": t, "__name__": "program"}
        exec(compile(WRAPPED, "program", "exec"), names)
        traced = t.fx.symbolic_trace(names["function"])
        again = t.fx.symbolic_trace(traced)
        assert again.code == traced.code
        codes.append((again.code, again(t.ones(2)).tolist(), len(again.graph.nodes)))
    assert codes[0] == codes[1]
