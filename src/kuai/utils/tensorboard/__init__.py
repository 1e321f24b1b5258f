"""`kuai.utils.tensorboard`: a writer of TensorBoard's files, over the package `tensorboard`.

Without that package the import fails, as PyTorch's does: in this way programs ask for it.
"""

# `tensorboard` is there only for who uses this, and makes its messages when it is imported.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from tensorboard.summary.writer.record_writer import RecordWriter

from kuai.utils.tensorboard.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]
