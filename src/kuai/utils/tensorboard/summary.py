"""What TensorBoard shows, as its protocol buffers: one function a kind.

The names and arguments are those of `torch.utils.tensorboard.summary`; the layouts are what
TensorBoard's plugins read.
"""

# `tensorboard` is there only for who uses this, and makes its messages when it is imported.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import io
import json
import wave
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import (
    HistogramProto,
    Summary,
    SummaryMetadata,
)
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.util.tensor_util import make_tensor_proto

from kuai.utils.tensorboard.arrays import convert_to_HWC, make_np, video_frames
from kuai.utils.tensorboard.hyperparameters import hparams

__all__ = [
    "audio",
    "compute_curve",
    "custom_scalars",
    "draw_boxes",
    "histogram",
    "histogram_raw",
    "hparams",
    "image",
    "image_boxes",
    "make_histogram",
    "make_image",
    "make_video",
    "mesh",
    "pr_curve",
    "pr_curve_raw",
    "scalar",
    "tensor_proto",
    "text",
    "video",
]

_FEWEST = 1e-7  # what counts are divided by at least


def _metadata(plugin, content=b""):
    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return SummaryMetadata(plugin_data=data)


def _one(tag, **value):
    return Summary(value=[Summary.Value(tag=tag, **value)])


# Numbers ------------------------------------------------------------------------------------------


def scalar(name, tensor, collections=None, new_style=False, double_precision=False):
    """A number."""
    number = make_np(tensor).squeeze()
    if number.ndim:
        raise AssertionError(
            "Tensor should contain one element (0 dimensions). "
            f"            Was given size: {number.size} and {number.ndim} dimensions."
        )
    number = float(number)
    if not new_style:
        return _one(name, simple_value=number)
    content = {"double_val": [number]} if double_precision else {"float_val": [number]}
    proto = TensorProto(dtype="DT_DOUBLE" if double_precision else "DT_FLOAT", **content)
    return _one(name, tensor=proto, metadata=_metadata("scalars"))


def tensor_proto(tag, tensor):
    """A whole tensor."""
    proto = make_tensor_proto(make_np(tensor))
    return _one(tag, tensor=proto, metadata=_metadata("tensor"))


def histogram_raw(name, min, max, num, sum, sum_squares, bucket_limits, bucket_counts):
    """A histogram whose buckets are known."""
    histo = HistogramProto(
        min=min, max=max, num=num, sum=sum, sum_squares=sum_squares,
        bucket_limit=bucket_limits, bucket=bucket_counts,
    )  # fmt: skip
    return _one(name, histo=histo)


def histogram(name, values, bins, max_bins=None):
    """How the elements of a tensor are distributed."""
    found = make_histogram(make_np(values).astype(float), bins, max_bins)
    return _one(name, histo=found)


