"""PyTorch's own tables of operations, driven through torch and Kuai side by side.

`make conformance` runs them whole and writes `docs/coverage.md`; the tests run a sample.
"""
