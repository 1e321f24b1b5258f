"""More import paths that are about things Kuai does not have, by the reason (see
`refused_paths`)."""

__all__ = ["MORE", "REASONS"]

_GRAPHS = "it belongs to PyTorch's compiler", "kuai.compile needs nothing of it"
_QUANTIZED = "XLA has no quantized tensors as PyTorch has them", "Use bfloat16"
_PROCESSES = (
    "Kuai's processes do not exchange tensors",
    "Run one process; XLA divides its work between devices",
)
_LAUNCHER = "PyTorch's launcher starts processes of PyTorch's", "Start one process with `kuai run`"
_PIPES = "PyTorch has left data pipes behind, too", "Use kuai.utils.data.IterableDataset"
_CUDA = "it is about PyTorch's own use of CUDA", "Leave it out, or use kuai.profiler"
_DRAWN = "it draws with pydot", "Use print(module.graph), or module.graph.print_tabular()"
_SCRIPTS = "there is no TorchScript", "Use kuai.export"
_LAYOUTS = "Kuai has no tensors of this layout", "Use padding and a mask, or kuai.sparse"
_INTERNAL = "it belongs to PyTorch's own tests", "Use kuai.testing and unittest"

#: Why, and the names in each module.
MORE: dict[str, tuple[tuple[str, str], str]] = {
    "_awaits": (_GRAPHS, ""),
    "_decomp": (
        _GRAPHS,
        "get_decompositions core_aten_decompositions decomposition_table register_decomposition",
    ),
    "_decomp.decompositions": (_GRAPHS, ""),
    "_dynamo.backends": (_GRAPHS, ""),
    "_dynamo.backends.registry": (_GRAPHS, ""),
    "_dynamo.callback": (_GRAPHS, ""),
    "_dynamo.testing": (_GRAPHS, "CompileCounter"),
    "_dynamo.trace_rules": (_GRAPHS, ""),
    "_dynamo.variables": (_GRAPHS, ""),
    "_export": (_GRAPHS, ""),
    "_functorch.aot_autograd": (_GRAPHS, "aot_function aot_module aot_module_simplified"),
    "_functorch.config": (_GRAPHS, ""),
    "_guards": (_GRAPHS, ""),
    "_inductor.utils": (_GRAPHS, ""),
    "_lazy": (_GRAPHS, ""),
    "_library": (_GRAPHS, ""),
    "_logging": (_GRAPHS, ""),
    "_prims": (_GRAPHS, ""),
    "_refs": (_GRAPHS, ""),
    "_refs.nn.functional": (_GRAPHS, ""),
    "export.experimental": (_GRAPHS, ""),
    "export.graph_signature": (_GRAPHS, "ExportGraphSignature"),
    "export.passes": (_GRAPHS, "move_to_device_pass"),
    "export.unflatten": (_GRAPHS, "unflatten"),
    "fx.experimental.accelerator_partitioner": (_GRAPHS, ""),
    "fx.experimental.const_fold": (_GRAPHS, "split_const_subgraphs"),
    "fx.experimental.graph_gradual_typechecker": (_GRAPHS, ""),
    "fx.experimental.merge_matmul": (_GRAPHS, ""),
    "fx.experimental.meta_tracer": (_GRAPHS, ""),
    "fx.experimental.normalize": (_GRAPHS, "NormalizeArgs NormalizeOperators"),
    "fx.experimental.partitioner_utils": (_GRAPHS, ""),
    "fx.experimental.recording": (_GRAPHS, ""),
    "fx.experimental.rewriter": (_GRAPHS, "RewritingTracer"),
    "fx.experimental.schema_type_annotation": (_GRAPHS, "AnnotateTypesWithSchema"),
    "fx.experimental.sym_node": (_GRAPHS, "SymNode"),
    "fx.experimental.unification": (_GRAPHS, ""),
    "fx.passes.fake_tensor_prop": (_GRAPHS, "FakeTensorProp"),
    "fx.passes.infra.partitioner": (_GRAPHS, "CapabilityBasedPartitioner"),
    "fx.passes.infra.pass_manager": (_GRAPHS, "PassManager"),
    "fx.passes.operator_support": (_GRAPHS, "OperatorSupport OperatorSupportBase"),
    "fx.passes.param_fetch": (_GRAPHS, ""),
    "fx.passes.reinplace": (_GRAPHS, "reinplace"),
    "fx.passes.runtime_assert": (_GRAPHS, ""),
    "fx.passes.split_utils": (_GRAPHS, ""),
    "fx.passes.splitter_base": (_GRAPHS, ""),
    "fx.passes.tools_common": (_GRAPHS, "legalize_graph"),
    "fx.passes.utils": (_GRAPHS, ""),
    "fx.passes.utils.matcher_utils": (_GRAPHS, "SubgraphMatcher"),
    "nn.attention.experimental": (_GRAPHS, ""),
    "nn.attention.varlen": (_GRAPHS, "varlen_attn"),
    "onnx.verification": (_GRAPHS, ""),
    "utils.backend_registration": (
        _GRAPHS,
        "generate_methods_for_privateuse1_backend rename_privateuse1_backend",
    ),
    "ao.nn": (_QUANTIZED, ""),
    "ao.nn.intrinsic": (_QUANTIZED, "ConvBnReLU2d ConvReLU2d LinearReLU"),
    "ao.nn.qat": (_QUANTIZED, "Conv2d Linear"),
    "ao.nn.quantizable": (_QUANTIZED, "LSTM MultiheadAttention"),
    "ao.nn.quantized": (
        _QUANTIZED,
        "Conv1d Conv2d Conv3d DeQuantize Embedding EmbeddingBag FloatFunctional Linear Quantize "
        "ReLU6",
    ),
    "ao.nn.quantized.dynamic": (_QUANTIZED, "GRU LSTM Linear"),
    "ao.ns": (_QUANTIZED, ""),
    "ao.pruning": (_QUANTIZED, "BaseSparsifier WeightNormSparsifier"),
    "ao.quantization.fake_quantize": (_QUANTIZED, "FakeQuantize"),
    "ao.quantization.observer": (
        _QUANTIZED,
        "HistogramObserver MinMaxObserver ObserverBase PerChannelMinMaxObserver",
    ),
    "ao.quantization.qconfig": (_QUANTIZED, "QConfig"),
    "ao.quantization.quantize_fx": (_QUANTIZED, "convert_fx fuse_fx prepare_fx prepare_qat_fx"),
    "jit.quantized": (_QUANTIZED, ""),
    "nn.intrinsic": (_QUANTIZED, "ConvBnReLU2d ConvReLU2d LinearReLU"),
    "nn.qat": (_QUANTIZED, "Conv2d Linear"),
    "nn.quantized": (_QUANTIZED, "Conv1d Conv2d Conv3d Embedding FloatFunctional Linear"),
    "nn.quantized.dynamic": (_QUANTIZED, "GRU LSTM Linear"),
    "quantization.observer": (_QUANTIZED, "HistogramObserver MinMaxObserver ObserverBase"),
    "distributed._shard": (_PROCESSES, ""),
    "distributed._shard.sharded_tensor": (_PROCESSES, "ShardedTensor"),
    "distributed.algorithms.model_averaging": (_PROCESSES, ""),
    "distributed.algorithms.model_averaging.averagers": (
        _PROCESSES,
        "EMAParameterAverager ModelAverager PeriodicModelAverager",
    ),
    "distributed.algorithms.ddp_comm_hooks.post_localSGD_hook": (
        _PROCESSES,
        "PostLocalSGDState post_localSGD_hook",
    ),
    "distributed.algorithms._checkpoint.checkpoint_wrapper": (
        _PROCESSES,
        "ActivationWrapper CheckpointImpl CheckpointWrapper OffloadWrapper "
        "apply_activation_checkpointing checkpoint_wrapper offload_wrapper",
    ),
    "distributed._composable.fsdp": (
        _PROCESSES,
        "CPUOffloadPolicy FSDPModule MixedPrecisionPolicy OffloadPolicy fully_shard",
    ),
    "distributed.checkpoint.optimizer": (_PROCESSES, "load_sharded_optimizer_state_dict"),
    "distributed.checkpoint.format_utils": (
        _PROCESSES,
        "_EmptyStateDictLoadPlanner dcp_to_torch_save torch_save_to_dcp",
    ),
    "distributed.checkpoint.state_dict_loader": (
        _PROCESSES,
        "_load_state_dict load load_state_dict",
    ),
    "distributed.fsdp.api": (
        _PROCESSES,
        "BackwardPrefetch CPUOffload FullOptimStateDictConfig FullStateDictConfig MixedPrecision "
        "OptimStateDictConfig OptimStateKeyType ShardedOptimStateDictConfig "
        "ShardedStateDictConfig ShardingStrategy StateDictConfig StateDictSettings StateDictType",
    ),
    "distributed.fsdp.wrap": (
        _PROCESSES,
        "CustomPolicy ModuleWrapPolicy _or_policy enable_wrap lambda_auto_wrap_policy "
        "size_based_auto_wrap_policy transformer_auto_wrap_policy wrap",
    ),
    "nested._internal": (_LAYOUTS, ""),
    "nested._internal.nested_tensor": (_LAYOUTS, "NestedTensor _tensor_symint_registry"),
    "nested._internal.ops": (_LAYOUTS, "extract_kwargs"),
    "_subclasses.functional_tensor": (
        _GRAPHS,
        "FunctionalTensor FunctionalTensorMode mb_unwrap_functional_tensor",
    ),
    "_subclasses.meta_utils": (_GRAPHS, "MetaConverter is_sparse_any"),
    "distributed.autograd": (_PROCESSES, "backward context get_gradients"),
    "distributed.remote_device": (_PROCESSES, ""),
    "distributed.utils": (_PROCESSES, "_sync_module_states"),
    "distributed.elastic.agent": (_LAUNCHER, ""),
    "distributed.elastic.utils": (_LAUNCHER, ""),
    "distributed.logging_handlers": (_LAUNCHER, ""),
    "distributed.rendezvous": (_LAUNCHER, "register_rendezvous_handler rendezvous"),
    "monitor": (_LAUNCHER, ""),
    "utils.data.datapipes.iter": (
        _PIPES,
        "Batcher Collator Concater Demultiplexer FileLister FileOpener Filter Forker Grouper "
        "IterableWrapper Mapper Multiplexer RoutedDecoder Sampler ShardingFilter Shuffler "
        "StreamReader UnBatcher Zipper",
    ),
    "utils.data.datapipes.iter.callable": (_PIPES, "CollatorIterDataPipe MapperIterDataPipe"),
    "utils.data.datapipes.map": (
        _PIPES,
        "Batcher Concater Mapper SequenceWrapper Shuffler Zipper",
    ),
    "utils.data.datapipes.utils": (_PIPES, ""),
    "utils.data.datapipes.utils.common": (_PIPES, "StreamWrapper"),
    "utils.data.graph": (_PIPES, "traverse traverse_dps"),
    "utils.data.graph_settings": (
        _PIPES,
        "apply_random_seed apply_sharding apply_shuffle_seed apply_shuffle_settings "
        "get_all_graph_pipes",
    ),
    "cuda._memory_viz": (_CUDA, ""),
    "cuda._sanitizer": (_CUDA, ""),
    "cuda.gds": (_CUDA, "GdsFile"),
    "cuda.green_contexts": (_CUDA, "GreenContext"),
    "cuda.jiterator": (_CUDA, ""),
    "cuda.sparse": (_CUDA, ""),
    "cuda.tunable": (_CUDA, "enable is_enabled set_filename tuning_enable"),
    "profiler.itt": (_CUDA, "is_available"),
    "fx.passes.graph_drawer": (_DRAWN, "FxGraphDrawer"),
    "jit.mobile": (_SCRIPTS, ""),
    "utils.bundled_inputs": (_SCRIPTS, "augment_model_with_bundled_inputs"),
    "utils.mobile_optimizer": (_SCRIPTS, "optimize_for_mobile"),
    "utils.throughput_benchmark": (_SCRIPTS, "ThroughputBenchmark"),
    "masked.maskedtensor": (_LAYOUTS, "MaskedTensor"),
    "nested": (
        _LAYOUTS,
        "as_nested_tensor nested_tensor nested_tensor_from_jagged to_padded_tensor",
    ),
    "sparse.semi_structured": (_LAYOUTS, "to_sparse_semi_structured SparseSemiStructuredTensor"),
    "testing._internal": (_INTERNAL, ""),
    "testing._internal.common_utils": (_INTERNAL, "TestCase run_tests"),
}

