"""What is written, as NumPy arrays: numbers, pictures, videos, figures."""

import numpy as np

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.dtypes import bfloat16

__all__ = ["convert_to_HWC", "figure_to_image", "make_grid", "make_np", "video_frames"]


def make_np(x):
    """A number, a list, an array or a tensor, with a gradient or without, as an array."""
    if isinstance(x, list):
        return np.array(x)
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    if isinstance(x, Tensor):
        return (x.detach().float() if x.dtype == bfloat16 else x.detach()).numpy()
    raise NotImplementedError(f"Got {type(x)}, but expected numpy array or torch tensor.")


def convert_to_HWC(tensor, input_format):
    """A picture, or several side by side, with the channels last and three or four of them."""
    if len(set(input_format)) != len(input_format):
        raise AssertionError(
            "You can not use the same dimension shordhand twice. "
            f"        input_format: {input_format}"
        )
    if len(tensor.shape) != len(input_format):
        raise AssertionError(
            "size of input tensor and input format are different. "
            f"        tensor shape: {tensor.shape}, input_format: {input_format}"
        )
    axes = input_format.upper()
    if len(axes) == 4:
        return make_grid(tensor.transpose([axes.find(c) for c in "NCHW"])).transpose(1, 2, 0)
    if len(axes) == 3:
        picture = tensor.transpose([axes.find(c) for c in "HWC"])
        return np.repeat(picture, 3, 2) if picture.shape[2] == 1 else picture
    if len(axes) == 2:
        return np.stack([tensor.transpose([axes.find(c) for c in "HW"])] * 3, 2)
    return None


def make_grid(I, ncols=8):  # noqa: E741 (PyTorch's name)
    """Pictures (N, 1 or 3, H, W) as one (3, H', W'): `ncols` in a row; the rest is black."""
    if not isinstance(I, np.ndarray):
        raise AssertionError("plugin error, should pass numpy array here")
    pictures = np.repeat(I, 3, 1) if I.shape[1] == 1 else I
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise AssertionError("pictures have to be (N, 1 or 3, H, W)")
    count, _, height, width = pictures.shape
    columns = min(count, ncols)
    rows = -(-count // columns)
    grid = np.zeros((3, rows * height, columns * width), dtype=pictures.dtype)
    for i, picture in enumerate(pictures):
        top, left = i // columns * height, i % columns * width
        grid[:, top : top + height, left : left + width] = picture
    return grid


def figure_to_image(figures, close=True):
    """What a figure of matplotlib, or each of several, looks like: (3, H, W) or (N, 3, H, W)."""
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def drawn(figure):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
        if close:
            pyplot.close(figure)
        return np.moveaxis(pixels, 2, 0)

    return np.stack([drawn(f) for f in figures]) if isinstance(figures, list) else drawn(figures)


def video_frames(videos):
    """Videos (N, T, C, H, W) as the frames (T, H', W', C) of one, side by side."""
    videos = videos / np.float32(255) if videos.dtype == np.uint8 else videos
    count = 1 << (videos.shape[0] - 1).bit_length()
    empty = np.zeros((count - videos.shape[0], *videos.shape[1:]))
    _, time, channels, height, width = videos.shape
    rows = 2 ** ((count.bit_length() - 1) // 2)
    grid = np.concatenate([videos, empty]).reshape(rows, -1, time, channels, height, width)
    return grid.transpose(2, 0, 4, 1, 5, 3).reshape(time, rows * height, -1, channels)