def make_histogram(values, bins, max_bins=None):
    """The counts of NumPy's bins, from the first bin that is not empty to the last."""
    if values.size == 0:
        raise ValueError("The input has no element.")
    values = values.reshape(-1)
    counts, limits = np.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        counts, limits = _joined(counts, limits, len(counts) // max_bins)
    filled = np.flatnonzero(counts)
    if not filled.size:
        raise ValueError("The histogram is empty, please file a bug report.")
    first, last = filled[0], filled[-1]
    # Each limit is the upper end of its bucket; the first is empty and says where the next begins.
    before = counts[first - 1 : first] if first else [0]
    return HistogramProto(
        min=values.min(), max=values.max(), num=len(values), sum=values.sum(),
        sum_squares=values.dot(values), bucket_limit=limits[first : last + 2].tolist(),
        bucket=[*before, *counts[first : last + 1].tolist()],
    )  # fmt: skip


def _joined(counts, limits, by):
    """Histograms with wider bins: `by` of the old ones each."""
    padded = np.pad(counts, (0, -len(counts) % by))
    return padded.reshape(-1, by).sum(1), np.append(limits[:-1][::by], limits[-1])


# Pictures and sounds ------------------------------------------------------------------------------


def _bytes_of(pixels):
    """Pixels from 0 to 255; other numbers than bytes go from 0 to 1."""
    scale = 1 if pixels.dtype == np.uint8 else 255
    return (pixels.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)


def image(tag, tensor, rescale=1, dataformats="NCHW"):
    """A picture, or several as one."""
    pixels = _bytes_of(convert_to_HWC(make_np(tensor), dataformats))
    return _one(tag, image=make_image(pixels, rescale=rescale))


def image_boxes(
    tag, tensor_image, tensor_boxes, rescale=1, dataformats="CHW", labels=None
):  # fmt: skip
    """A picture with boxes (left, top, right, bottom), in pixels, drawn into it."""
    pixels = _bytes_of(convert_to_HWC(make_np(tensor_image), dataformats))
    boxes = make_np(tensor_boxes)
    return _one(tag, image=make_image(pixels, rescale=rescale, rois=boxes, labels=labels))


def draw_boxes(disp_image, boxes, labels=None):
    """Draw red boxes, with their names below, into a picture of PIL."""
    from PIL import ImageDraw, ImageFont

    draw, font = ImageDraw.Draw(disp_image), ImageFont.load_default()
    for i, (left, top, right, bottom) in enumerate(boxes[:, :4].tolist()):
        corners = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
        draw.line(corners, width=2, fill="Red")
        if labels:
            _, _, *size = font.getbbox(labels[i])
            margin = np.ceil(0.05 * size[1])
            over = [
                (left, bottom - size[1] - 2 * margin),
                (left + size[0], bottom),
            ]
            draw.rectangle(over, fill="Red")
            draw.text((left + margin, bottom - size[1] - margin), labels[i], "Black", font=font)
    return disp_image


def make_image(tensor, rescale=1, rois=None, labels=None):
    """Bytes (H, W, C) as a PNG file."""
    from PIL import Image

    height, width, channels = tensor.shape
    picture = Image.fromarray(tensor)
    if rois is not None:
        picture = draw_boxes(picture, rois, labels=labels)
    if rescale != 1:
        size = int(width * rescale), int(height * rescale)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return Summary.Image(
        height=picture.height, width=picture.width, colorspace=channels,
        encoded_image_string=file.getvalue(),
    )  # fmt: skip


def video(tag, tensor, fps=4):
    """Videos (N, T, C, H, W), side by side, as one that repeats."""
    frames = video_frames(make_np(tensor))
    scale = 1 if frames.max() > 1 else 255  # bytes have been divided already
    return _one(tag, image=make_video((frames * scale).clip(0, 255).astype(np.uint8), fps))


def make_video(tensor, fps):
    """Frames (T, H, W, C) of bytes as a GIF file."""
    from PIL import Image

    _, height, width, channels = tensor.shape
    first, *rest = [Image.fromarray(np.repeat(f, 3, 2) if channels == 1 else f) for f in tensor]
    file = io.BytesIO()
    first.save(file, format="GIF", save_all=True, append_images=rest, duration=1000 / fps, loop=0)
    return Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=file.getvalue()
    )


def audio(tag, tensor, sample_rate=44100):
    """A sound: numbers from -1 to 1."""
    sound = make_np(tensor)
    if abs(sound).max() > 1:
        print("warning: audio amplitude out of range, auto clipped.")
        sound = sound.clip(-1, 1)
    if sound.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(sample_rate)
        written.writeframes((sound * np.iinfo(np.int16).max).astype("<i2").tobytes())
    proto = Summary.Audio(
        sample_rate=sample_rate, num_channels=1, length_frames=len(sound),
        encoded_audio_string=file.getvalue(), content_type="audio/wav",
    )  # fmt: skip
    return _one(tag, audio=proto)


# Texts, layouts, curves, meshes -------------------------------------------------------------------


def _strings(*texts, shape):
    return TensorProto(dtype="DT_STRING", string_val=texts, tensor_shape=shape)


