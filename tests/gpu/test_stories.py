"""A sample of the stories: programs that change what a compiled step relies on.

They come last, since they take longest.
"""

import importlib
import pkgutil
import zlib

import kuai
from tests.gpu.card import DEVICE


def test_a_sample_of_the_stories():
    """Compiled and eager, all on the device; the kit of the stories needs torch."""
    try:
        from tests import stories
        from tests.stories.storykit import STORIES, compare, transcript
    except ModuleNotFoundError as error:  # where there is no torch, or another one
        assert error.name in ("torch", "pytest", "hypothesis"), error
        return
    for module in pkgutil.iter_modules(stories.__path__):
        if not module.name.startswith("test_"):
            importlib.import_module(f"{stories.__name__}.{module.name}")
    names = [name for name in STORIES if zlib.crc32(name.encode()) % 60 == 5]
    assert len(names) > 8
    kuai.set_default_device(DEVICE)
    try:
        for name in names:
            compare(name, transcript(name, "compiled"), transcript(name, "eager"))
    finally:
        kuai.set_default_device("cpu")
