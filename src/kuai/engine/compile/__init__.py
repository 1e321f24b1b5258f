"""Compilation: whole steps as one XLA program."""

from kuai.engine.late import late

__getattr__, __dir__ = late(
    "kuai.engine.compile",
    (
        "explaining",
        "fusion",
        "layouts",
        "parts",
        "pause",
        "proof",
        "results",
        "split",
        "staying",
        "worth",
    ),
    {},
)
