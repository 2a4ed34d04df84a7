"""Sources of the file of a data set: the user's folder, the cache, its publisher, a package index.

Sources are tried in this order, and logged (logger "cfcore"). A download goes to a scratch folder inside the
cache, is checked there, and gets its final name only if it is the published file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from cfcore.data import cache
from cfcore.data.catalog import CATALOG, GROUPLENS, RECBOLE, Entry
from cfcore.errors import CfcoreError, DataError

__all__ = ["NotFound", "UnavailableError", "from_cache", "grouplens", "locate"]

logger = logging.getLogger("cfcore")

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0


class UnavailableError(CfcoreError, FileNotFoundError):
    """No source has the data set; the message says what was tried and what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotFound(Exception):
    """A source does not have the file, for the reason in the message; the next is tried."""


def locate(name: str, progress: bool = True) -> Path:
    """Path of the ratings file of a data set, downloaded into the cache if necessary.

    Parameters
    ----------
    name : str
        A key of the catalog.
    progress : bool
        Show a bar while downloading.

    Raises
    ------
    UnavailableError
        When no source has it.
    DataError
        When the copy in CFCORE_DATA is not the published file.
    """
    entry = CATALOG[name]
    tried = []
    for source in _sources(entry):
        try:
            path = source(name, entry, progress)
        except NotFound as reason:
            logger.info("%s: %s", name, reason)
            tried.append(str(reason))
        else:
            logger.info("%s: reading %s", name, path)
            return path
    raise UnavailableError(
        f"data set {name!r} was not found. Tried:\n"
        + "".join(f"  - {reason}\n" for reason in tried)
        + f"Put {entry.file} into a folder {entry.folder} inside the folder that CFCORE_DATA names, or into "
        f"{cache.cache_folder() / entry.folder}. {entry.advice}".rstrip()
    )


def from_cache(path: Path) -> bool:
    """True for a file in the cache folder, which cfcore may remove."""
    return path.resolve().is_relative_to(cache.cache_folder().resolve())


def _sources(entry: Entry) -> list[Callable[[str, Entry, bool], Path]]:
    found: list[Callable[[str, Entry, bool], Path]] = [user_folder, _cached]
    if entry.archive_md5 is not None:
        found.append(grouplens)
    if entry.folder == "ml-100k":
        found.append(package_index)
    return found


def user_folder(name: str, entry: Entry, progress: bool) -> Path:
    folder = os.environ.get("CFCORE_DATA", "").strip()
    if not folder:
        raise NotFound("CFCORE_DATA is not set")
    path = Path(folder).expanduser() / entry.folder / entry.file
    if not path.is_file():
        raise NotFound(f"CFCORE_DATA: there is no {path}")
    if entry.file_md5 and not cache.has_digest(path, "md5", entry.file_md5):
        raise DataError(f"{path} is not the published file of {name}: its md5 is not {entry.file_md5}")
    return path


def _cached(name: str, entry: Entry, progress: bool) -> Path:
    path = cache.cache_folder() / entry.folder / entry.file
    if not path.is_file():
        raise NotFound(f"cache: there is no {path}")
    if entry.file_md5 and not cache.has_digest(path, "md5", entry.file_md5):
        path.unlink(missing_ok=True)
        raise NotFound(f"cache: {path} was damaged; removed")
    return path


def grouplens(name: str, entry: Entry, progress: bool) -> Path:
    url = f"{GROUPLENS}{name}.zip"
    try:
        import pooch
        import requests
    except ImportError:
        raise NotFound("GroupLens: skipped, pooch is not installed (pip install 'cfcore[data]')") from None
    logger.info("%s: downloading %s", name, url)
    with _scratch_folder() as scratch, _bar(name, progress) as bar:
        downloader = pooch.HTTPDownloader(
            progressbar=bar, chunk_size=1 << 16, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)
        )
        try:
            archive = pooch.retrieve(
                url, f"md5:{entry.archive_md5}", fname=f"{name}.zip", path=scratch, downloader=downloader
            )
        except requests.RequestException as error:
            raise NotFound(f"GroupLens: {url}: {_first_line(error)}") from None
        except ValueError as error:  # pooch found another digest, and has removed the file
            raise NotFound(f"GroupLens: refused the download, {_first_line(error)}") from None
        return _unpack(Path(archive), f"{entry.folder}/{entry.file}", entry, scratch)


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            scratch = stack.enter_context(cache.scratch_folder())
        except OSError as error:
            raise NotFound(f"download: the cache cannot be written to ({error})") from None
        yield scratch


def _bar(name: str, progress: bool) -> AbstractContextManager[Any]:
    if not progress:
        return nullcontext(False)
    from tqdm.auto import tqdm

    # pooch sets the true total. It also evaluates bool(bar), which raises for a bar without a total.
    return tqdm(total=1, desc=f"download {name}", unit="B", unit_scale=True, leave=False)


def package_index(name: str, entry: Entry, progress: bool) -> Path:
    """The copy of u.data in a wheel on PyPI, which is downloaded and never installed."""
    from cfcore.data.wheel import WheelError, download_wheel

    logger.info("%s: downloading %s from the package index", name, RECBOLE.requirement)
    with _scratch_folder() as scratch:
        try:
            wheel = download_wheel(RECBOLE.requirement, scratch)
        except WheelError as error:
            raise NotFound(f"package index: {error}") from None
        if not cache.has_digest(wheel, "sha256", RECBOLE.sha256):
            raise NotFound(f"package index: refused {wheel.name}, its sha256 is not {RECBOLE.sha256}")
        return _unpack(wheel, RECBOLE.member, entry, scratch, drop_header=True)


def _unpack(archive: Path, member: str, entry: Entry, scratch: Path, drop_header: bool = False) -> Path:
    """Extract one member of a zip archive into the cache; zipfile checks its CRC, this its digest."""
    import zipfile

    target = cache.cache_folder() / entry.folder / entry.file
    part = scratch / "member"
    try:
        with zipfile.ZipFile(archive) as zipped, zipped.open(member) as source, open(part, "wb") as out:
            if drop_header:
                source.readline()
            while block := source.read(1 << 22):
                out.write(block)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise NotFound(f"refused {archive.name}: {_first_line(error)}") from None
    if entry.file_md5 and not cache.has_digest(part, "md5", entry.file_md5):
        raise NotFound(f"refused {archive.name}: the md5 of {member} is not {entry.file_md5}")
    cache.put(part, target)
    return target


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
