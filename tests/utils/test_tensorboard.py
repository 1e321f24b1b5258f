"""What `SummaryWriter` writes, read back: the same protocol buffers as PyTorch's."""

# pyright: reportMissingImports=false

import glob
import io
import os
import pathlib

import numpy as np
import pytest
import torch

import kuai

pytest.importorskip("tensorboard")

LAYOUT = {
    "a": {"lines": ["Multiline", ["x", "y"]]},
    "b": {"between": ["Margin", ["v", "lower", "upper"]]},
}


def numbers(t, *shape):
    return t.from_numpy(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def write_numbers(t, w):
    for step in range(2):
        w.add_scalar("loss", t.tensor(1.0 / (step + 1)), step)
        w.add_scalar("new", step / 2, step, new_style=True)
        w.add_scalar("double", step / 3, step, walltime=5.0, new_style=True, double_precision=True)
    w.add_scalars("both/of", {"one": 1.0, "two": t.tensor(2.0)}, 1)
    for bins in ("tensorflow", "auto", "fd"):
        w.add_histogram(f"h_{bins}", numbers(t, 50), 1, bins=bins, max_bins=16)
    w.add_histogram("p", t.nn.Parameter(numbers(t, 2, 3)), 2)
    w.add_histogram("zeros", t.zeros(5), 2)
    w.add_histogram_raw("raw", 0.0, 2.0, 3, 3.0, 5.0, [1, 2, 3], [1, 1, 1], 1)
    w.add_tensor("flag", t.tensor([True]), 4)


def write_pictures(t, w):
    w.add_image("chw", t.arange(60).reshape(3, 4, 5).float() / 60, 0)
    w.add_image("hw", t.full((4, 5), 0.5), 0, dataformats="HW")
    w.add_image("hwc", np.full((4, 5, 3), 7, np.uint8), 0, dataformats="HWC")
    w.add_image("rgba", t.full((4, 4, 5), 0.2), 0)
    w.add_images("many", t.linspace(0, 1, 9 * 12).reshape(9, 1, 3, 4), 1)
    w.add_image_with_boxes("box", t.full((3, 9, 9), 0.5), t.tensor([[2.0, 2, 6, 6]]), 1)
    w.add_audio("sound", t.sin(t.arange(100.0) / 3), 0, sample_rate=8000)


def write_plugins(t, w):
    w.add_text("words", "*very* good", 0)
    guessed = t.tensor([0.1, 0.9, 0.4, 0.6, 0.8])
    w.add_pr_curve("pr", t.tensor([0, 1, 1, 0, 1]), guessed, 0)
    w.add_pr_curve_raw("raw", [1], [1], [1], [1], [0.5], [0.3], 1, num_thresholds=1)
    w.add_custom_scalars(LAYOUT)
    w.add_custom_scalars_multilinechart(["x"])
    w.add_custom_scalars_marginchart(["a", "b", "c"])
    corners = t.tensor([[[1.0, 1, 1], [-1, -1, 1], [1, -1, -1]]])
    w.add_mesh("mesh", corners, faces=t.tensor([[[0, 1, 2]]]), config_dict={"a": 1})
    w.add_hparams({"lr": 0.1, "on": True, "no": None}, {"loss": 0.2}, run_name="one")
    w.add_hparams({"by": "sgd"}, {"loss": 1}, {"by": ["sgd", "adam"]}, run_name="two")
    points = numbers(t, 3, 2)
    w.add_embedding(points, ["a", "b", "c"], t.full((3, 3, 4, 4), 0.5), 5, "x/y")
    w.add_embedding(points, [["a", 1]] * 3, metadata_header=["name", "number"])


def content(folder):
    """Events and files, by the folder that they lie in."""
    from PIL import Image
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    found = {}
    for path in sorted(glob.glob(f"{folder}/**/*", recursive=True)):
        name = os.path.relpath(path, folder)
        if path.endswith("sprite.png"):
            found[name] = np.asarray(Image.open(path)).tolist()
        elif os.path.isfile(path) and "tfevents" not in name:
            found[name] = pathlib.Path(path).read_text()
        elif os.path.isfile(path):
            said = found.setdefault(os.path.dirname(name), [])
            for raw in RawEventFileLoader(path).Load():
                event = Event.FromString(raw)
                said += [event.step, event.WhichOneof("what"), event.wall_time == 5.0]
                for value in event.summary.value:
                    if value.HasField("image"):
                        pixels = Image.open(io.BytesIO(value.image.encoded_image_string))
                        said.append(np.asarray(pixels).tolist())
                        value.image.encoded_image_string = b""
                    said.append(value)
    return found


@pytest.mark.parametrize("write", [write_numbers, write_pictures, write_plugins])
def test_what_is_written_is_pytorchs(write, tmp_path):
    from torch.utils import tensorboard as theirs

    from kuai.utils import tensorboard as ours

    for t, kind in ((kuai, ours), (torch, theirs)):
        with kind.SummaryWriter(tmp_path / t.__name__, purge_step=1, filename_suffix=".x") as w:
            write(t, w)
    got, wanted = content(tmp_path / "kuai"), content(tmp_path / "torch")
    assert list(got) == list(wanted)
    for name, events in wanted.items():
        assert got[name] == events, name


@pytest.mark.parametrize(
    "write",
    [
        lambda t, w: w.add_scalar("x", t.tensor([1.0, 2.0])),
        lambda t, w: w.add_scalar("x", "abc"),
        lambda t, w: w.add_histogram("x", t.zeros(0)),
        lambda t, w: w.add_image("x", t.zeros(3, 4)),
        lambda t, w: w.add_hparams(1, {}),
        lambda t, w: w.add_hparams({"a": [1]}, {"b": 1}),
        lambda t, w: w.add_embedding(t.zeros(2, 2), metadata=["a"]),
        lambda t, w: w.add_embedding(t.zeros(2)),
        lambda t, w: w.add_audio("x", t.zeros(2, 2)),
    ],
)
def test_what_is_refused_is_refused_as_by_pytorch(write, tmp_path):
    from torch.utils import tensorboard as theirs

    from kuai.utils import tensorboard as ours

    said = []
    for t, kind in ((kuai, ours), (torch, theirs)):
        with kind.SummaryWriter(tmp_path / t.__name__) as w, pytest.raises(Exception) as error:
            write(t, w)
        said.append((error.type, " ".join(str(error.value).split())))
    assert said[0] == said[1]


def test_videos_graphs_and_half_precision(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    from kuai.utils.tensorboard import SummaryWriter

    net = kuai.nn.Sequential(kuai.nn.Linear(3, 4), kuai.nn.ReLU(), kuai.nn.Linear(4, 2))
    writer = SummaryWriter(tmp_path)
    writer.add_video("video", kuai.rand(3, 2, 3, 4, 5))
    writer.add_graph(net, kuai.ones(5, 3))
    writer.add_tensor("half", kuai.tensor([1.5, 2.5]).half())
    writer.close()
    writer.add_tensor("bfloat", kuai.tensor([1.5]).bfloat16())  # begins a file of its own
    writer.close()
    found = EventAccumulator(str(tmp_path)).Reload()
    (video,) = found.Images("video")
    assert (video.height, video.width) == (8, 10)
    graph = found.Graph()
    shapes = {
        node.op: [d.size for d in node.attr["_output_shapes"].list.shape[0].dim]
        for node in graph.node
        if node.attr["_output_shapes"].list.shape
    }
    assert shapes["Linear"] == [5, 2] and shapes["ReLU"] == [5, 4]
    assert make_ndarray(found.Tensors("half")[0].tensor_proto).tolist() == [1.5, 2.5]
    assert make_ndarray(found.Tensors("bfloat")[0].tensor_proto).tolist() == [1.5]
