# Everything a person or a machine does with this repository.
#
#   make train    train LeNet on handwritten digits, from nothing, in one command
#   make test     what the project's checks run: format, lint, types, tests, doctests
#   make test AREA=nn   the tests and doctests of one area only: a folder of tests/
#   make faults   interrupt writers and read beside them many times; the tests do it a few times
#   make stories  every story and long sequences of random changes; the tests take a sample
#   make strangers   run other people's packages on Kuai, and write docs/strangers.md
#   make distributions  every distribution and every pair of them; the tests take a sample
#   make stubs    write the stub files for type checkers anew
#   make pages    write the pages of the API in docs/api/ anew, and draw their curves
#   make signatures   write the tables of PyTorch's signatures and of the types it accepts anew
#   make conformance   PyTorch's own samples through PyTorch and Kuai, all of them: docs/coverage.md
#   make ways     PyTorch's samples eagerly, recorded and replayed: the same values and gradients
#   make derivatives   Kuai's derivatives of PyTorch's samples against finite differences
#   make bench    measure against PyTorch, Flax NNX, Equinox and plain JAX; CASES="mlp layers" a part
#   make profiles where the time of the benchmark's steps goes: docs/profiles.md
#   make scale    how a step grows with depth, width, batch and parameters: docs/scale.svg
#   make clean    remove what was built (the virtual environment stays)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
KERNELS := $(wildcard src/kuai/ops/native/*.cc src/kuai/ops/native/*.h src/kuai/engine/*/*.c)

# Of one area, its tests and the examples in its docstrings; of all, what pyproject.toml says.
AREA_PATHS := $(if $(AREA),$(wildcard tests/$(AREA) src/kuai/$(AREA)))
ifneq ($(AREA),)
ifeq ($(AREA_PATHS),)
$(error there is no area "$(AREA)": AREA is the name of a folder in tests/ or src/kuai/)
endif
endif

.PHONY: train test check faults stories rows strangers distributions stubs pages signatures conformance ways derivatives bench profiles scale wheel clean
.PRECIOUS: $(VENV)/.installed-%

train: $(VENV)/.installed-train
	$(BIN)/kuai train lenet --data digits

test: $(if $(AREA),$(VENV)/.installed-test,check)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS) $(AREA_PATHS)

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

faults: $(VENV)/.installed-test
	KUAI_TEST_FAULTS=100 KUAI_TEST_LOADS=10000 $(BIN)/python -m pytest \
		tests/saving/test_interrupts.py tests/saving/test_beside_a_writer.py \
		tests/engine/test_interrupts.py

stories: $(VENV)/.installed-test
	KUAI_STORIES=all KUAI_CHANGES=100 $(BIN)/python -m pytest -n $(WORKERS) \
		tests/stories tests/engine/test_random_changes.py

rows: $(VENV)/.installed-test
	KUAI_ROWS=all $(BIN)/python -m pytest -n $(WORKERS) tests/test_rows.py

# A virtual environment of their own, without PyTorch, which most of them would install.
strangers: STRANGERS := .cache/strangers
strangers:
	$(PYTHON) -m venv $(STRANGERS)
	$(STRANGERS)/bin/python -m pip install --quiet --editable '.[strangers]'
	$(STRANGERS)/bin/python -m pip install --quiet --no-deps \
		torchvision timm accelerate peft torchmetrics torchdiffeq \
		lightning pytorch-lightning lion-pytorch prodigyopt torch-optimizer pytorch-optimizer \
		pytorch-ranger ema-pytorch skorch segmentation-models-pytorch torch-geometric \
		e3nn opt-einsum-fx d2l sentence-transformers torchaudio kornia kornia-rs lazy-importer \
		pytorch-metric-learning captum torchinfo torchsummary thop ptflops einx open-clip-torch \
		ftfy rotary-embedding-torch vector-quantize-pytorch x-transformers vit-pytorch loguru \
		adabelief-pytorch schedulefree torch-ema piq pytorch-msssim lpips entmax torchsde \
		torchcde pyro-ppl pyro-api gpytorch linear-operator jaxtyping botorch monai pytorch-ignite \
		pytorch-crf openai-whisper demucs ultralytics easyocr stable-baselines3 gymnasium trl \
		tensordict torchrl bitsandbytes denoising-diffusion-pytorch torch-fidelity \
		datasets evaluate fastai fvcore flair spacy-transformers tensorboardX pytorch-tabnet \
		pytorch-forecasting local-attention linformer torchtext dgl optuna pytorch-wavelets \
		performer-pytorch perceiver-pytorch torchdyn PyWavelets
	$(STRANGERS)/bin/python -m tools.strangers_needs
	$(STRANGERS)/bin/python -m tools.strangers

distributions: $(VENV)/.installed-test
	KUAI_DISTRIBUTIONS=all $(BIN)/python -m pytest -n $(WORKERS) tests/distributions tests/masked

stubs: $(VENV)/.installed-test
	$(BIN)/python -m tools.make_stubs

pages: $(VENV)/.installed-test,train
	$(BIN)/python -m tools.make_api_pages

signatures: $(VENV)/.installed-test
	$(BIN)/python -m tools.torch_signatures
	$(BIN)/python -m tools.torch_overloads

conformance: $(VENV)/.installed-test
	$(BIN)/python -m tools.optimizer_conformance
	$(BIN)/python -m tools.conformance
	KUAI_EXAMPLES=all $(BIN)/python -m pytest tests/conformance/test_documented.py

ways: $(VENV)/.installed-test
	$(BIN)/python -m tools.conformance --check ways
	KUAI_ROWS=replayed $(BIN)/python -m pytest -n $(WORKERS) tests/test_rows.py -k compiled

derivatives: $(VENV)/.installed-test
	$(BIN)/python -m tools.conformance --check derivatives

bench: $(VENV)/.installed-test,bench
	$(BIN)/python -m benchmarks $(if $(CASES),--cases $(CASES))

profiles: $(VENV)/.installed-test,bench
	$(BIN)/python -m benchmarks.profiles

scale: $(VENV)/.installed-test,bench
	$(BIN)/python -m benchmarks.scale

# The wheel for this Python, with the kernels: its name says from which glibc on it runs. oneDNN is
# not put into it: it comes as a package of its own.
wheel: $(VENV)/.installed-wheel
	rm -rf build/wheel dist
	KUAI_KERNELS=required $(BIN)/python -m build --wheel --outdir build/wheel
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/auditwheel repair --exclude libdnnl.so.3 \
		--exclude libgomp.so.1 --wheel-dir dist build/wheel/*.whl
	$(BIN)/auditwheel show dist/*.whl

clean:
	rm -rf build dist .cache .ruff_cache src/*.egg-info
	find src tests -name __pycache__ -type d -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras: pip runs only when one of these files is newer than the stamp.
$(VENV)/.installed-%: pyproject.toml setup.py $(KERNELS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
