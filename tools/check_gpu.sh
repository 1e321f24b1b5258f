#!/usr/bin/env bash
# Kuai on a GPU, on a machine without a network: its tests, and a benchmark beside PyTorch and JAX.
#
#   tools/check_gpu.sh                      at most eight minutes; PYTHON=… chooses an interpreter
#   tools/check_gpu.sh --cpu                the same with small sizes on a CPU, to try the script
#   tools/check_gpu.sh --seconds 300        less time for everything
#   tools/check_gpu.sh --only tests         or: --only benchmark [--cases mlp gpt]
#   tools/check_gpu.sh --traces FOLDER      the kernels of every contender as well
#
# Needs Python with jax (for CUDA) and NumPy; torch for the benchmark. Nothing is installed.
# Writes benchmarks/results-gpu.json and the table benchmarks/results-gpu.md; --cpu writes to
# .cache/ instead. The exit status is not zero if a test has failed.
set -u
cd "$(dirname "$0")/.." || exit 2
export PYTHONPATH="src:.${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" -m tools.check_gpu "$@"
