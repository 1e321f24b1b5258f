"""`kuai._dynamo.config`: settings that programs set; none of them has a meaning here."""

import contextlib

cache_size_limit = 8
recompile_limit = 8
accumulated_cache_size_limit = 256
suppress_errors = False
verbose = False
dynamic_shapes = True
automatic_dynamic_shapes = True
assume_static_by_default = True
capture_scalar_outputs = False
capture_dynamic_output_shape_ops = False
allow_unspec_int_on_nn_module = False
inline_inbuilt_nn_modules = True
optimize_ddp = True
force_parameter_static_shapes = True
specialize_int = False


@contextlib.contextmanager
def patch(*args, **changes):
    """A context in which settings have other values."""
    names = globals()
    before = {name: names.get(name) for name in changes}
    names.update(changes)
    try:
        yield
    finally:
        names.update(before)
