"""What is left out of the comparison, and why: by patterns of names."""

import re

#: A reason, and the patterns of the names it is for.
REASONS = {
    "operators of the ATen library, called by `torch.ops` or by a name with an underscore in "
    "front: no public names": [
        r"torch\.",
        r"_(?!_|segment_reduce)",
        r"slice( |$)",
        r"native_",
        r"max_pool2d_with_indices_backward",
        r"grid_sampler_[23]d",
    ],
    "sparse layouts, which have tests of their own beside PyTorch": [r"sparse\.", r"to_sparse"],
    "CUDA kernels given as C++ text": [r"jiterator"],
    "kernels of one compiler for GPUs": [r"bmm \(triton_optimized\)"],
    "complex numbers of half precision: JAX has none": [r"chalf"],
    "the samples are windows on memory that does not begin with them; arrays have no such memory": [
        r"as_strided \(partial_views\)"
    ],
}


#: Public names of PyTorch's that do not exist, by what they are for.
NAMES = {
    "sparse layouts in blocks": "`sparse_bsr_tensor`, `sparse_bsc_tensor`, "
    "`sparse_compressed_tensor`, `Tensor.to_sparse_bsr`, `to_sparse_bsc`, "
    "`sparse.to_sparse_semi_structured`, `sparse.as_sparse_gradcheck`",
    "quantised numbers": "`quantize_per_tensor`, `q_scale`, `quint8`, "
    "…, `int_repr`, `fbgemm_…`, `nn.quantized`, `nn.qat`, `nn.intrinsic`",
    "ragged and masked tensors, prototypes in PyTorch": "`torch.nested`, `masked.masked_tensor`, "
    "`Tensor.to_padded_tensor`",
    "TorchScript's compiler": "`Graph`, `Node`, `CompilationUnit`, the types (`ListType`, …), "
    "`parse_ir`, `import_ir_module`, `jit.fork`, `torch.package`",
    "kernels of one device, under its name": "`cudnn_…`, `miopen_…`, `mkldnn_…`, "
    "`batch_norm_stats` and its relatives, `scaled_mm`, `cuda.nccl`, `cuda.tunable`, `MemPool`, "
    "`nn.attention.register_flash_attention_impl` and its relatives, `nn.attention.varlen`",
    "dtypes of less than 8 bits or without arithmetic": "`int1` to `int7`, `uint1` to `uint7`, "
    "`bits8`, …, `complex32`",
    "addresses that may be written to": "`Tensor.const_data_ptr`, `Tensor._cdata`",
    "passes, partitioners and tracebacks of PyTorch's compiler": "`fx.passes.…`, `fx.traceback`, "
    "`fx.operator_schemas`, `fx.tensor_type`, `compiler.config`, `nativert`, "
    "`autograd.graph.region_activation_memory_budget`",
    "TorchScript's front end, and tools around its files": "`jit.frontend`, `jit.quantized`, "
    "`utils.mobile_optimizer`, `utils.bundled_inputs`, `utils.model_dump`, `utils.show_pickle`",
    "devices that XLA does not run on, and counters of a GPU's driver": "most of `torch.xpu`, "
    "`torch.mtia`, `torch.mps`; `cuda.utilization`, "
    "`temperature`, `power_draw`, `memory_snapshot`, …",
    "an optimizer's step as a function of lists": "that of SGD, Adam and AdamW exists; the others' "
    "(`optim.rmsprop.rmsprop`, …) do not",
    "what PyTorch's own tests look for in generated code": "`testing.FileCheck`",
    "what looks into PyTorch's dispatcher or its build": "`library.get_kernel`, "
    "`cpu.get_capabilities`, `utils.ThroughputBenchmark`, `utils.rename_privateuse1_backend`",
    "data pipes": "`utils.data.datapipes.…`",
    "several processes' machinery": "`distributed`'s stores, launchers and options, `monitor`",
    "names that PyTorch's modules only happen to hold": "what they import (`typing`, `torch`, `F`)",
}


#: Where an example of PyTorch's documentation gives something else here, by reason.
EXAMPLES = {
    "what is left out above": "sparse tensors in blocks, quantised, ragged and masked tensors, "
    "`make_fx`, `FakeTensorMode`, TorchScript",
    "arrays have no strides and no lazy bits": "`stride` and `dim_order` of channels last, "
    "`empty_strided`, `empty_permuted`, `is_conj`, `is_neg`",
    "memory is not shared": "`as_tensor`, `asarray`, `from_numpy`, `frombuffer`, `from_dlpack` of "
    "what is written to later",
    "equal elements may be named in another order": "`sort` without `stable=True`",
    "what nobody has written is 0": "`new_empty`, `new_empty_strided`, `skip_init`",
    "XLA decides": "`set_flush_denormal`, `use_deterministic_algorithms`: no operation is refused",
    "a sign of zero": "`ifft` of a symmetric signal",
    "how functions are told of": "`overrides.get_testing_overrides`, `get_ignored_functions`",
    "values are written anyway": "`serialization.skip_data`",
}


def reason(name: str) -> str | None:
    """Why an entry is left out, or None if it is counted."""
    for text, patterns in REASONS.items():
        if any(re.match(pattern, name) for pattern in patterns):
            return text
    return None


#: What differs on purpose, by patterns of names and of checks: see docs/differences.md.
MEANT = {
    "the gradient of what stays, not of what is replaced": ("as_strided_scatter", "gradients"),
    "elements at one place are added by forward mode, as the backward pass reads each of them": (
        r"nn.functional.max_unpool\dd",
        "forward",
    ),
    "half precision is computed in float32; PyTorch's overflows": (
        "matrix_exp|linalg.matrix_exp",
        "bfloat16|float16",
    ),
    "in float32 it does not overflow on the way": ("nn.functional.soft_margin_loss", "float16"),
    "its places are computed in float32": ("nn.functional.grid_sample", "bfloat16|float16"),
    "bins are found in float32": ("histc", "bfloat16|float16"),
    "complex32 is complex64": ("complex|view_as_complex", "float16"),
    "small whole numbers stay what they are": ("einsum", "int32|uint8"),
    "of complex numbers by their largest; PyTorch's gradient is nan": (
        "renorm",
        "gradients complex64",
    ),
}


def meant(name: str, check: str) -> str | None:
    """Why a check of an entry differs on purpose, or None if it should not."""
    for text, (names, checks) in MEANT.items():
        if re.fullmatch(names, name) and re.match(checks, check):
            return text
    return None
