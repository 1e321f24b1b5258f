"""Files that nobody should write: PyTorch archives put together by hand."""

import io
import pickle
import struct
import zipfile

OPEN = b"\x80\x02"


def archive(code: bytes, storages=None, compression=zipfile.ZIP_STORED, **more) -> bytes:
    """A PyTorch file with these pickle instructions and the bytes of these storages."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as entries:
        entries.writestr("archive/data.pkl", code)
        for key, content in (storages or {}).items():
            entries.writestr(f"archive/data/{key}", content)
        for name, content in more.items():
            entries.writestr(f"archive/{name}", content)
    return file.getvalue()


def name(text: str) -> bytes:
    """The instruction that pushes a global name."""
    module, _, attribute = text.rpartition(".")
    return b"c" + f"{module}\n{attribute}\n".encode()


def value(item) -> bytes:
    """The instructions that push a plain value."""
    return pickle.dumps(item, 2)[2:-1]


def storage(key="0", length=4, kind="torch.FloatStorage", place="cpu") -> bytes:
    """The instructions that push a storage."""
    parts = value("storage") + name(kind) + value(key) + value(place) + value(length)
    return b"(" + parts + b"tQ"


HOOKS = name("collections.OrderedDict") + b")R"


def tensor(size=(2, 2), strides=(2, 1), offset=0, of=None, requires_grad=False, hooks=HOOKS):
    """The instructions that push a tensor."""
    parts = value(offset) + value(size) + value(strides) + value(requires_grad) + hooks
    rebuild = name("torch._utils._rebuild_tensor_v2")
    return rebuild + b"(" + (of or storage()) + parts + b"tR"


def call(text: str, *arguments) -> bytes:
    """The instructions that call a global name with plain values."""
    return name(text) + value(tuple(arguments)) + b"R"


FOUR = struct.pack("<4f", 1, 2, 3, 4)
