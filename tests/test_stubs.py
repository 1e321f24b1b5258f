"""The stub files say what the op table attaches; they are generated, and must be up to date."""

import pathlib

from tools import make_stubs


def test_stubs_are_up_to_date():
    for path, text in make_stubs.stubs().items():
        written = pathlib.Path(path).read_text()
        assert written == text, f"{path.name} is out of date: run `make stubs`"
