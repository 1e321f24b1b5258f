"""The files that TensorBoard's projector reads: points, their labels, their pictures."""

# `tensorboard` is there only for who uses this, and makes its messages when it is imported.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import math
import os

import numpy as np
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo

from kuai.utils.tensorboard.arrays import make_grid, make_np

__all__ = ["get_embedding_info", "make_mat", "make_sprite", "make_tsv"]


def make_tsv(metadata, save_path, metadata_header=None):
    """The labels, one a line; with a header several, divided by tabs."""
    rows = [str(label) for label in metadata]
    if metadata_header:
        if len(metadata_header) != len(metadata[0]):
            raise AssertionError("len of header must be equal to the number of columns in metadata")
        rows = ["\t".join(map(str, row)) for row in [metadata_header, *metadata]]
    _write(os.path.join(save_path, "metadata.tsv"), rows)


def make_mat(matlist, save_path):
    """The points, one a line."""
    _write(os.path.join(save_path, "tensors.tsv"), ["\t".join(map(str, row)) for row in matlist])


def _write(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")


def make_sprite(label_img, save_path):
    """The pictures of all points as the tiles of one square picture."""
    from PIL import Image

    pictures = make_np(label_img)
    columns = math.ceil(math.sqrt(pictures.shape[0]))
    empty = np.zeros((columns**2 - pictures.shape[0], *pictures.shape[1:]), pictures.dtype)
    grid = make_grid(np.concatenate([pictures, empty]), columns)
    if grid.dtype != np.uint8:
        grid = (grid * 255).clip(0, 255).astype(np.uint8)
    Image.fromarray(grid.transpose(1, 2, 0)).save(os.path.join(save_path, "sprite.png"))


def get_embedding_info(metadata, label_img, subdir, global_step, tag):
    """Where the files of one embedding are, for the projector's list."""
    info = EmbeddingInfo()
    info.tensor_name = f"{tag}:{str(global_step).zfill(5)}"
    info.tensor_path = os.path.join(subdir, "tensors.tsv")
    if metadata is not None:
        info.metadata_path = os.path.join(subdir, "metadata.tsv")
    if label_img is not None:
        info.sprite.image_path = os.path.join(subdir, "sprite.png")
        info.sprite.single_image_dim.extend([label_img.shape[3], label_img.shape[2]])
    return info
