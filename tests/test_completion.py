"""What an editor offers behind a dot, asked of a language server: every public name."""

import functools
import json
import pathlib
import subprocess
import sys
import types

import pytest

import kuai
from kuai import nn
from kuai.nn import functional

SOURCE = pathlib.Path(__file__).parent.parent / "src"
PROGRAM = """\
import kuai
from kuai import nn
from kuai.nn import functional as F
x = kuai.ones(2)
"""
THINGS = {"kuai": kuai, "nn": nn, "F": functional, "x": kuai.Tensor}


class Server:
    """Pyright as editors start it; messages are JSON with a header that says how long they are."""

    def __init__(self, folder: pathlib.Path):
        command = [sys.executable, "-m", "pyright.langserver", "--stdio"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self.asked = 0
        root = {"uri": folder.as_uri(), "name": folder.name}
        self.ask("initialize", processId=None, capabilities={}, workspaceFolders=[root])
        self.tell("initialized")

    def ask(self, method: str, **params):
        """Send a request and wait for what comes back."""
        self.asked += 1
        self._send(id=self.asked, method=method, params=params)
        while True:
            message = self._receive()
            if "method" not in message and message.get("id") == self.asked:
                return message["result"]
            if "method" in message and "id" in message:
                self._send(id=message["id"], result=_settings(message))

    def tell(self, method: str, **params) -> None:
        """Send a note, to which there is no answer."""
        self._send(method=method, params=params)

    def _send(self, **content):
        text = json.dumps({"jsonrpc": "2.0", **content}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(text), text))
        self.process.stdin.flush()

    def _receive(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name == b"Content-Length" else length
        assert length, "the server has ended"
        return json.loads(self.process.stdout.read(length))


def _settings(request):
    """What an editor says that is asked for the settings of its user, who has none."""
    return [{} for _ in request["params"].get("items", ())] or None


@pytest.fixture(scope="module")
def offered(tmp_path_factory):
    """The names that are offered behind each of `THINGS`."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(SOURCE)]}))
    text = PROGRAM + "".join(f"{name}.\n" for name in THINGS)
    document = {"uri": (folder / "program.py").as_uri()}
    server = Server(folder)
    server.tell(
        "textDocument/didOpen",
        textDocument={**document, "languageId": "python", "version": 1, "text": text},
    )
    found = {}
    for line, name in enumerate(THINGS, PROGRAM.count("\n")):
        place = {"line": line, "character": len(name) + 1}
        answer = server.ask("textDocument/completion", textDocument=document, position=place)
        found[name] = {item["label"] for item in answer["items"]}
    server.ask("shutdown")
    server.tell("exit")
    server.process.communicate(timeout=10)
    return found


@pytest.mark.parametrize("name", THINGS)
def test_every_public_name_is_offered(offered, name):
    public = set(filter(functools.partial(is_public, THINGS[name]), dir(THINGS[name])))
    assert len(public) > 100
    assert not sorted(public - offered[name])


def is_public(thing, name):
    """Whether a name is meant for users: not a room of a package that is no path of PyTorch's."""
    is_room = isinstance(getattr(thing, name, None), types.ModuleType)
    return not name.startswith("_") and (not is_room or name in thing.__all__)
