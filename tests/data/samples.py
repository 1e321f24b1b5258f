"""Data sets that workers import: this file needs Kuai and nothing else, or they would take long."""

import random

import numpy as np

import kuai
from kuai import data


class Drawn(data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        numbers = random.random(), np.random.random(), kuai.rand(1).item()
        return data.get_worker_info().seed, data.get_worker_info().id, numbers


class Heavy(data.Dataset):
    """Arrays in every shape they may have, large enough for shared memory."""

    def __init__(self):
        self.numbers = np.arange(60_000, dtype=np.float32).reshape(4, 15_000)

    def __len__(self):
        return 4

    def __getitem__(self, i):
        row = self.numbers[i]
        self.numbers[i, 0] = -1  # its copy; and a worker may write into it
        table = row.reshape(50, 300)
        return {
            "columns": np.asfortranarray(table),
            "turned": table.T,
            "every second": table[:, ::2],
            "none": table[:0],
            "number": np.array(i),
            "days": np.array(["2026-01-01"], "datetime64[D]"),
            "objects": np.array([i, "a"], object),
            "half": kuai.tensor(table).bfloat16(),
            "leaf": kuai.ones(2, requires_grad=True),
            "parameter": kuai.nn.Parameter(kuai.ones(2)),
        }


class Point:
    def __init__(self, x):
        self.x = x


class Wide:
    """Rows of 24 kB, each filled with its number: a batch travels in shared memory."""

    def __len__(self):
        return 160

    def __getitem__(self, index):
        return np.full(6000, index, np.float32)