def text(tag, text):
    """A text in Markdown."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    proto = _strings(text.encode("utf-8"), shape=shape)
    return _one(f"{tag}/text_summary", tensor=proto, metadata=_metadata("text"))


def custom_scalars(layout):
    """Which numbers one chart shows: {category: {chart: ["Multiline" or "Margin", tags]}}."""
    from tensorboard.plugins.custom_scalar import (
        layout_pb2,
    )

    def chart(title, kind, tags):
        if kind != "Margin":
            lines = layout_pb2.MultilineChartContent(tag=tags)
            return layout_pb2.Chart(title=title, multiline=lines)
        if len(tags) != 3:
            raise AssertionError("a Margin chart has three tags: value, lower, upper")
        value, lower, upper = tags
        series = layout_pb2.MarginChartContent.Series(value=value, lower=lower, upper=upper)
        return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series]))

    categories = [
        layout_pb2.Category(
            title=title, chart=[chart(name, *each) for name, each in charts.items()]
        )
        for title, charts in layout.items()
    ]
    content = layout_pb2.Layout(category=categories).SerializeToString()
    proto = _strings(content, shape=TensorShapeProto())
    return _one("custom_scalars__config__", tensor=proto, metadata=_metadata("custom_scalars"))


def pr_curve_raw(tag, tp, fp, tn, fn, precision, recall, num_thresholds=127, weights=None):
    """Precision and recall at thresholds from 0 to 1."""
    return _curve(tag, np.stack((tp, fp, tn, fn, precision, recall)), min(num_thresholds, 127))


def pr_curve(tag, labels, predictions, num_thresholds=127, weights=None):
    """Precision and recall of predictions between 0 and 1 of labels that are 0 or 1."""
    count = min(num_thresholds, 127)
    found = compute_curve(labels, predictions, num_thresholds=count, weights=weights)
    return _curve(tag, found, count)


def _curve(tag, values, count):
    from tensorboard.plugins.pr_curve.plugin_data_pb2 import (
        PrCurvePluginData,
    )

    content = PrCurvePluginData(version=0, num_thresholds=count).SerializeToString()
    dims = [TensorShapeProto.Dim(size=n) for n in values.shape]
    proto = TensorProto(
        dtype="DT_FLOAT",
        float_val=values.reshape(-1).tolist(),
        tensor_shape=TensorShapeProto(dim=dims),
    )
    return _one(tag, tensor=proto, metadata=_metadata("pr_curves", content))


def compute_curve(labels, predictions, num_thresholds: Any = None, weights=None):
    """True and false positives, true and false negatives, precision, recall at each threshold."""
    weights = 1.0 if weights is None else weights
    buckets = np.int32(np.floor(predictions * (num_thresholds - 1)))
    true = labels.astype(float)

    def at_least(weight):
        over = (0, num_thresholds - 1)
        counts, _ = np.histogram(buckets, bins=num_thresholds, range=over, weights=weight)
        return np.cumsum(counts[::-1])[::-1]

    tp, fp = at_least(true * weights), at_least((1.0 - true) * weights)
    tn, fn = fp[0] - fp, tp[0] - tp
    precision, recall = tp / np.maximum(_FEWEST, tp + fp), tp / np.maximum(_FEWEST, tp + fn)
    return np.stack((tp, fp, tn, fn, precision, recall))


def mesh(tag, vertices, colors, faces, config_dict, display_name=None, description=None):
    """A surface of triangles, or a cloud of points, in three dimensions."""
    from tensorboard.plugins.mesh import metadata
    from tensorboard.plugins.mesh.plugin_data_pb2 import (
        MeshPluginData,
    )

    given = [
        (vertices, MeshPluginData.VERTEX),
        (faces, MeshPluginData.FACE),
        (colors, MeshPluginData.COLOR),
    ]
    given = [(make_np(tensor), kind) for tensor, kind in given if tensor is not None]
    parts = metadata.get_components_bitmask([kind for _, kind in given])
    values = []
    for array, kind in given:
        about = metadata.create_summary_metadata(
            tag, display_name, kind, parts, array.shape, description,
            json_config=json.dumps({} if config_dict is None else config_dict, sort_keys=True),
        )  # fmt: skip
        dims = [TensorShapeProto.Dim(size=n) for n in array.shape]
        proto = TensorProto(
            dtype="DT_FLOAT",
            float_val=array.reshape(-1).tolist(),
            tensor_shape=TensorShapeProto(dim=dims),
        )
        name = metadata.get_instance_name(tag, kind)
        values.append(Summary.Value(tag=name, tensor=proto, metadata=about))
    return Summary(value=values)
