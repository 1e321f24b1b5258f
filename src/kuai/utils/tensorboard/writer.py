"""`SummaryWriter`: scalars, histograms, images and texts for TensorBoard.

The package `tensorboard` writes the files; it is imported when a writer is made.
"""

import datetime
import io
import os
import socket
import time
from typing import Any

import numpy as np

__all__ = ["SummaryWriter"]


class SummaryWriter:
    """Writes what TensorBoard shows into a folder; needs `pip install tensorboard`.

    Args:
        log_dir: the folder; by default `runs/` with the time and the machine's name.
        comment: the end of the default folder's name.
        max_queue, flush_secs: how many entries, and seconds, may wait to be written.
        filename_suffix: the end of the file's name.
    """

    def __init__(
        self, log_dir: Any = None, comment: str = "", purge_step: int | None = None,
        max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = "",
    ):  # fmt: skip
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # pyright: ignore[reportMissingImports]

        now = datetime.datetime.now().strftime("%b%d_%H-%M-%S")
        default = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = str(log_dir or default)
        self._writer = EventFileWriter(self.log_dir, max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def add_scalar(
        self, tag, scalar_value, global_step=None, walltime=None, new_style=False,
        double_precision=False,
    ):  # fmt: skip
        """A number at a step."""
        self._add(tag, global_step, walltime, simple_value=float(scalar_value))

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        """Several numbers at a step, under one name."""
        for tag, number in tag_scalar_dict.items():
            self.add_scalar(f"{main_tag}/{tag}", number, global_step, walltime)

    def add_histogram(
        self, tag, values, global_step=None, bins="auto", walltime=None, max_bins=None
    ):
        """How the elements of a tensor are distributed."""
        from tensorboard.compat.proto.summary_pb2 import HistogramProto  # pyright: ignore[reportMissingImports]

        flat = np.asarray(values, np.float64).reshape(-1)
        counts, limits = np.histogram(flat, bins=64)
        histogram = HistogramProto(
            min=flat.min(), max=flat.max(), num=flat.size, sum=flat.sum(), sum_squares=flat @ flat,
            bucket_limit=limits[1:].tolist(), bucket=counts.tolist(),
        )  # fmt: skip
        self._add(tag, global_step, walltime, histo=histogram)

    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        """A picture: numbers from 0 to 1, or bytes."""
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportMissingImports]

        pixels = np.asarray(img_tensor)
        pixels = pixels if pixels.dtype == np.uint8 else (pixels * 255).clip(0, 255).astype("uint8")
        order = [dataformats.index(axis) for axis in "HWC" if axis in dataformats]
        pixels = pixels.transpose(order)
        pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, format="PNG")
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        image = Summary.Image(
            height=pixels.shape[0], width=pixels.shape[1], colorspace=channels,
            encoded_image_string=stream.getvalue(),
        )  # fmt: skip
        self._add(tag, global_step, walltime, image=image)

    def add_text(self, tag, text_string, global_step=None, walltime=None):
        """A text."""
        from tensorboard.plugins.text.summary_v2 import text_pb  # pyright: ignore[reportMissingImports]

        summary = text_pb(tag, text_string)
        self._write(summary, global_step, walltime)

    def add_hparams(
        self, hparam_dict, metric_dict, hparam_domain_discrete=None, run_name=None, global_step=None
    ):
        """Settings of a run as a text, and its results as numbers."""
        rows = "\n".join(f"|{name}|{value}|" for name, value in hparam_dict.items())
        self.add_text("hparams", f"|name|value|\n|-|-|\n{rows}", global_step)
        for tag, number in metric_dict.items():
            self.add_scalar(tag, number, global_step)

    def _add(self, tag, step, walltime, **content):
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportMissingImports]

        self._write(Summary(value=[Summary.Value(tag=tag, **content)]), step, walltime)

    def _write(self, summary, step, walltime):
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportMissingImports]

        moment = time.time() if walltime is None else walltime
        self._writer.add_event(Event(summary=summary, step=step or 0, wall_time=moment))

    def flush(self) -> None:
        """Write what waits."""
        self._writer.flush()

    def close(self) -> None:
        """Write what waits, and end."""
        self._writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
