"""`kuai.export` to ONNX, run by onnxruntime."""

import subprocess
import sys

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import kuai
from kuai import nn
from kuai.errors import ExportError
from kuai.saving.exports.onnx_graph import tidy
from kuai.vision.models import LeNet, resnet18
from tests.saving.test_exports import Encoder, leaves

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter's libraries


def run(path, *arrays):
    session = onnxruntime.InferenceSession(path)
    names = [found.name for found in session.get_inputs()]
    return session.run(None, dict(zip(names, arrays, strict=True)))


def check(net, path, *inputs):
    """What onnxruntime finds is what Kuai finds; returns the model."""
    found = run(path, *(tensor.numpy() for tensor in inputs))
    for ours, theirs in zip(found, leaves(net(*inputs)), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)
    return onnx.load(path)


def kinds(model):
    return [node.op_type for node in model.graph.node]


def sizes(value):
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_lenet(tmp_path):
    net, path = LeNet().eval(), tmp_path / "lenet.onnx"
    kuai.export(net, kuai.rand(2, 1, 28, 28), path)
    for batch in (1, 3):
        model = check(net, path, kuai.rand(batch, 1, 28, 28))
    assert sizes(model.graph.input[0]) == ["batch", 1, 28, 28]
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["x", "output"]
    found = kinds(model)
    assert [found.count(kind) for kind in ("Conv", "MaxPool", "Relu", "Gemm")] == [2, 2, 4, 3]
    assert not set(found) & {"Expand", "Where", "Slice"}
    assert set(net.state_dict()) <= {one.name for one in model.graph.initializer}
    elements = sum(np.prod(one.dims) for one in model.graph.initializer)
    assert elements < 1.01 * sum(one.numel() for one in net.parameters())


def test_resnet(tmp_path):
    net, path = resnet18(num_classes=5).eval(), tmp_path / "resnet.onnx"
    kuai.export(net, kuai.rand(1, 3, 32, 32), path)
    model = check(net, path, kuai.rand(3, 3, 32, 32))
    found = kinds(model)
    assert [found.count(kind) for kind in ("Conv", "MaxPool", "Relu", "Expand")] == [21, 1, 17, 0]


def test_lstm_with_open_batch_and_time(tmp_path):
    net, path = nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True), tmp_path / "lstm.onnx"
    kuai.export(net, kuai.rand(2, 3, 4), path, dynamic_shapes={"input": {0: "batch", 1: "time"}})
    for shape in ((1, 3, 4), (3, 6, 4)):
        model = check(net, path, kuai.rand(*shape))
    assert sizes(model.graph.input[0]) == ["batch", "time", 4]
    assert [o.name for o in model.graph.output] == ["output_0", "output_1_0", "output_1_1"]


def test_transformer_with_integer_inputs_and_tied_weights(tmp_path):
    net, path = Encoder().eval(), tmp_path / "encoder.onnx"
    kuai.export(net, kuai.randint(0, 11, (2, 6)), path)
    for batch in (1, 3):
        model = check(net, path, kuai.randint(0, 11, (batch, 6)))
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT64
    shapes = [tuple(one.dims) for one in model.graph.initializer]
    assert shapes.count((11, 8)) == 1


def test_doubles_and_several_inputs(tmp_path):
    net, path = nn.Bilinear(3, 4, 2).double(), tmp_path / "net.onnx"
    example = kuai.rand(2, 3).double(), kuai.rand(2, 4).double()
    kuai.export(net, example, path, input_names=["left", "right"], output_names=["score"])
    model = check(net, path, *example)
    assert [v.name for v in (*model.graph.input, *model.graph.output)] == ["left", "right", "score"]


def test_pooling_and_interpolation(tmp_path):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, groups=1, stride=2), nn.AvgPool2d(2), nn.Upsample(scale_factor=2)
    )
    kuai.export(net, kuai.rand(2, 3, 16, 16), tmp_path / "net.onnx")
    check(net, tmp_path / "net.onnx", kuai.rand(3, 3, 16, 16))


def test_branches_and_loops(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            x = kuai.cond(x.sum() > 0, self.layer, lambda x: -x, (x,))
            start = kuai.zeros((), dtype=kuai.int64), x
            return kuai.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, self.layer(x)), start)[
                1
            ]

    net, path = Net(), tmp_path / "net.onnx"
    kuai.export(net, kuai.rand(2, 3), path)
    check(net, path, kuai.rand(4, 3))
    model = check(net, path, -kuai.rand(4, 3))
    assert {"If", "Loop"} <= set(kinds(model))


def test_nothing_is_left_switched(tmp_path):
    net, path = nn.Linear(3, 2), tmp_path / "net.onnx"
    kuai.export(net, kuai.rand(2, 3), path)
    first = path.read_bytes()
    assert jax.config.jax_enable_x64
    assert kuai.arange(3).dtype == kuai.int64
    assert net(kuai.rand(5, 3)).shape == (5, 2)
    kuai.export(net, kuai.rand(2, 3), path)
    assert path.read_bytes() == first
    assert b".py" not in first  # no file names of this machine


def test_the_interface_of_pytorch(tmp_path):
    net, path = nn.Linear(3, 2), tmp_path / "net.onnx"
    kuai.onnx.export(net, (kuai.rand(2, 3),), path, input_names=["x"], dynamic_axes={"x": [0]})
    model = check(net, path, kuai.rand(5, 3))
    assert sizes(model.graph.input[0]) == ["input_0", 3]
    kuai.onnx.export(net, kuai.rand(2, 3), path, opset_version=21)
    model = check(net, path, kuai.rand(2, 3))
    assert sizes(model.graph.input[0]) == [2, 3]
    assert model.opset_import[0].version == 21
    with pytest.raises(ExportError, match="ends in .onnx, not to None"):
        kuai.onnx.export(net, kuai.rand(2, 3))
    with pytest.raises(ExportError, match="evaluation mode only"):
        kuai.onnx.export(net, kuai.rand(2, 3), path, training=True)


def test_what_onnx_cannot_hold_is_explained(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    with pytest.raises(ExportError, match="bfloat16, which the ONNX exporter does not keep"):
        kuai.export(nn.Linear(3, 2).bfloat16(), kuai.rand(2, 3).bfloat16(), path)
    with pytest.raises(ValueError, match="1 results need 1 different names"):
        kuai.export(nn.Linear(3, 2), kuai.rand(2, 3), path, output_names=["a", "b"])
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(ExportError, match=r"pip install 'kuai-nn\[onnx\]'"):
        kuai.export(nn.Linear(3, 2), kuai.rand(2, 3), path)
    assert not list(tmp_path.iterdir())


def test_import_kuai_imports_no_exporter():
    program = "import kuai, sys; assert not {'jax2onnx', 'onnx', 'flax'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_graph_of_another_pattern_is_left_alone():
    """An Expand whose size matters stays."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Expand", ["x", "shape"], ["wide"]),
        helper.make_node("Add", ["wide", "y"], ["sum"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [value("x", TensorProto.FLOAT, [1, 3]), value("y", TensorProto.FLOAT, [1, 3])],
        [value("sum", TensorProto.FLOAT, [4, 3])],
        [helper.make_tensor("shape", TensorProto.INT64, [2], [4, 3])],
    )
    tidy(graph)
    assert [node.op_type for node in graph.node] == ["Expand", "Add"]
