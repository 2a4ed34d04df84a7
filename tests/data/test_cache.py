"""The cache of data sets: archives write nowhere else nor fill the disk; altered copies are not taken."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cfcore as cf
from cfcore.data import catalog, sources

ROWS = b"1::2::3::4\n2::2::5::6\n"
ALTERED = b"1::2::1::4\n2::2::5::6\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user and an empty cache, in a folder that nothing else may appear in."""
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("CFCORE_DATA", str(tmp_path / "mine"))
    monkeypatch.setenv("CFCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "publisher", lambda *_: _not_here())
    return tmp_path


def _not_here() -> Any:
    raise sources.NotFound("publisher: unreachable")


def offer(
    monkeypatch: pytest.MonkeyPatch, home: Path, members: dict[Any, bytes], *, md5: str | None = "right"
) -> Path:
    """Put an archive of these members into the folder of the user, and make the catalog expect two rows."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
        for member, content in members.items():
            zipped.writestr(member, content)
    path = home / "mine" / "ml-1m.zip"
    path.write_bytes(packed.getvalue())
    digest = hashlib.md5(packed.getvalue()).hexdigest() if md5 == "right" else md5
    archive = catalog.Archive("ml-1m.zip", ("ml-1m/ratings.dat",), digest)
    entry = replace(catalog.CATALOG["ml-1m"], n_ratings=2, archives=(archive,))
    monkeypatch.setitem(catalog.CATALOG, "ml-1m", entry)
    return path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


CACHED = ["ml-1m/ratings.dat", "ml-1m/ratings.dat.sha256"]


def test_an_archive_of_the_user_is_checked_and_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, home, {"ml-1m/ratings.dat": ROWS, "ml-1m/README": b"x"})
    for _ in range(2):
        assert cf.datasets.load("ml-1m").values.tolist() == [3.0, 5.0]
    assert files(home / "cache") == CACHED
    offer(monkeypatch, home, {"ml-1m/ratings.dat": ROWS}, md5="0" * 32)
    with pytest.raises(cf.DataError, match=r"ml-1m\.zip is not the published archive of ml-1m: its md5"):
        cf.datasets.load("ml-1m")


@pytest.mark.parametrize("change", [ALTERED, ROWS[:-5], b"", ROWS + b"3::2::5::6\n"])
def test_altered_copies_in_the_cache_are_not_taken(
    home: Path, monkeypatch: pytest.MonkeyPatch, change: bytes
) -> None:
    archive = offer(monkeypatch, home, {"ml-1m/ratings.dat": ROWS})
    cf.datasets.load("ml-1m")
    cached = home / "cache/ml-1m/ratings.dat"
    cached.write_bytes(change)
    assert cf.datasets.load("ml-1m").values.tolist() == [3.0, 5.0], "unpacked again"
    cached.write_bytes(change)
    archive.unlink()
    with pytest.raises(cf.datasets.UnavailableError, match=r"ratings\.dat was damaged or altered; removed"):
        cf.datasets.load("ml-1m")
    assert files(home / "cache") == []


def test_a_copy_without_a_record_is_not_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, home, {"ml-1m/ratings.dat": ROWS}).unlink()
    cached = home / "cache/ml-1m/ratings.dat"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(ROWS)
    with pytest.raises(cf.datasets.UnavailableError, match=r"no download recorded its digest.*CFCORE_DATA"):
        cf.datasets.load("ml-1m")
    assert cached.exists(), "it may be the user's"
    cached.parent.rename(home / "mine/ml-1m")
    assert len(cf.datasets.load("ml-1m")) == 2, "in the folder of the user it is taken as it is"


def test_a_changed_archive_without_a_published_digest_is_unpacked_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, home, {"ml-1m/ratings.dat": ROWS}, md5=None)
    assert cf.datasets.load("ml-1m").values.tolist() == [3.0, 5.0]
    assert files(home / "cache") == ["ml-1m/ml-1m.zip.sha256", *CACHED]
    offer(monkeypatch, home, {"ml-1m/ratings.dat": ALTERED}, md5=None)
    assert cf.datasets.load("ml-1m").values.tolist() == [1.0, 5.0]


def test_nothing_is_written_outside_the_cache_by_names_in_an_archive(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = zipfile.ZipInfo("ml-1m/link")
    link.external_attr = 0o120777 << 16
    evil: dict[Any, bytes] = {
        "../../evil": b"x",
        "/tmp/cfcore-evil": b"x",
        "ml-1m/../../evil": b"x",
        link: b"/",
        "ml-1m/ratings.dat": ROWS,
        "ml-1m/../ratings.dat": ALTERED,
    }
    offer(monkeypatch, home, evil)
    assert cf.datasets.load("ml-1m").values.tolist() == [3.0, 5.0]
    assert files(home) == [*(f"cache/{name}" for name in CACHED), "mine/ml-1m.zip"]
    assert not Path("/tmp/cfcore-evil").exists()


def test_ratings_that_are_a_link_in_the_archive(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = home / "secret"
    secret.write_bytes(ROWS)
    link = zipfile.ZipInfo("ml-1m/ratings.dat")
    link.external_attr = 0o120777 << 16
    offer(monkeypatch, home, {link: str(secret).encode()})
    with pytest.raises(cf.DataError, match="removed from the cache"):
        cf.datasets.load("ml-1m")
    assert secret.read_bytes() == ROWS
    assert files(home / "cache") == []


@pytest.mark.parametrize("linked", ["folder", "file", "record"])
def test_links_in_the_cache_are_not_followed(
    home: Path, monkeypatch: pytest.MonkeyPatch, linked: str
) -> None:
    offer(monkeypatch, home, {"ml-1m/ratings.dat": ROWS})
    other = home / "other"
    other.mkdir()
    (other / "ratings.dat").write_bytes(b"mine")
    (home / "cache").mkdir()
    if linked == "folder":
        os.symlink(other, home / "cache/ml-1m")
        with pytest.raises(cf.DataError, match="leads out of the cache"):
            cf.datasets.load("ml-1m")
    else:
        (home / "cache/ml-1m").mkdir()
        name = "ratings.dat" if linked == "file" else "ratings.dat.sha256"
        os.symlink(other / "ratings.dat", home / "cache/ml-1m" / name)
        assert len(cf.datasets.load("ml-1m")) == 2
    assert (other / "ratings.dat").read_bytes() == b"mine"
    assert files(other) == ["ratings.dat"]


def test_archives_that_would_fill_the_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = b"1::2::3::4\n" * 2_000_000
    offer(monkeypatch, home, {"ml-1m/ratings.dat": bomb})
    with pytest.raises(
        cf.DataError, match=r"ratings.dat has 22,000,000 bytes, more than the 1,048,704 it may have"
    ):
        cf.datasets.load("ml-1m")
    assert files(home / "cache") == []
    # An archive that claims less than it holds.
    path = offer(monkeypatch, home, {"ml-1m/ratings.dat": bomb}, md5=None)
    content = path.read_bytes().replace(len(bomb).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(content)
    with pytest.raises(cf.DataError, match=r"refused ml-1m\.zip"):
        cf.datasets.load("ml-1m")
    assert files(home / "cache") == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "no archive", "lacks the member", "encrypted"])
def test_damaged_archives(home: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    member = "elsewhere/ratings.dat" if damage == "lacks the member" else "ml-1m/ratings.dat"
    path = offer(monkeypatch, home, {member: ROWS * 100}, md5=None)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[-30:]
    elif damage == "flipped":
        content[60] ^= 0xFF
    elif damage == "no archive":
        content[:] = b"<html>not found</html>"
    elif damage == "encrypted":
        for begin in (content.find(b"PK\x03\x04") + 6, content.find(b"PK\x01\x02") + 8):
            content[begin] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(cf.DataError, match=r"refused ml-1m\.zip"):
        cf.datasets.load("ml-1m")
    assert files(home / "cache") == []


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("ml-100K", "ml-100k"), ("ML_100K", "ml-100k"), ("movielens-1m", "ml-1m"),
        ("ml-latest-small", "ml-latest-small"), ("Jester", "jester"), ("BookCrossing", "book-crossing"),
        ("netflix-prize", "netflix"), ("MovieTweetings-100K", "movietweetings"),
    ],
)  # fmt: skip
def test_spellings_of_names(spelling: str, name: str) -> None:
    assert catalog.find(spelling) == name


def test_unknown_spellings() -> None:
    for wrong, hint in (("ml-100", "ml-100k"), ("jestr", "jester"), ("book-crosing", "book-crossing")):
        with pytest.raises(
            ValueError, match=rf"unknown data set '{wrong}'; known: .*; did you mean '{hint}'"
        ):
            cf.datasets.load(wrong)
    for wrong in ("lastfm", "", None, 3):
        with pytest.raises(ValueError, match=r"unknown data set .*; known: ml-100k, .*netflix$"):
            cf.datasets.load(wrong)  # type: ignore[call-overload]
