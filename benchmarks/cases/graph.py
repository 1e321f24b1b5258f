"""A graph convolutional network (Kipf and Welling, 2017) by gathering and scattering."""

from __future__ import annotations

import numpy as np

from benchmarks.case import Case, normal


def gcn(name: str, nodes: int, edges: int, inputs: int, hidden: int) -> Case:
    """Two layers; a node's new features are the sum of its neighbours', each scaled by degrees."""
    ends = np.random.default_rng(3).integers(0, nodes, (2, edges))
    degrees = np.bincount(ends[1], minlength=nodes) + 1.0
    scales = 1 / np.sqrt(degrees[ends[0]] * degrees[ends[1]])

    def model(t):
        nn = t.nn

        class Layer(nn.Module):
            def __init__(self, inputs, outputs):
                super().__init__()
                self.linear = nn.Linear(inputs, outputs)

            def forward(self, x, source, target, scale):
                x = self.linear(x)
                return x.index_add(0, target, x[source] * scale)

        class GCN(nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.second = Layer(inputs, hidden), Layer(hidden, 10)
                self.source, self.target = t.tensor(ends[0]), t.tensor(ends[1])
                self.scale = t.tensor(scales[:, None].astype(np.float32))

            def forward(self, x):
                graph = self.source, self.target, self.scale
                return self.second(nn.functional.relu(self.first(x, *graph)), *graph)

        return GCN()

    return Case(name, model, normal(nodes, inputs), lr=0.1)


GCN = gcn("GCN, 2,708 nodes, 10,556 edges, 128-64-10", 2708, 10_556, inputs=128, hidden=64)
