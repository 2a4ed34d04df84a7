"""Data sets: their sources, files that are refused, and that nothing else is written."""

from __future__ import annotations

import hashlib
import http.server
import io
import logging
import os
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data import cache, catalog, sources, wheel

HEADER = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\r\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no folder of the user, and no network unless a test provides one."""
    monkeypatch.delenv("CFCORE_DATA", raising=False)
    monkeypatch.setenv("CFCORE_CACHE", str(tmp_path / "cache"))

    def unreachable(*_: Any, **__: Any) -> Any:
        raise OSError("no network in tests")

    monkeypatch.setattr(sources, "publisher", lambda *_: _not_here("GroupLens: unreachable"))
    monkeypatch.setattr(subprocess, "run", unreachable)
    return tmp_path


def _not_here(reason: str) -> Any:
    raise sources.NotFound(reason)


@pytest.fixture(scope="module")
def u_data() -> bytes:
    """The published file, from any source that has it."""
    return sources.locate("ml-100k").read_bytes()


def made_up(
    monkeypatch: pytest.MonkeyPatch, name: str = "ml-1m", content: bytes = b"1::2::3::4\n2::2::5::6\n"
) -> bytes:
    """Make the catalog expect a file of two rows and an archive of it; return the archive."""
    entry = catalog.CATALOG[name]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(f"{entry.folder}/{entry.file}", content)
    digest = hashlib.md5(archive.getvalue()).hexdigest()
    offered = catalog.Archive(f"{name}.zip", (f"{entry.folder}/{entry.file}",), digest)
    monkeypatch.setitem(catalog.CATALOG, name, replace(entry, n_ratings=2, archives=(offered,)))
    return archive.getvalue()


def put(folder: Path, name: str, content: bytes, *, recorded: bool = False) -> Path:
    path = folder / catalog.CATALOG[name].folder / catalog.CATALOG[name].file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    if recorded:
        cache.record(path, hashlib.sha256(content).hexdigest())
    return path


def test_ml_100k_and_its_splits() -> None:
    whole = cf.datasets.load("ml-100k")
    assert (whole.n_users, whole.n_items, len(whole), whole.scale) == (943, 1682, 100_000, (1.0, 5.0))
    for name, (n_train, n_test) in {
        "u1": (80_000, 20_000),
        "u5": (80_000, 20_000),
        "ua": (90_570, 9430),
    }.items():
        train, test = cf.datasets.load("ml-100k", split=name)
        assert (len(train), len(test)) == (n_train, n_test)
        assert train.user_ids is test.user_ids
        assert (train.scale, test.scale) == ((1.0, 5.0), (1.0, 5.0))


def test_published_files_are_rebuilt_to_the_byte(u_data: bytes) -> None:
    """Each split is checked while it is loaded; here its files are written from the ratings alone."""
    train, test = cf.datasets.load("ml-100k", split="u2")
    for part, expected in zip((train, test), catalog.ML100K_SPLITS["u2"], strict=True):
        assert part.timestamps is not None
        columns = part.users, part.items, part.values.astype(int), part.timestamps
        text = "".join("\t".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))
        assert hashlib.md5(text.encode()).hexdigest() == expected
    for split in catalog.ML100K_SPLITS:
        cf.datasets.load("ml-100k", split=split)


def test_random_split_is_seeded() -> None:
    first, again, other = (cf.datasets.load("ml-100k", split=0.2, random_state=seed)[1] for seed in (0, 0, 1))
    assert len(first) == 20_000
    assert (first.user_codes == again.user_codes).all()
    assert (first.user_codes != other.user_codes).any()
    assert (cf.datasets.load("ml-100k", split=0.2)[1].user_codes == first.user_codes).all()


def test_unknown_names() -> None:
    with pytest.raises(
        ValueError, match=r"unknown data set 'ml-2m'; known: ml-100k, .*netflix; did you mean 'ml-"
    ):
        cf.datasets.load("ml-2m")
    with pytest.raises(ValueError, match="unknown split 'u6' of ml-100k"):
        cf.datasets.load("ml-100k", split="u6")
    with pytest.raises(ValueError, match="unknown split 'u1' of ml-1m"):
        cf.datasets.load("ml-1m", split="u1")


def test_folder_of_the_user_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    made_up(monkeypatch)
    monkeypatch.setenv("CFCORE_DATA", str(home / "mine"))
    put(cache.cache_folder(), "ml-1m", b"7::2::3::4\n8::2::5::6\n", recorded=True)
    with caplog.at_level(logging.INFO, logger="cfcore"):
        assert cf.datasets.load("ml-1m").users.tolist() == [7, 8]
        put(home / "mine", "ml-1m", b"1::2::3::4\n2::2::5::6\n")
        assert cf.datasets.load("ml-1m").users.tolist() == [1, 2]
    said = [record.getMessage() for record in caplog.records]
    assert any("CFCORE_DATA: there is no" in line for line in said)
    assert sum("reading" in line for line in said) == 2


def test_error_says_what_was_tried_and_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "pip_commands", lambda: iter(()))
    with pytest.raises(cf.datasets.UnavailableError) as caught:
        cf.datasets.load("ml-100k")
    for part in (
        "CFCORE_DATA is not set",
        "cache: there is no",
        "GroupLens: unreachable",
        "no pip is installed",
    ):
        assert part in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"(?s)Tried:.*CFCORE_DATA names.*MovieTweetings"):
        cf.datasets.load("movietweetings")
    assert not list(home.rglob("*.*")), "nothing is left behind"


def test_files_that_are_not_the_published_ones(
    home: Path, monkeypatch: pytest.MonkeyPatch, u_data: bytes
) -> None:
    monkeypatch.setattr(wheel, "pip_commands", lambda: iter(()))
    damaged = put(cache.cache_folder(), "ml-100k", u_data[:-100])
    with pytest.raises(cf.datasets.UnavailableError, match="was damaged or altered; removed"):
        cf.datasets.load("ml-100k")
    assert not damaged.exists()
    monkeypatch.setenv("CFCORE_DATA", str(home / "mine"))
    mine = put(home / "mine", "ml-100k", u_data[:-100])
    with pytest.raises(cf.DataError, match=r"u\.data is not the published file of ml-100k"):
        cf.datasets.load("ml-100k")
    assert mine.exists(), "what is not ours is never removed"
    made_up(monkeypatch)
    short = put(cache.cache_folder(), "ml-1m", b"1::2::3::4\n", recorded=True)
    with pytest.raises(cf.DataError, match="holds 1 ratings, ml-1m has 2; the file was removed"):
        cf.datasets.load("ml-1m")
    assert not short.exists()
    cut = b"1::2::3::4\n2::2:"  # within a line: reading fails before rows are counted
    short.write_bytes(cut)
    cache.record(short, hashlib.sha256(cut).hexdigest())
    with pytest.raises(cf.DataError, match=r"'rating' is missing at row 1.*the file was removed"):
        cf.datasets.load("ml-1m")
    assert not short.exists()


def test_a_cache_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CFCORE_DATA", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("CFCORE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(sources, "publisher", lambda *_: _not_here("GroupLens: unreachable"))
    with pytest.raises(cf.datasets.UnavailableError, match="the cache cannot be written to"):
        cf.datasets.load("ml-100k")


real_publisher = sources.publisher


@pytest.fixture
def grouplens(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A local server in place of GroupLens': content by path."""
    pytest.importorskip("pooch")
    content: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = content.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(sources, "GROUPLENS", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setattr(sources, "publisher", real_publisher)
    yield content
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("progress", [False, True])
def test_grouplens(
    grouplens: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch, progress: bool
) -> None:
    grouplens["/ml-1m.zip"] = made_up(monkeypatch)
    assert cf.datasets.load("ml-1m", progress=progress).users.tolist() == [1, 2]
    files = [path.relative_to(home) for path in home.rglob("*") if path.is_file()]
    assert sorted(files) == [Path("cache/ml-1m/ratings.dat"), Path("cache/ml-1m/ratings.dat.sha256")]
    grouplens.clear()
    assert cf.datasets.load("ml-1m", progress=progress).users.tolist() == [1, 2], "from the cache"


def test_grouplens_fails(grouplens: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = made_up(monkeypatch)
    for content, reason in (
        (archive[:-9], "refused the download"),
        (archive.replace(b"1::2", b"9::9"), "refused the download"),
        (None, "404"),
    ):
        grouplens.clear()
        if content is not None:
            grouplens["/ml-1m.zip"] = content
        with pytest.raises(cf.datasets.UnavailableError, match=reason):
            cf.datasets.load("ml-1m", progress=False)
        assert not [path for path in home.rglob("*") if path.is_file()], "refused downloads are removed"


def test_grouplens_cannot_be_reached(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pooch")
    monkeypatch.setattr(sources, "publisher", real_publisher)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(sources, "GROUPLENS", f"http://127.0.0.1:{free.getsockname()[1]}/")
    with pytest.raises(cf.datasets.UnavailableError, match=r"GroupLens: http.*ml-1m\.zip"):
        cf.datasets.load("ml-1m", progress=False)
    assert sources.CONNECT_TIMEOUT <= 10


def test_without_pooch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "publisher", real_publisher)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(cf.datasets.UnavailableError, match="pooch is not installed"):
        cf.datasets.load("ml-1m")


def _index(monkeypatch: pytest.MonkeyPatch, content: bytes, sha256: str | None = None) -> list[list[str]]:
    """Replace pip by a function that writes a wheel with this content; return the list of its commands."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr(catalog.RECBOLE.member, content)
    calls = []

    def run(command: list[str], **_: Any) -> Any:
        calls.append(command)
        target = Path(next(word for word in command if word.startswith("--dest=")).removeprefix("--dest="))
        target.mkdir()
        (target / "recbole-1.2.1-py3-none-any.whl").write_bytes(packed.getvalue())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    digest = sha256 or hashlib.sha256(packed.getvalue()).hexdigest()
    monkeypatch.setattr(sources, "RECBOLE", catalog.Wheel("recbole==1.2.1", digest, catalog.RECBOLE.member))
    return calls


def test_package_index(home: Path, monkeypatch: pytest.MonkeyPatch, u_data: bytes) -> None:
    calls = _index(monkeypatch, HEADER + u_data)
    train, test = cf.datasets.load("ml-100k", split="u1")
    assert (len(train), len(test)) == (80_000, 20_000)
    (command,) = calls
    assert "download" in command
    assert {"--no-deps", "recbole==1.2.1"} <= set(command)
    assert (cache.cache_folder() / "ml-100k/u.data").read_bytes() == u_data
    assert [path.name for path in home.rglob("*") if path.is_file()] == ["u.data"]


@pytest.mark.parametrize("fault", ["digest", "content", "member"])
def test_package_index_is_not_trusted(
    home: Path, monkeypatch: pytest.MonkeyPatch, u_data: bytes, fault: str
) -> None:
    content = u_data.replace(b"196\t242\t3", b"196\t242\t5", 1) if fault == "content" else u_data
    _index(monkeypatch, HEADER + content, "0" * 64 if fault == "digest" else None)
    if fault == "member":
        changed = catalog.Wheel(catalog.RECBOLE.requirement, sources.RECBOLE.sha256, "elsewhere")
        monkeypatch.setattr(sources, "RECBOLE", changed)
    with pytest.raises(cf.datasets.UnavailableError, match="refused recbole"):
        cf.datasets.load("ml-100k")
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_every_pip_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pip in the environment: the one bundled with Python, then those on the path."""
    import importlib.util
    import shutil

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else found(name))
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}" if name in ("pip", "uv") else None)
    commands = [command for _, command in wheel.pip_commands()]
    assert commands[-2:] == [["/somewhere/pip"], ["/somewhere/uv", "tool", "run", "pip"]]
    assert [sys.executable, "-m", "pip"] not in commands
    tried = []

    def run(command: list[str], **options: Any) -> Any:
        tried.append(command[0])
        assert options["env"]["TMPDIR"] == str(tmp_path)
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no such index\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(wheel.WheelError, match="no such index"):
        wheel.download_wheel("recbole==1.2.1", tmp_path)
    assert len(tried) == len(commands)


