"""Pictures: models and data sets."""

from kuai.vision import models
from kuai.vision.digits import DataError, Digits, load_digits

__all__ = ["DataError", "Digits", "load_digits", "models"]
