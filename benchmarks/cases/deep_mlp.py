"""A perceptron of 100 linear layers, batch 32: what every layer adds to a step and to compiling."""

from __future__ import annotations

from benchmarks.cases.mlp import perceptron

CASE = perceptron("deep MLP, 100 layers of 64, batch 32", [20, *[64] * 99, 10], batch=32, lr=0.01)
