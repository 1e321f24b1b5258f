# Everything a person or a machine does with this repository.
#
#   make train    train LeNet on handwritten digits, from nothing, in one command
#   make test     what the project's checks run: format, lint, types, tests, doctests
#   make stubs    write the stub files for type checkers anew
#   make signatures   write the table of PyTorch's signatures anew
#   make bench    measure against PyTorch, Flax NNX, Equinox and plain JAX
#   make clean    remove what was built (the virtual environment stays)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
KERNELS := $(wildcard src/kuai/ops/native/*.cc src/kuai/ops/native/*.h)

.PHONY: train test check stubs signatures bench clean
.PRECIOUS: $(VENV)/.installed-%

train: $(VENV)/.installed-train
	$(BIN)/kuai train lenet --data digits

test: check
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

stubs: $(VENV)/.installed-test
	$(BIN)/python -m tools.make_stubs

signatures: $(VENV)/.installed-test
	$(BIN)/python -m tools.torch_signatures

bench: $(VENV)/.installed-test,bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf build dist .cache .ruff_cache src/*.egg-info
	find src tests -name __pycache__ -type d -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras: pip runs only when one of these files is newer than the stamp.
$(VENV)/.installed-%: pyproject.toml setup.py $(KERNELS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
