"""`SummaryWriter`: what TensorBoard shows, written into a folder.

A `FileWriter` writes one file of events. A `SummaryWriter` has one, and further ones for
`add_scalars`, whose curves are runs of their own to TensorBoard. Both write in a thread that the
package `tensorboard` starts; `close` waits for it, and what is added later begins a new file.
"""

# `tensorboard` is there only for who uses this, and makes its messages when it is imported.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import datetime
import os
import socket
import time
from typing import Any

from google.protobuf import text_format
from tensorboard.compat.proto.event_pb2 import (
    Event,
    SessionLog,
)
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from kuai.utils.tensorboard import embedding, graphs, summary
from kuai.utils.tensorboard.arrays import figure_to_image, make_np

__all__ = ["FileWriter", "SummaryWriter"]


class FileWriter:
    """Writes events into one file.

    Args:
        log_dir: the folder.
        max_queue, flush_secs: how many events, and seconds, may wait to be written.
        filename_suffix: the end of the file's name.
    """

    def __init__(
        self, log_dir: Any, max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = ""
    ):
        self.event_writer = EventFileWriter(str(log_dir), max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return self.event_writer.get_logdir()

    def add_event(self, event, step=None, walltime=None) -> None:
        """An event, with the time and the step that it gets here."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(self, summary, global_step=None, walltime=None) -> None:
        """A summary, as an event."""
        self.add_event(Event(summary=summary), global_step, walltime)

    def add_graph(self, graph_profile, walltime=None) -> None:
        """A network's graph; a pair's second part says nothing here."""
        graph = graph_profile[0] if isinstance(graph_profile, tuple) else graph_profile
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)

    def add_onnx_graph(self, graph, walltime=None) -> None:
        """The graph of an ONNX file."""
        self.add_graph(graph, walltime)

    def flush(self) -> None:
        """Write what waits."""
        self.event_writer.flush()

    def close(self) -> None:
        """Write what waits, and end."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Write on, after `close`."""
        self.event_writer.reopen()


class SummaryWriter:
    """Writes what TensorBoard shows into a folder; needs `pip install tensorboard`.

    Args:
        log_dir: the folder; by default `runs/` with the time and the machine's name.
        comment: the end of the default folder's name.
        purge_step: the step at which a run goes on after a crash; later steps of before are hidden.
        max_queue, flush_secs: how many entries, and seconds, may wait to be written.
        filename_suffix: the end of the files' names.

    Differs from PyTorch: `add_video` needs no moviepy; `add_graph` draws what `fx` reads from the
    module's code; `add_tensor` of half precision writes the right bits.
    """

    def __init__(
        self, log_dir: Any = None, comment: str = "", purge_step: int | None = None,
        max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = "",
    ):  # fmt: skip
        if not log_dir:
            now = datetime.datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = log_dir
        self.purge_step = purge_step
        self.max_queue, self.flush_secs = max_queue, flush_secs
        self.filename_suffix = filename_suffix
        self.file_writer: Any = None
        self.all_writers: Any = None
        self._get_file_writer()
        ends = [1e-12]
        while (end := ends[-1] * 1.1) < 1e20:
            ends.append(end)
        self.default_bins = [-end for end in reversed(ends)] + [0] + ends

    def _get_file_writer(self) -> FileWriter:
        """The writer of the run's own file, a new one after `close`."""
        if self.file_writer is None:
            self.file_writer = self._new_writer(self.log_dir)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                step, self.purge_step = self.purge_step, None
                self.file_writer.add_event(Event(step=step, file_version="brain.Event:2"))
                start = SessionLog(status=SessionLog.START)
                self.file_writer.add_event(Event(step=step, session_log=start))
        return self.file_writer

    def _new_writer(self, folder) -> FileWriter:
        return FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)

    def _add(self, summary, step, walltime) -> None:
        self._get_file_writer().add_summary(summary, step, walltime)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    # Numbers --------------------------------------------------------------------------------------

    def add_hparams(
        self, hparam_dict, metric_dict, hparam_domain_discrete=None, run_name=None, global_step=None
    ):
        """Settings of a run and its results, in a folder of their own below the run's."""
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        told = summary.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self._get_file_writer().get_logdir(), run_name or str(time.time()))
        with SummaryWriter(log_dir=folder) as writer:
            for each in told:
                writer._get_file_writer().add_summary(each, global_step)
            for tag, number in metric_dict.items():
                writer.add_scalar(tag, number, global_step)

    def add_scalar(
        self, tag, scalar_value, global_step=None, walltime=None, new_style=False,
        double_precision=False,
    ):  # fmt: skip
        """A number at a step."""
        made = summary.scalar(
            tag, scalar_value, new_style=new_style, double_precision=double_precision
        )
        self._add(made, global_step, walltime)

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        """Several numbers at a step, as curves in one chart: each is a run of its own."""
        walltime = time.time() if walltime is None else walltime
        folder = self._get_file_writer().get_logdir()
        for tag, number in tag_scalar_dict.items():
            place = f"{folder}/{main_tag.replace('/', '_')}_{tag}"
            if place not in self.all_writers:
                self.all_writers[place] = self._new_writer(place)
            made = summary.scalar(main_tag, number)
            self.all_writers[place].add_summary(made, global_step, walltime)

    def add_tensor(self, tag, tensor, global_step=None, walltime=None):
        """A whole tensor at a step."""
        self._add(summary.tensor_proto(tag, tensor), global_step, walltime)

    def add_histogram(
        self, tag, values, global_step=None, bins="tensorflow", walltime=None, max_bins=None
    ):
        """How the elements of a tensor are distributed.

        Args:
            bins: "tensorflow" for bins that grow by a tenth each, or what `numpy.histogram` takes.
        """
        given = self.default_bins if isinstance(bins, str) and bins == "tensorflow" else bins
        self._add(summary.histogram(tag, values, given, max_bins), global_step, walltime)

    def add_histogram_raw(
        self, tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts,
        global_step=None, walltime=None,
    ):  # fmt: skip
        """A histogram whose buckets, with their upper ends, are known."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError(
                "len(bucket_limits) != len(bucket_counts), see the document of add_histogram_raw."
            )
        made = summary.histogram_raw(
            tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts
        )
        self._add(made, global_step, walltime)

    # Pictures and sounds --------------------------------------------------------------------------

    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        """A picture: numbers from 0 to 1, or bytes."""
        self._add(summary.image(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_images(self, tag, img_tensor, global_step=None, walltime=None, dataformats="NCHW"):
        """Several pictures as one, eight in a row."""
        self._add(summary.image(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_image_with_boxes(
        self, tag, img_tensor, box_tensor, global_step=None, walltime=None, rescale=1,
        dataformats="CHW", labels=None,
    ):  # fmt: skip
        """A picture with boxes (left, top, right, bottom) and their names drawn into it."""
        labels = [labels] if isinstance(labels, str) else labels
        if labels is not None and len(labels) != box_tensor.shape[0]:
            labels = None
        made = summary.image_boxes(
            tag, img_tensor, box_tensor, rescale=rescale, dataformats=dataformats, labels=labels
        )
        self._add(made, global_step, walltime)

    def add_figure(self, tag, figure, global_step=None, close=True, walltime=None):
        """A figure of matplotlib, or several, as a picture."""
        formats = "NCHW" if isinstance(figure, list) else "CHW"
        pixels = figure_to_image(figure, close)
        self.add_image(tag, pixels, global_step, walltime, dataformats=formats)

    def add_video(self, tag, vid_tensor, global_step=None, fps=4, walltime=None):
        """Videos (N, T, C, H, W), side by side: numbers from 0 to 1, or bytes."""
        self._add(summary.video(tag, vid_tensor, fps), global_step, walltime)

    def add_audio(self, tag, snd_tensor, global_step=None, sample_rate=44100, walltime=None):
        """A sound: numbers from -1 to 1."""
        self._add(summary.audio(tag, snd_tensor, sample_rate=sample_rate), global_step, walltime)

    # Texts, graphs, embeddings, curves, meshes ----------------------------------------------------

    def add_text(self, tag, text_string, global_step=None, walltime=None):
        """A text in Markdown."""
        self._add(summary.text(tag, text_string), global_step, walltime)

    def add_onnx_graph(self, prototxt):
        """The graph of an ONNX file."""
        self._get_file_writer().add_onnx_graph(graphs.onnx_graph(prototxt))

    def add_graph(self, model, input_to_model=None, verbose=False, use_strict_trace=True):
        """A network's graph, with the shapes that its results have for an input."""
        self._get_file_writer().add_graph(graphs.graph(model, input_to_model, verbose))

    def add_embedding(
        self, mat, metadata=None, label_img=None, global_step=None, tag="default",
        metadata_header=None,
    ):  # fmt: skip
        """Points (N, D) for the projector, with labels and pictures (N, C, H, H)."""
        points = make_np(mat)
        if points.ndim != 2:
            raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")
        step, place = global_step or 0, self._get_file_writer().get_logdir()
        subdir = os.path.join(str(step).zfill(5), _encoded(tag))
        folder = os.path.join(place, subdir)
        if os.path.isdir(folder):
            print("warning: Embedding dir exists, did you set global_step for add_embedding()?")
        os.makedirs(folder, exist_ok=True)
        if metadata is not None:
            if points.shape[0] != len(metadata):
                raise AssertionError("#labels should equal with #data points")
            embedding.make_tsv(metadata, folder, metadata_header=metadata_header)
        if label_img is not None:
            if points.shape[0] != label_img.shape[0]:
                raise AssertionError("#images should equal with #data points")
            if label_img.shape[2] != label_img.shape[3]:
                raise AssertionError("Image should be square, see tensorflow/tensorboard#670")
            embedding.make_sprite(label_img, folder)
        embedding.make_mat(points.tolist(), folder)
        self._note_embedding(metadata, label_img, subdir, step, tag)

    def _note_embedding(self, metadata, label_img, subdir, step, tag):
        """Write the list of all embeddings of this run anew."""
        if not hasattr(self, "_projector_config"):
            self._projector_config = ProjectorConfig()
        info = embedding.get_embedding_info(metadata, label_img, subdir, step, tag)
        self._projector_config.embeddings.append(info)
        place = os.path.join(self._get_file_writer().get_logdir(), "projector_config.pbtxt")
        with open(place, "w", encoding="utf-8") as file:
            file.write(text_format.MessageToString(self._projector_config))

    def add_pr_curve(
        self, tag, labels, predictions, global_step=None, num_thresholds=127, weights=None,
        walltime=None,
    ):  # fmt: skip
        """Precision and recall of predictions between 0 and 1 of labels that are 0 or 1."""
        labels, predictions = make_np(labels), make_np(predictions)
        made = summary.pr_curve(tag, labels, predictions, num_thresholds, weights)
        self._add(made, global_step, walltime)

    def add_pr_curve_raw(
        self, tag, true_positive_counts, false_positive_counts, true_negative_counts,
        false_negative_counts, precision, recall, global_step=None, num_thresholds=127,
        weights=None, walltime=None,
    ):  # fmt: skip
        """Precision and recall that are known."""
        made = summary.pr_curve_raw(
            tag, true_positive_counts, false_positive_counts, true_negative_counts,
            false_negative_counts, precision, recall, num_thresholds, weights,
        )  # fmt: skip
        self._add(made, global_step, walltime)

    def add_custom_scalars_multilinechart(self, tags, category="default", title="untitled"):
        """One chart for several numbers, by their tags."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(self, tags, category="default", title="untitled"):
        """One chart for a number between two others, by their tags."""
        if len(tags) != 3:
            raise AssertionError("a Margin chart has three tags: value, lower, upper")
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_custom_scalars(self, layout):
        """Charts: {category: {chart: ["Multiline" or "Margin", tags]}}."""
        self._add(summary.custom_scalars(layout), None, None)

    def add_mesh(
        self, tag, vertices, colors=None, faces=None, config_dict=None, global_step=None,
        walltime=None,
    ):  # fmt: skip
        """Points (B, N, 3), with colors, and the triangles (B, M, 3) between them."""
        made = summary.mesh(tag, vertices, colors, faces, config_dict)
        self._add(made, global_step, walltime)

    # The end --------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what waits."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Write what waits, and end; what is added later begins a new file."""
        for writer in (self.all_writers or {}).values():
            writer.flush()
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_val, exc_tb):
        self.close()


def _encoded(name: str) -> str:
    """A tag as the name of a folder."""
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")
