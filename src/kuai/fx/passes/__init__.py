"""`kuai.fx.passes`: things to do with graphs."""

from kuai.engine.late import late

__getattr__, __dir__ = late(
    "kuai.fx.passes",
    (
        "shape_prop",
        "split_module",
    ),
    {},
)
