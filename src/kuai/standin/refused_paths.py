"""Import paths that packages mention, and that are about things Kuai does not have.

They can be imported where `torch` is Kuai; what stands in them raises an error at use. Tables say
which names: a package that asks whether a name is there gets the right answer for others. Here
stands what packages were seen to ask for, each with its reason, and in `other_paths.txt` all else
that PyTorch has (see `tools/torch_paths.py`), with the reason for what it is a part of.
"""

import functools
import pathlib
import types
from collections.abc import Callable
from typing import Any

from kuai.standin.more_refused_paths import MORE, REASONS
from kuai.standin.refusing import refused, refused_class
from kuai.utils.data import bases_of_pipes

__all__ = ["has", "module_of"]

_PROCESSES = (
    "Kuai's processes do not exchange tensors",
    "Run one process; XLA divides the work of one program between several devices",
)
_LAUNCHER = "PyTorch's launcher starts processes of PyTorch's", "Start one process with `kuai run`"
_GRAPHS = "it belongs to PyTorch's compiler", "kuai.compile needs nothing of it"
_PIPES = "PyTorch has left data pipes behind, too", "Use kuai.utils.data.IterableDataset"
_OWN_TESTS = "it belongs to PyTorch's tests of itself", "Use torch.testing.assert_close"
_QUANTIZED = "XLA has no quantized tensors as PyTorch has them", "Use bfloat16"

_TABLE = {
    "_dynamo._trace_wrapped_higher_order_op": (_GRAPHS, "TransformGetItemToIndex"),
    "_subclasses": (_GRAPHS, ""),
    "_subclasses.fake_tensor": (_GRAPHS, "FakeTensor FakeTensorMode"),
    "_inductor": (_GRAPHS, ""),
    "_inductor.config": (_GRAPHS, ""),
    "ao.quantization.fx": (_QUANTIZED, ""),
    "ao.quantization.fx._decomposed": (_QUANTIZED, ""),
    "distributed._composable": (_PROCESSES, ""),
    "distributed._composable.fsdp": (_PROCESSES, "fully_shard"),
    "distributed._functional_collectives": (
        _PROCESSES,
        "all_to_all_single_autograd wait_tensor all_reduce all_gather_tensor",
    ),
    "distributed._tensor": (_PROCESSES, "DTensor"),
    "distributed._tensor.experimental": (_PROCESSES, "implicit_replication"),
    "distributed.algorithms._checkpoint": (_PROCESSES, ""),
    "distributed.algorithms._checkpoint.checkpoint_wrapper": (
        _PROCESSES,
        "CheckpointImpl apply_activation_checkpointing checkpoint_wrapper offload_wrapper",
    ),
    "distributed.algorithms.ddp_comm_hooks": (_PROCESSES, ""),
    "distributed.algorithms.ddp_comm_hooks.default_hooks": (
        _PROCESSES,
        "bf16_compress_hook fp16_compress_hook",
    ),
    "distributed.algorithms.ddp_comm_hooks.powerSGD_hook": (
        _PROCESSES,
        "PowerSGDState batched_powerSGD_hook powerSGD_hook",
    ),
    "distributed.algorithms.join": (_PROCESSES, "Join"),
    "distributed.checkpoint._consolidate_hf_safetensors": (
        _PROCESSES,
        "consolidate_safetensors_files",
    ),
    "distributed.checkpoint.default_planner": (
        _PROCESSES,
        "DefaultLoadPlanner DefaultSavePlanner",
    ),
    "distributed.checkpoint.format_utils": (_PROCESSES, "dcp_to_torch_save"),
    "distributed.checkpoint.hf_storage": (
        _PROCESSES,
        "HuggingFaceStorageReader HuggingFaceStorageWriter",
    ),
    "distributed.elastic": (_LAUNCHER, ""),
    "distributed.elastic.multiprocessing": (_LAUNCHER, ""),
    "distributed.elastic.multiprocessing.errors": (_LAUNCHER, "ChildFailedError"),
    "distributed.fsdp.sharded_grad_scaler": (_PROCESSES, "ShardedGradScaler"),
    "distributed.fsdp.wrap": (
        _PROCESSES,
        "_or_policy lambda_auto_wrap_policy size_based_auto_wrap_policy "
        "transformer_auto_wrap_policy",
    ),
    "distributed.launcher": (_LAUNCHER, ""),
    "distributed.launcher.api": (_LAUNCHER, "LaunchConfig elastic_launch"),
    "distributed.optim": (
        _PROCESSES,
        "DistributedOptimizer PostLocalSGDOptimizer ZeroRedundancyOptimizer",
    ),
    "distributed.pipelining": (_PROCESSES, "ScheduleGPipe SplitPoint pipeline"),
    "distributed.rpc": (
        _PROCESSES,
        "TensorPipeRpcBackendOptions WorkerInfo init_rpc remote rpc_async rpc_sync shutdown",
    ),
    "distributed.run": (_LAUNCHER, "get_args_parser main run"),
    "distributed.tensor._utils": (_PROCESSES, "compute_local_shape_and_global_offset"),
    "distributed.tensor.experimental": (_PROCESSES, "context_parallel implicit_replication"),
    "distributed.tensor.experimental._attention": (_PROCESSES, "set_rotate_method"),
    "distributed.tensor.parallel": (
        _PROCESSES,
        "ColwiseParallel RowwiseParallel SequenceParallel PrepareModuleInput parallelize_module",
    ),
    "export._trace": (_GRAPHS, ""),
    "export.decomp_utils": (_GRAPHS, "CustomDecompTable"),
    "fx.passes.infra": (_GRAPHS, ""),
    "fx.passes.infra.pass_base": (_GRAPHS, "PassBase PassResult"),
    "numa": (_LAUNCHER, ""),
    "numa.binding": (_LAUNCHER, "AffinityMode NumaOptions"),
    "package": (
        ("PyTorch's packages hold code that is run when they are opened", "Use kuai.save"),
        "PackageExporter PackageImporter",
    ),
    "testing._internal": (_OWN_TESTS, ""),
    "testing._internal.composite_compliance": (
        _OWN_TESTS,
        "is_inplace is_inplace_view_fn is_view_fn",
    ),
    "utils._sympy": (_GRAPHS, ""),
    "utils._sympy.numbers": (_GRAPHS, "IntInfinity"),
    "utils._sympy.value_ranges": (_GRAPHS, "ValueRanges"),
    "utils.data.datapipes": (_PIPES, ""),
    "utils.data.datapipes.datapipe": (
        _PIPES,
        "IterDataPipe MapDataPipe _IterDataPipeSerializationWrapper "
        "_MapDataPipeSerializationWrapper",
    ),
    "utils.data.graph_settings": (
        _PIPES,
        "apply_random_seed apply_sharding apply_shuffle_settings apply_shuffle_seed",
    ),
    "utils.data.datapipes.iter": (_PIPES, ""),
    "utils.data.datapipes.iter.combinatorics": (_PIPES, "ShufflerIterDataPipe"),
    **MORE,
}