def test_two_processes_load_at_once(tmp_path: Path, u_data: bytes) -> None:
    """Both find an empty cache, download at the same time, and leave one complete file."""
    script = """
import sys, pathlib
import cfcore as cf
from cfcore.data import cache, sources
def slow(name, entry, progress):
    with cache.scratch_folder() as scratch:
        part = scratch / "member"
        part.write_bytes(pathlib.Path(sys.argv[1]).read_bytes())
        target = cache.cache_folder() / entry.folder / entry.file
        cache.put(part, target)
        return target
sources.publisher = slow
assert len(cf.datasets.load("ml-100k")) == 100_000
"""
    (tmp_path / "source").write_bytes(u_data)
    environment = {key: value for key, value in os.environ.items() if key != "CFCORE_DATA"}
    environment["CFCORE_CACHE"] = str(tmp_path / "cache")
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Path(cf.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    command = [sys.executable, "-c", script, str(tmp_path / "source")]
    running = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert [path.name for path in (tmp_path / "cache").rglob("*")] == ["ml-100k", "u.data"]


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CFCORE_CACHE", str(tmp_path))
    assert cache.cache_folder() == tmp_path
    monkeypatch.delenv("CFCORE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.cache_folder() == tmp_path / "xdg/cfcore"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.cache_folder() == Path.home() / "Library/Caches/cfcore"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "cfcore/Cache"


def test_an_interrupted_download_leaves_nothing(
    grouplens: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouplens["/ml-1m.zip"] = made_up(monkeypatch)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "put", interrupted)  # the archive has been downloaded and unpacked
    with pytest.raises(KeyboardInterrupt):
        cf.datasets.load("ml-1m")
    assert list((home / "cache").iterdir()) == []


def test_leading_zeros_stay(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MovieTweetings' items are IMDb numbers, "0104257", which integers could not represent."""
    made_up(monkeypatch, "movietweetings", b"1::0104257::9::1\n2::1074638::7::2\n")
    put(home, "movietweetings", b"1::0104257::9::1\n2::1074638::7::2\n")
    monkeypatch.setenv("CFCORE_DATA", str(home))
    ratings = cf.datasets.load("movietweetings")
    assert ratings.items.tolist() == ["0104257", "1074638"]
    assert ratings.users.tolist() == [1, 2]
    assert ratings.scale == (0.0, 10.0)
    assert np.issubdtype(ratings.user_ids.dtype, np.integer)
