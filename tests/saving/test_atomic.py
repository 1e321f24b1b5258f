"""Replacing a file: what becomes of links, devices, rights, names, and of an interrupt anywhere."""

import errno
import os
import pathlib
import resource
import stat
import sys
import threading

import pytest

import kuai
from kuai.saving import drafts, replacing, write_atomically
from kuai.saving.locks import try_lock

SAVING = os.path.dirname(drafts.__file__)


@pytest.fixture(params=["unnamed", "named", "no links"])
def system(request, monkeypatch):
    """The ways in which systems let a file be written beside its place."""
    if request.param == "named":
        monkeypatch.setattr(drafts, "_OPEN_FILES", "/nowhere")
    if request.param == "no links":

        def link(*_, **options):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", link)
    return request.param


def rights(path):
    status = os.stat(path)
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


def test_new_and_replaced(system, tmp_path):
    for content in (b"first", b"second"):
        write_atomically(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert rights(tmp_path / "file")[0] == 0o666 & ~umask()
    assert os.listdir(tmp_path) == ["file"]


def umask():
    before = os.umask(0)
    os.umask(before)
    return before


def test_mode_and_owner_are_kept(system, tmp_path):
    path = tmp_path / "private"
    write_atomically(path, b"old")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    before = rights(path)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and rights(path) == before


def test_nobody_reads_a_private_file_while_it_is_written(system, tmp_path):
    path = tmp_path / "private"
    write_atomically(path, b"old")
    path.chmod(0o600)
    with replacing(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600


def test_another_group_gets_nothing(system, tmp_path, monkeypatch):
    path = tmp_path / "shared"
    write_atomically(path, b"old")
    path.chmod(0o664)
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to others")
    os.chown(path, 1234, 2345)

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    write_atomically(path, b"new")
    assert rights(path) == (0o604, os.geteuid(), os.getegid())


def test_links_are_written_through(system, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere/file")
    (tmp_path / "link of a link").symlink_to("link")
    for content in (b"made", b"replaced"):
        write_atomically(tmp_path / "link of a link", content)
        assert (tmp_path / "elsewhere" / "file").read_bytes() == content
    assert os.readlink(tmp_path / "link") == "elsewhere/file"
    assert os.listdir(tmp_path / "elsewhere") == ["file"]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="loop"):
        write_atomically(tmp_path / "loop", b"")


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_pipe_gets_the_bytes(name, tmp_path):
    kuai.save({"w": kuai.ones(3)}, tmp_path / name)
    (tmp_path / "pipe").mkdir()
    pipe, found = tmp_path / "pipe" / name, []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    kuai.save({"w": kuai.ones(3)}, pipe)
    reader.join()
    assert found == [(tmp_path / name).read_bytes()]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_devices_stay_devices():
    kuai.save({"w": kuai.ones(3)}, os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(OSError, match=r"/dev/full") as error:
        kuai.save({"w": kuai.ones(3)}, "/dev/full")
    assert error.value.errno == errno.ENOSPC


def test_an_open_file_by_its_number(tmp_path):
    with open(tmp_path / "file", "w+b") as file:
        write_atomically(f"/dev/fd/{file.fileno()}", b"content")
        assert file.read() == b"content"  # and not that of a file that is no longer there
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("length", [1, 240, 252, 255])
def test_long_names(length, system, tmp_path):
    for content in (b"first", b"second"):
        write_atomically(tmp_path / ("x" * length), content)
    assert os.listdir(tmp_path) == ["x" * length]


def test_what_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("file").write_bytes(b"")
    cases = {
        "": FileNotFoundError,
        "nowhere/file": FileNotFoundError,
        "file/file": NotADirectoryError,
        "folder/": IsADirectoryError,
        ".": IsADirectoryError,
        "x" * 256: OSError,
    }
    for path, kind in cases.items():
        with pytest.raises(kind) as error:
            write_atomically(path, b"")
        assert error.value.filename == path
    assert os.listdir(tmp_path) == ["file"]


def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "best.pt"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, "access", lambda *_, **options: False)  # as for anyone but root
    with pytest.raises(PermissionError, match=r"best\.pt"):
        write_atomically(path, b"new")


# A full disk --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_full_disk_names_the_file(name, system, tmp_path):
    path = tmp_path / name
    kuai.save({"w": kuai.ones(3)}, path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError) as error:
            kuai.save({"w": kuai.ones(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(path))
    assert path.read_bytes() == before and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
def test_every_error_names_the_file(call, tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*_, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left") as error:
        write_atomically(path, b"new")
    assert error.value.filename == str(path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_an_error_of_the_user_is_not_touched(tmp_path):
    with pytest.raises(FileNotFoundError, match="source"), replacing(tmp_path / "file"):
        open(tmp_path / "source")
    assert os.listdir(tmp_path) == []


# Several writers, and dead ones -------------------------------------------------------------------


def test_two_at_once(system, tmp_path):
    path = tmp_path / "file"
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first" and os.listdir(tmp_path) == ["file"]


def test_what_must_be_new(system, tmp_path):
    path = tmp_path / "file"
    with pytest.raises(FileExistsError, match="file"), replacing(path, exclusive=True):
        path.write_bytes(b"another's")
    with pytest.raises(FileExistsError, match="file"), replacing(path, exclusive=True):
        raise AssertionError
    assert path.read_bytes() == b"another's" and os.listdir(tmp_path) == ["file"]


def test_what_a_dead_writer_left_goes_and_what_a_living_one_has_stays(system, tmp_path):
    path = tmp_path / ("x" * 250)
    dead, living = (tmp_path / f".kuai-{drafts.digest_of(path.name)}-{k}.tmp" for k in (0, 1))
    dead.write_bytes(b"half")
    with open(living, "wb") as file:
        assert try_lock(file.fileno(), otherwise=False)
        write_atomically(path, b"new")
        assert sorted(os.listdir(tmp_path)) == sorted([living.name, path.name])
    write_atomically(path, b"newer")
    assert os.listdir(tmp_path) == [path.name]


def test_a_link_under_a_temporary_name_is_not_followed(tmp_path):
    path, precious = tmp_path / "file", tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / f".kuai-{drafts.digest_of('file')}-0.tmp").symlink_to(precious)
    for content in (b"first", b"second"):
        write_atomically(path, content)
    assert precious.read_bytes() == b"precious" and path.read_bytes() == b"second"


# An interrupt at every line -----------------------------------------------------------------------


class Interrupt:
    """Raises KeyboardInterrupt at the n-th line that is run in the files of `saving`."""

    def __init__(self, place):
        self.left = place

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(SAVING):
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


def interrupted_everywhere(work, check):
    """Do `work` again and again, interrupted one line later each time, until it gets to its end."""
    for place in range(1, 5000):
        if not is_interrupted(work, place):
            return
        check()
    raise AssertionError("it never came to its end")


def is_interrupted(work, place):
    found = []

    def run():
        sys.settrace(Interrupt(place))
        try:
            work()
        except KeyboardInterrupt:
            found.append(place)
        finally:
            sys.settrace(None)

    # in a thread of its own: Python 3.11 goes on believing that it handles such an exception
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return bool(found)


@pytest.fixture
def no_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda number: None)


# while a file is being thrown away, an interrupt may leave that to the garbage collector
unraisable = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@unraisable
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_an_interrupt_at_every_line(name, there, system, no_disk, tmp_path):
    path = tmp_path / name
    old, new = {"w": kuai.zeros(3)}, {"w": kuai.ones(3)}
    if there:
        kuai.save(old, path)

    def check():
        names = os.listdir(tmp_path)
        assert names in ([name], []) and (names or not there)
        if names:
            value = kuai.load(path)["w"].tolist()
            assert value in ([0] * 3, [1] * 3)
            kuai.save(old, path) if there else path.unlink()

    interrupted_everywhere(lambda: kuai.save(new, path), check)


@unraisable
def test_an_interrupt_at_every_line_of_several_files(no_disk, tmp_path):
    def state(number):
        return {f"w{k}": kuai.full((4,), number) for k in range(3)}

    number = 0

    def save():
        size = "1MB" if number % 3 == 0 else 20
        kuai.save_file(state(number), tmp_path, max_shard_size=size)

    def check():
        nonlocal number
        found = {int(t[0]) for t in kuai.load_file(tmp_path).values()}
        assert found in ({number}, {number - 1})
        number += 1
        save()
        assert {int(t[0]) for t in kuai.load_file(tmp_path).values()} == {number}
        assert len(os.listdir(tmp_path)) == (1 if number % 3 == 0 else 4)
        number += 1

    save()
    number += 1
    interrupted_everywhere(save, check)
