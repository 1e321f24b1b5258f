"""PyTorch's import path for `kuai.data`."""

from kuai.data import BatchSampler as BatchSampler
from kuai.data import DataLoader as DataLoader
from kuai.data import Dataset as Dataset
from kuai.data import RandomSampler as RandomSampler
from kuai.data import Sampler as Sampler
from kuai.data import SequentialSampler as SequentialSampler
from kuai.data import TensorDataset as TensorDataset
from kuai.data import default_collate as default_collate