def _is_fake(x) -> bool:
    """Whether a tensor has a shape and no values: none is of that kind."""
    return False


def _record(fn: Callable, error_handler: Any = None) -> Callable:
    """The function: a launcher would be told of its errors, and there is none."""
    return fn


#: Functions in these modules that have an answer.
_ANSWERS = {
    "_subclasses.fake_tensor": {"is_fake": _is_fake},
    "distributed.elastic.multiprocessing.errors": {"record": _record},
    "utils.data.datapipes.datapipe": {
        name: getattr(bases_of_pipes, name)
        for name in ("DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe")
    },
}


#: What packages ask before they use such a path.
_QUESTIONS = frozenset({"is_available", "is_enabled", "is_initialized"})


def _no() -> bool:
    return False


#: What classes in these paths are.
_PIPES_ARE: dict[str, type] = {
    "utils.data.datapipes.iter": bases_of_pipes.IterDataPipe,
    "utils.data.datapipes.map": bases_of_pipes.MapDataPipe,
}


def has(name: str) -> bool:
    """Whether one of PyTorch's paths is here.

    Example:
        >>> has("torch.nested"), has("torch.nn")
        (True, False)
    """
    path = name.removeprefix("torch.")
    return path in _TABLE or path in _others()


def module_of(name: str) -> types.ModuleType | None:
    """The module for one of PyTorch's paths, or None.

    Example:
        >>> module_of("torch.distributed.algorithms.join").Join.__name__
        'Join'
    """
    path = name.removeprefix("torch.")
    why, names = _TABLE.get(path, (None, ""))
    others = _others().get(path)
    if why is None:
        if others is None:
            return None
        why = next(reason for part, reason in REASONS.items() if f"{path}.".startswith(part))
    module = types.ModuleType(name, f"`{name}`: {why[0]}.")
    module.__path__ = []
    answers = _ANSWERS.get(path, {})
    vars(module).update(answers)
    for each in {*names.split(), *(others or ())} - answers.keys():
        asked = each in _QUESTIONS
        setattr(module, each, _no if asked else _refused(f"{name}.{each}", *why))
    return module


@functools.cache
def _others() -> dict[str, list[str]]:
    """For each path in the file the names that PyTorch has there."""
    file = pathlib.Path(__file__).with_name("other_paths.txt")
    lines = file.read_text(encoding="utf-8").splitlines()
    return {path: names for path, *names in map(str.split, lines)}


def _refused(name: str, reason: str, instead: str) -> Any:
    """A class or a function, by its name; classes of data pipes have the bases of such pipes."""
    path, _, short = name.removeprefix("torch.").rpartition(".")
    if not short.lstrip("_")[0].isupper():
        return refused(name, reason, instead)
    bases = (base for part, base in _PIPES_ARE.items() if path.startswith(part))
    return refused_class(name, reason, instead, next(bases, object))