_PACKED = "PyTorch's packages hold code that is run when they are opened", "Use kuai.save"
_DEVICES = "it is about PyTorch's own use of a device", "Leave it out, or use kuai.profiler"
_ONNX = "kuai.onnx.export writes ONNX without PyTorch's exporter", "Use kuai.onnx.export"
_MASKED = "Kuai has no tensors of this layout", "Use the functions of kuai.masked with mask="
_OWN_TOOLS = "it is about PyTorch's own source or files", "Leave it out"

#: For what stands in `other_paths.txt`: why, by the beginning of a path, the first that fits.
REASONS: dict[str, tuple[str, str]] = {
    "ao.": _QUANTIZED,
    "quantization.": _QUANTIZED,
    "nn.intrinsic.": _QUANTIZED,
    "nn.qat.": _QUANTIZED,
    "nn.quantizable.": _QUANTIZED,
    "nn.quantized.": _QUANTIZED,
    "distributed.elastic.": _LAUNCHER,
    "distributed.run.": _LAUNCHER,
    "distributed.": _PROCESSES,
    "utils.data.": _PIPES,
    "package.": _PACKED,
    "onnx.": _ONNX,
    "masked.": _MASKED,
    "jit.": _SCRIPTS,
    "utils.jit.": _SCRIPTS,
    "accelerator.": _DEVICES,
    "backends.": _DEVICES,
    "cuda.": _DEVICES,
    "mps.": _DEVICES,
    "mtia.": _DEVICES,
    "xpu.": _DEVICES,
    "utils.": _OWN_TOOLS,
    "contrib.": _OWN_TOOLS,
    "nn.backends.": _OWN_TOOLS,
    "": _GRAPHS,
}
