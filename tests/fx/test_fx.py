"""`kuai.fx` beside `torch.fx`: the same graphs of the same modules."""

import copy
import operator
import pickle

import pytest
import torch
import torch.fx

import kuai
import kuai.fx

LIBRARIES = pytest.mark.parametrize("t", [torch, kuai], ids=["torch", "kuai"])


def modules_of(t):
    nn = t.nn

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.inner = nn.Sequential(nn.ReLU(), nn.Linear(3, 3))
            self.scale = nn.Parameter(t.ones(3))
            self.register_buffer("shift", t.zeros(3))

        def forward(self, x, flag: bool = True):
            y = self.inner(self.linear(x)) * self.scale + self.shift
            return t.softmax(y, dim=-1) if flag is not None else y

    class Unpacking(nn.Module):
        def forward(self, x):
            b, c = x.shape
            parts = x.view(b, c, 1).permute(0, 2, 1).chunk(2, dim=-1)
            return {"first": parts[0], "all": t.cat([x, x], dim=1)[:, 0:2], "n": x.size(0) - 1}

    class Operators(nn.Module):
        def forward(self, x, *, bias=None):
            y = -x + 2 * x / 3 - (x**2) % 5
            return (y > 0) & ~(y < 1), y @ x.t(), abs(y)

    return {"small": Small, "unpacking": Unpacking, "operators": Operators}


def nn_of(t):
    return t.nn.Sequential(t.nn.ReLU(), t.nn.Softplus())


def rows(graph):
    """The nodes without what is spelled differently: functions by their names."""
    named = lambda target: getattr(target, "__name__", target).removesuffix("_along")  # noqa: E731
    return [(n.op, n.name, named(n.target), str(n.args), str(n.kwargs)) for n in graph.nodes]


@pytest.mark.parametrize("name", ["small", "unpacking", "operators"])
def test_the_same_graph(name):
    graphs = [t.fx.symbolic_trace(modules_of(t)[name]()).graph for t in (torch, kuai)]
    assert rows(graphs[1]) == rows(graphs[0])


@pytest.mark.parametrize("name", ["small", "unpacking"])
def test_the_same_code(name):
    codes = [t.fx.symbolic_trace(modules_of(t)[name]()).code for t in (torch, kuai)]
    assert codes[1].split() == codes[0].split()


@LIBRARIES
def test_a_traced_module_computes_the_same(t):
    net, x = modules_of(t)["small"](), t.rand(2, 4)
    traced = t.fx.symbolic_trace(net)
    expected = net(x).tolist()
    same = [
        traced,
        copy.deepcopy(traced),
        pickle.loads(pickle.dumps(t.fx.symbolic_trace(nn_of(t)))),
    ]
    assert same[0](x).tolist() == same[1](x).tolist() == expected
    assert same[2](x).tolist() == nn_of(t)(x).tolist()
    assert list(traced.state_dict()) == list(same[1].state_dict())
    traced(x).sum().backward()
    assert net.linear.weight.grad is not None  # the parameters are the module's own


@LIBRARIES
def test_a_graph_can_be_changed(t):
    traced = t.fx.symbolic_trace(lambda x: t.relu(x) + 1)
    for node in traced.graph.nodes:
        if node.target is operator.add:
            with traced.graph.inserting_after(node):
                new = traced.graph.call_function(t.neg, (node.args[0],))
            node.replace_all_uses_with(new)
            traced.graph.erase_node(node)
    traced.graph.lint()
    traced.recompile()
    assert traced(t.tensor([-1.0, 2.0])).tolist() == [0.0, -2.0]


@LIBRARIES
def test_dead_nodes_go(t):
    def f(x):
        t.sin(x)
        return x * 2

    traced = t.fx.symbolic_trace(f)
    assert len(list(traced.graph.nodes)) == 4
    assert traced.graph.eliminate_dead_code()
    assert [node.op for node in traced.graph.nodes] == ["placeholder", "call_function", "output"]


@LIBRARIES
def test_a_node_in_use_cannot_be_erased(t):
    graph = t.fx.symbolic_trace(lambda x: x + 1).graph
    with pytest.raises(RuntimeError, match="still had 1 users"):
        graph.erase_node(next(iter(graph.nodes)))


@LIBRARIES
def test_values_cannot_decide(t):
    with pytest.raises(t.fx.proxy.TraceError, match="cannot be used as inputs to control flow"):
        t.fx.symbolic_trace(lambda x: x if x.sum() > 0 else -x)
    with pytest.raises(t.fx.proxy.TraceError, match="Proxy object cannot be iterated"):
        t.fx.symbolic_trace(lambda x: [row for row in x])
    with pytest.raises(RuntimeError, match="'len' is not supported"):
        t.fx.symbolic_trace(lambda x: len(x))


@LIBRARIES
def test_concrete_arguments(t):
    def f(x, double):
        return x * 2 if double else x

    assert t.fx.symbolic_trace(f, {"double": True})(t.ones(1), True).item() == 2


@LIBRARIES
def test_leaves_are_the_tracers_choice(t):
    class Whole(t.fx.Tracer):
        def is_leaf_module(self, m, name):
            return True

    net = modules_of(t)["small"]()
    ops = [n.target for n in Whole().trace(net).nodes if n.op == "call_module"]
    assert ops == ["linear", "inner"]


@LIBRARIES
def test_interpreters_and_transformers(t):
    traced = t.fx.symbolic_trace(lambda x: t.neg(t.sigmoid(x)))

    class Swapping(t.fx.Transformer):
        def call_function(self, target, args, kwargs):
            return super().call_function(t.sin if target is t.sigmoid else target, args, kwargs)

    x = t.ones(2)
    assert t.fx.Interpreter(traced).run(x).tolist() == traced(x).tolist()
    assert Swapping(traced).transform()(x).tolist() == t.neg(t.sin(x)).tolist()


@LIBRARIES
def test_a_graph_by_hand(t):
    graph = t.fx.Graph()
    x = graph.placeholder("x")
    w = graph.get_attr("w")
    graph.output(graph.call_method("mul", (graph.call_module("layer", (x,)), w)))
    made = t.fx.GraphModule({"w": t.ones(1) * 3, "layer": t.nn.ReLU()}, graph)
    assert made(t.tensor([-1.0, 2.0])).tolist() == [0.0, 6.0]
    with pytest.raises(RuntimeError, match="that target was not provided in"):
        t.fx.GraphModule({}, graph)


def test_tracing_leaves_modules_as_they_were():
    call, read = kuai.nn.Module.__call__, kuai.nn.Module.__getattr__
    with pytest.raises(ValueError):
        kuai.fx.symbolic_trace(lambda x: bool(x))
    assert (kuai.nn.Module.__call__, kuai.nn.Module.__getattr__) == (call, read)
    assert not kuai.fx.is_fx_tracing()
