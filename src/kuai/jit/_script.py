"""PyTorch's file of scripts."""

from kuai.jit import (
    RecursiveScriptModule as RecursiveScriptModule,
    ScriptFunction as ScriptFunction,
    ScriptModule as ScriptModule,
    script as script,
)
