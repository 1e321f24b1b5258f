"""Every public name takes what PyTorch's takes, in the same order and with the same defaults.

`torch_signatures.json` has PyTorch's signatures, `make signatures` writes it.
"""

import inspect
import json

import pytest

from tests.signatures import differences
from tools import torch_signatures

TABLE = json.loads(torch_signatures.TABLE.read_text())
PAIRS = {path: ours for path, _, ours in torch_signatures.pairs()}
CLASSES = {path for path, ours in PAIRS.items() if isinstance(ours, type)}

#: What differs, by the reason; a name that no longer differs has to go.
REASONS = {
    "PyTorch's own code takes these by name only, its stub file and its docstrings do not say so": {
        "tensor": "dtype only by name; device only by name; requires_grad only by name; "
        "pin_memory only by name",
        "Tensor.new_tensor": "dtype only by name; device only by name; requires_grad only by name; "
        "pin_memory only by name",
        "nn.functional.gelu": "approximate only by name",
        "nn.functional.scaled_dot_product_attention": "scale only by name; enable_gqa only by name",
    },
    "0, as PyTorch's own code has it, where its schema says 1": {
        name: "reduction=0, not 1"
        for name in (
            "binary_cross_entropy_with_logits",
            "cosine_embedding_loss",
            "ctc_loss",
            "hinge_embedding_loss",
            "kl_div",
            "margin_ranking_loss",
            "triplet_margin_loss",
        )
    },
    "the operator below batch norm; nobody gives it `out`": {"native_batch_norm": "no out"},
    "a name that only the stub file has": {
        "Tensor.random_": "no from_",
        "Tensor.requires_grad_": "no mode",
        "ScriptModule.apply": "no arg0",
    },
    "how it may be called depends on the types of what is given, so it looks at `*args`": {
        "arange": "end only by name",
        "Tensor.new": "no cls; no storage; no other; no size",
        "Tensor.to": "no other; non_blocking only by name; copy only by name",
    },
    "an empty tuple and None mean the same": {
        f"{kind}_pool{n}d": "stride=None, not ()"
        for kind, n in (("avg", 1), ("max", 1), ("max", 2), ("max", 3))
    },
    "for GPUs only, in PyTorch too": {
        name: "no out_dtype" for name in ("addmm", "baddbmm", "bmm", "mm")
    },
    "the stub file has the signature of the operation below it": {
        "nn.functional.fractional_max_pool2d": "_random_samples is number 5, not 3",
        "nn.functional.fractional_max_pool3d": "_random_samples is number 5, not 3",
    },
    "given by place in PyTorch, by name here: one function stands for two of PyTorch's": {
        "rrelu": "no generator",
        "rrelu_": "no generator",
    },
    "tensors have no strides of their own": {
        "Tensor.set_": "no storage_offset; no size; no stride",
    },
    "four ways to call with names of their own; nobody gives them by name": {
        "result_type": "no tensor; no other; no scalar; no scalar1; no scalar2",
    },
    "the arguments may come in two orders; nobody gives them by name": {
        name: "no data; no batch_sizes; no hx; no params; no has_biases; no num_layers; "
        "no dropout; no train; no bidirectional; no batch_first"
        for name in ("gru", "lstm", "rnn_relu", "rnn_tanh")
    },
    "the table has numbers for names": {
        name: "no arg0"
        for name in ("Future.add_done_callback", "Future.set_result", "Future.then", "wait")
    },
    "the documentation has the function's signature for the method": {
        "Tensor.hash_tensor": "no *dim",
        "UntypedStorage.share_memory_": "no *args",
    },
    "deprecated for years": {},
    "nothing in a file is ever executed, so nobody brings a pickle of his own": {
        "load": "weights_only=True, not None",
        "save": "no pickle_module; no _disable_byteorder_record; "
        "pickle_protocol is number 2, not 3; _use_new_zipfile_serialization is number 3, not 4",
    },
    "nothing is one of these here, so nobody makes one": {
        name: "no node" for name in ("SymBool", "SymFloat", "SymInt")
    },
    "a storage is made by a tensor, and its bytes are counted by their own name": {
        "TypedStorage.from_file": "no size",
    },
    "a device is the class itself here": {"cuda.device": "no device"},
    "about graphs of its own kind": {
        "compile": "no model; no name; no recompile_limit; no isolate_recompiles; no shapes_spec",
        "onnx.export": "no custom_translation_table; no report; no verify; no profile; "
        "no dump_exported_program; no artifacts_dir; no keep_initializers_as_inputs; "
        "no operator_export_type; no custom_opsets; no export_modules_as_functions; "
        "no autograd_inlining",
    },
}
KNOWN = {name: text for names in REASONS.values() for name, text in names.items()}


def is_method(path):
    parent, _, name = path.rpartition(".")
    if parent not in CLASSES or path in CLASSES:
        return False
    return not isinstance(inspect.getattr_static(PAIRS[parent], name), (classmethod, staticmethod))


@pytest.mark.parametrize("path", TABLE)
def test_signature(path):
    found = differences(PAIRS[path], TABLE[path], is_method(path))
    assert "; ".join(found) == KNOWN.get(path, "")


def test_the_table_is_what_pytorch_says():
    assert TABLE == torch_signatures.table(), "run `make signatures`"
