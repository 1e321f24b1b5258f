"""`python -m benchmarks.gpu` is `benchmarks/gpu/run.py`."""

from benchmarks.gpu.run import main

main()
