"""Files of other kinds, called by their names, so that who opens one knows what to do next."""

from __future__ import annotations

__all__ = [
    "LOOKED_AT",
    "OLD_NUMBER",
    "ZIP",
    "is_old_torch_file",
    "is_safetensors",
    "is_torch_archive",
    "kind_of",
]

LOOKED_AT = 512  # bytes from the beginning of a file
_LONGEST_HEADER = 100_000_000  # bytes, says the library of the format
ZIP = b"PK\x03\x04"
#: The number with which files of PyTorch before 1.6 begin.
OLD_NUMBER = 0x1950A86A20F9469CFC6C
_OLD_BEGINNING = OLD_NUMBER.to_bytes(10, "little")
_TAR, _TAR_PLACE = b"ustar", 257
_TORCH_TAR = (b"storages", b"tensors", b"pickle", b"sys_info")
_OLD = (
    'Convert it once with PyTorch: torch.save(torch.load("old.pt", weights_only=False), "new.pt")'
)
_UNPACK = "Unpack it first"
_BEGINNINGS = {
    b"\x1f\x8b": f"it is compressed with gzip. {_UNPACK}: gzip -d",
    b"BZh": f"it is compressed with bzip2. {_UNPACK}: bzip2 -d",
    b"\xfd7zXZ\x00": f"it is compressed with xz. {_UNPACK}: xz -d",
    b"\x28\xb5\x2f\xfd": f"it is compressed with zstd. {_UNPACK}: zstd -d",
    b"7z\xbc\xaf\x27\x1c": f"it is a 7z archive. {_UNPACK}",
    b"Rar!": f"it is a rar archive. {_UNPACK}",
    b"GGUF": "it is a GGUF file, of llama.cpp. Take the model's *.safetensors files instead",
    b"\x89HDF\r\n\x1a\n": "it is an HDF5 file. Read it with h5py, and its arrays with "
    "kuai.from_numpy",
    b"\x93NUMPY": "it is a NumPy array (.npy). Use kuai.from_numpy(numpy.load(path))",
    b"version https://git-lfs": "it is a git-lfs pointer, not the file that it stands for. Get "
    "that with: git lfs pull",
    b"\x80": "it is a bare pickle, which Kuai does not open",
}
_PAGES = {
    b"<!doctype html": "it is an HTML page, perhaps one that offers the file, or asks for a login. "
    "Download the file itself",
    b"<html": "it is an HTML page, perhaps one that offers the file, or asks for a login. "
    "Download the file itself",
    b"<?xml": "it is an XML text, perhaps a server's error message",
    b"{": "it is JSON, not tensors",
}


def kind_of(start: bytes) -> str | None:
    """What a file is, and what to do, by its first bytes; None if they are of no known kind."""
    if not start:
        return "it is empty, or a file object that stands at its end (seek(0) first)"
    if is_safetensors(start):
        return "it looks like a safetensors file; load it with kuai.load_file"
    if start[_TAR_PLACE:].startswith(_TAR):
        return _tar(start)
    if start.startswith(ZIP):
        return "it is a zip archive"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = [kind for begin, kind in _BEGINNINGS.items() if start.startswith(begin)]
    found += [kind for begin, kind in _PAGES.items() if text.startswith(begin)]
    return next(iter(found), None)


def is_safetensors(start: bytes) -> bool:
    """Whether a file begins as a safetensors file: the length of a header, and the header."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _LONGEST_HEADER


def is_torch_archive(start: bytes) -> bool:
    """Whether a file begins as PyTorch writes them, whatever its name says."""
    return start.startswith(ZIP) and b"/data.pkl" in start[:LOOKED_AT]


def is_old_torch_file(start: bytes) -> bool:
    """Whether a file begins as PyTorch before 1.6 wrote them: a pickle of one number."""
    return start.startswith(b"\x80") and 2 < start.find(_OLD_BEGINNING) < 20


def _tar(start: bytes) -> str:
    if start[:100].rstrip(b"\0") in _TORCH_TAR:
        return f"it is in the tar format of PyTorch before 0.4. {_OLD}"
    return f"it is a tar archive. {_UNPACK}: tar -x"
