"""Files appear complete or not at all, and what is at their place decides how they are written."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from cfcore import atomic
from tests.contents import names

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, pipes and permissions of POSIX")


def write(path: str | Path, content: bytes = b"new") -> None:
    with atomic.replacing(path) as file:
        file.write(content)


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write(tmp_path / "file")
    (tmp_path / "other").touch()
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert names(tmp_path) == ["file", "other"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_an_existing_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


def test_the_temporary_file_is_no_more_readable_than_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(0o600)
    with atomic.replacing(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real = tmp_path / "there" / "real"
    for state in ("dangling", "existing"):
        link = tmp_path / f"{state}-link"
        link.symlink_to("there/real")
        second = tmp_path / f"{state}-second"
        second.symlink_to(link.name)
        write(second, state.encode())
        assert link.is_symlink()
        assert second.is_symlink()
        assert real.read_bytes() == state.encode()
    assert names(tmp_path / "there") == ["real"]


def test_links_that_end_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("no folder/file")
    for name in ("a", "c"):
        with pytest.raises(OSError, match=name):
            write(tmp_path / name)
    assert names(tmp_path) == ["a", "b", "c"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()))
    reader.start()
    write(path, b"x" * 100_000)
    reader.join(10)
    assert found == [b"x" * 100_000]
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert names(tmp_path) == ["pipe"]


def device(folder: Path, name: str, minor: int) -> Path:
    """For root, who could replace the device of the machine, one of this test alone; else a link to it."""
    path = folder / name
    if os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
    else:
        path.symlink_to(f"/dev/{name}")
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="device numbers of Linux")
def test_a_device_is_written_to(tmp_path: Path) -> None:
    null, full = device(tmp_path, "null", 3), device(tmp_path, "full", 7)
    write(null)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert null.read_bytes() == b""
    with pytest.raises(OSError, match="full") as caught:
        write(full)
    assert caught.value.errno == errno.ENOSPC
    assert stat.S_ISCHR(full.stat().st_mode)


def test_standard_output_by_its_name(tmp_path: Path) -> None:
    script = "from cfcore import atomic\nwith atomic.replacing('/dev/stdout') as file: file.write(b'new')"
    given = [sys.executable, "-c", script]
    if os.path.exists("/dev/stdout"):
        assert subprocess.run(given, stdout=subprocess.PIPE, check=True).stdout == b"new"
        with open(tmp_path / "file", "wb") as out:
            subprocess.run(given, stdout=out, check=True)
        assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_what_cannot_be_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for path, error in (
            ("folder", IsADirectoryError),
            ("folder/", IsADirectoryError),
            ("new/", IsADirectoryError),
            (".", IsADirectoryError),
            ("", FileNotFoundError),
            ("nothing/x", FileNotFoundError),
            ("file/x", NotADirectoryError),
            ("x" * 300, OSError),
            ("socket", OSError),
        ):
            for call in (write, atomic.check_target):
                with pytest.raises(error) as caught:
                    call(path)
                assert isinstance(caught.value, OSError)
                assert caught.value.filename == path
    assert names(tmp_path) == ["file", "folder", "socket"]


def test_no_permission_is_said() -> None:
    """As another user than root, for whom all is permitted."""
    script = (
        "import os, sys; from cfcore import atomic\n"
        "os.chdir(sys.argv[1])\n"
        "if os.geteuid() == 0: os.chown('.', 65534, -1); os.seteuid(65534)\n"
        "for path in ('file', 'folder/new'):\n"
        "    for call in (atomic.check_target, lambda path: atomic.replacing(path).__enter__()):\n"
        "        try: call(path)\n"
        "        except PermissionError as error: assert error.filename == path; print(error)\n"
    )
    with tempfile.TemporaryDirectory() as name:  # the folders of pytest are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "file").write_bytes(b"old")
        (folder / "file").chmod(0o444)
        (folder / "folder").mkdir(0o555)
        given = [sys.executable, "-c", script, folder]
        done = subprocess.run(given, capture_output=True, text=True, check=True)
        assert done.stdout.count("may not be written to") == 4, done
        assert (folder / "file").read_bytes() == b"old"
        assert names(folder) == ["file", "folder"]
        assert names(folder / "folder") == []


def test_home_and_long_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write("~/file")
    longest = "é" * 127
    write(tmp_path / longest)
    write(tmp_path / longest)
    assert names(tmp_path) == sorted(["file", longest])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError(errno.ENOSPC, "full")])
def test_a_failure_keeps_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    kind = error if isinstance(error, type) else type(error)
    with pytest.raises(kind) as caught, atomic.replacing(path) as file:  # noqa: PT012
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]
    if isinstance(error, OSError):
        assert isinstance(caught.value, OSError)
        assert caught.value.filename == str(path)


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    with atomic.replacing(tmp_path / "file", text=True) as file:
        file.write("ü\n")
    assert (tmp_path / "file").read_bytes() == "ü\n".encode()


WRITER = """
import os, sys
from cfcore import atomic
with atomic.replacing(sys.argv[1]) as file:
    file.write(b"x")
    file.flush()
    print("here", flush=True)
    sys.stdin.read()
"""


def test_only_files_of_dead_writers_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    given = [sys.executable, "-c", WRITER, path]
    with (
        subprocess.Popen(given, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as live,
        subprocess.Popen(given, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as dead,
    ):
        for process in (live, dead):
            assert process.stdout is not None
            assert process.stdout.readline() == b"here\n"
        assert len(names(tmp_path)) == 2
        dead.kill()
        dead.wait(10)
        (tmp_path / ".file.notes.tmp").touch()  # not one of ours
        write(path)
        (left,) = (name for name in names(tmp_path) if f".{live.pid}." in name)
        assert names(tmp_path) == sorted([".file.notes.tmp", left, "file"])
        live.communicate()
        assert live.returncode == 0
    assert path.read_bytes() == b"x"
    assert names(tmp_path) == [".file.notes.tmp", "file"]


def test_many_threads_write_one_file(tmp_path: Path) -> None:
    """Each sweeps while others write; none takes the temporary file of another."""
    path, failures = tmp_path / "file", []

    def run(k: int) -> None:
        try:
            for _ in range(40):
                write(path, b"%d" % k * 1000)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert len(set(path.read_bytes())) == 1
    assert len(path.read_bytes()) == 1000
    assert names(tmp_path) == ["file"]
