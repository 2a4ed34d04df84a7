"""Sources of the file of a data set: the user's folder, the cache, its publisher, a package index.

Sources are tried in this order, and logged (logger "cfcore"). A download goes to a scratch folder inside the
cache, is checked there, and gets its final name only if it is the published file.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from cfcore.data import archives, cache
from cfcore.data.catalog import CATALOG, GROUPLENS, RECBOLE, Archive, Entry
from cfcore.errors import CfcoreError, DataError, first_line

__all__ = ["NotFound", "UnavailableError", "from_cache", "locate", "publisher", "remove"]

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
    """Path of the ratings of a data set, downloaded into the cache if necessary.

    Parameters
    ----------
    name : str
        A key of the catalog.
    progress : bool
        Show a bar while downloading.

    Returns
    -------
    Path
        The file; the folder, where the data set is several files.

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
        + f"Put {entry.file} into a folder {entry.folder} inside the folder that CFCORE_DATA names. "
        f"{entry.advice}".rstrip()
    )


def beside(name: str, path: Path, files: Sequence[str], progress: bool = True) -> dict[str, Path]:
    """Paths of further files of a data set: beside its ratings, in the cache, or of the publisher's archive.

    Raises
    ------
    UnavailableError
        No source has one of them.
    """
    entry = CATALOG[name]
    found = {file: path.parent / file for file in files}
    if not from_cache(path) and all(one.is_file() for one in found.values()):
        return found
    # The same archive as that of the ratings, with other members.
    archive = entry.archives[0]
    folder = archive.members[0].rpartition("/")[0]
    archive = replace(archive, members=tuple(f"{folder}/{file}" for file in files))
    wanted = replace(entry, file=files[0], files=(), archives=(archive,), file_md5=None)
    given = os.environ.get("CFCORE_DATA", "").strip()
    own = Path(given).expanduser() / archive.name if given else None
    tried = []
    try:
        _cached(name, wanted, progress)
    except NotFound as reason:
        tried.append(str(reason))
        try:
            if own is not None and own.is_file():
                _of_archives(name, wanted, [own])
            else:
                publisher(name, wanted, progress)
        except NotFound as other:
            tried.append(str(other))
            raise UnavailableError(
                f"the features of {name!r} were not found. Tried:\n  - there is no "
                f"{' or '.join(str(one) for one in found.values() if not one.is_file())}\n"
                + "".join(f"  - {each}\n" for each in tried)
                + f"Put {', '.join(files)} beside the ratings, in the folder {entry.folder} "
                "of the folder that CFCORE_DATA names."
            ) from None
    return {file: cache.cache_folder() / entry.folder / file for file in files}


def from_cache(path: Path) -> bool:
    """True for a file in the cache folder, which cfcore may remove."""
    return path.resolve().is_relative_to(cache.cache_folder().resolve())


def remove(path: Path) -> None:
    """Remove a file of the cache, or all files of a data set's folder there."""
    for file in [path] if path.is_file() else list(path.iterdir()):
        if file.is_file() and not file.name.endswith(cache.RECORD):
            cache.remove(file)


def _sources(entry: Entry) -> list[Callable[[str, Entry, bool], Path]]:
    found: list[Callable[[str, Entry, bool], Path]] = [user_folder, _cached]
    if entry.archives:
        found.append(publisher)
    if entry.folder == "ml-100k":
        found.append(package_index)
    return found


def user_folder(name: str, entry: Entry, progress: bool) -> Path:
    given = os.environ.get("CFCORE_DATA", "").strip()
    if not given:
        raise NotFound("CFCORE_DATA is not set")
    root = Path(given).expanduser()
    for folder in (root / own for own in (entry.folder, *entry.folders)):
        found = _matching(folder, entry)
        if found is None:
            continue
        if entry.file_md5 and not cache.has_digest(found, "md5", entry.file_md5):
            raise DataError(f"{found} is not the published file of {name}: its md5 is not {entry.file_md5}")
        return found
    own = [root / archive.name for archive in entry.archives]
    if own and all(path.is_file() for path in own):
        return _of_archives(name, entry, own)
    raise NotFound(f"CFCORE_DATA: there is no {root / entry.folder / entry.file}")


def _matching(folder: Path, entry: Entry) -> Path | None:
    """The file of a data set in a folder, or the folder if it holds files of a data set of several."""
    for pattern in (entry.file, *entry.files):
        if any(path.is_file() for path in folder.glob(pattern)):
            return folder if "*" in pattern else folder / pattern
    return None


def _of_archives(name: str, entry: Entry, paths: list[Path]) -> Path:
    """The data set out of archives that the user downloaded, unpacked in the cache."""
    for path, archive in zip(paths, entry.archives, strict=True):
        if archive.md5 and not cache.has_digest(path, "md5", archive.md5):
            raise DataError(f"{path} is not the published archive of {name}: its md5 is not {archive.md5}")
    with contextlib.suppress(NotFound):
        if entry.archives[0].md5 or all(_is_recorded(path, entry) for path in paths):
            return _cached(name, entry, False)
    with _scratch_folder() as scratch:
        for path, archive in zip(paths, entry.archives, strict=True):
            try:
                _unpack(path, archive, entry, scratch)
            except NotFound as reason:
                raise DataError(f"CFCORE_DATA: {reason}") from None
    return _cached(name, entry, False)


def _is_recorded(archive: Path, entry: Entry) -> bool:
    digest = cache.recorded(cache.cache_folder() / entry.folder / archive.name)
    return digest is not None and cache.has_digest(archive, "sha256", digest)


def _cached(name: str, entry: Entry, progress: bool) -> Path:
    folder = cache.cache_folder() / entry.folder
    members = [PurePosixPath(member).name for archive in entry.archives for member in archive.members]
    paths = [folder / member for member in members or [entry.file]]
    for path in paths:
        if not path.is_file():
            raise NotFound(f"cache: there is no {path}")
        if entry.file_md5:
            if cache.has_digest(path, "md5", entry.file_md5):
                continue
        elif cache.recorded(path) is None:
            raise NotFound(
                f"cache: {path} was not taken, as no download recorded its digest; a file of your own "
                "belongs into the folder that CFCORE_DATA names"
            )
        elif cache.is_as_recorded(path):
            continue
        cache.remove(path)
        raise NotFound(f"cache: {path} was damaged or altered; removed")
    if len(paths) == 1:
        return paths[0]
    for pattern in (entry.file, *entry.files):  # the reader would take files that nothing was recorded of
        strange = next((path for path in folder.glob(pattern) if path not in paths), None)
        if strange is not None and not strange.name.endswith(cache.RECORD):
            raise NotFound(f"cache: {strange} is not from a download; remove it")
    return folder


def publisher(name: str, entry: Entry, progress: bool) -> Path:
    """The data set from its publisher: GroupLens, or the address in the catalog."""
    for archive in entry.archives:
        _download(name, entry, archive, progress)
    return _cached(name, entry, progress)


def _download(name: str, entry: Entry, archive: Archive, progress: bool) -> None:
    url = archive.url if "://" in archive.url else f"{GROUPLENS}{archive.url}"
    place = "GroupLens" if url.startswith(GROUPLENS) else urlsplit(url).hostname
    try:
        import pooch
        import requests
    except ImportError:
        raise NotFound(f"{place}: skipped, pooch is not installed (pip install 'cfcore[data]')") from None
    before = cache.recorded(cache.cache_folder() / entry.folder / archive.name)
    known = f"md5:{archive.md5}" if archive.md5 else before and f"sha256:{before}"
    logger.info("%s: downloading %s", name, url)
    with _scratch_folder() as scratch, _bar(name, progress) as bar:
        downloader = pooch.HTTPDownloader(
            progressbar=bar, chunk_size=1 << 16, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)
        )
        try:
            path = pooch.retrieve(url, known, fname=archive.name, path=scratch, downloader=downloader)
        except requests.RequestException as error:
            raise NotFound(f"{place}: {url}: {first_line(error)}") from None
        except ValueError as error:  # pooch found another digest, and has removed the file
            again = (
                ""
                if archive.md5
                else (
                    "; it was another file before: if the publisher replaced it, remove "
                    f"{cache.cache_folder() / entry.folder}"
                )
            )
            raise NotFound(f"{place}: refused the download, {first_line(error)}{again}") from None
        _unpack(Path(path), archive, entry, scratch)


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
        about = Archive(wheel.name, (RECBOLE.member,), entry.file_md5)
        _unpack(wheel, about, entry, scratch, drop_header=True)
    return _cached(name, entry, progress)


def _unpack(archive: Path, about: Archive, entry: Entry, scratch: Path, *, drop_header: bool = False) -> None:
    """Put the members of an archive into the cache, under the names of the catalog."""
    folder, part = cache.cache_folder() / entry.folder, scratch / "member"
    for member in about.members:
        name = entry.file if entry.file_md5 else PurePosixPath(member).name
        try:
            digest = archives.copy_member(archive, member, part, entry.most_bytes, drop_header=drop_header)
        except archives.ArchiveError as error:
            raise NotFound(f"refused {archive.name}: {error}") from None
        if entry.file_md5 and not cache.has_digest(part, "md5", entry.file_md5):
            raise NotFound(f"refused {archive.name}: the md5 of {member} is not {entry.file_md5}")
        try:
            cache.put(part, folder / name, None if entry.file_md5 else digest)
        except OSError as error:
            raise NotFound(f"{archive.name}: {error}") from None
    if about.md5 is None:
        with open(archive, "rb") as file:
            cache.record(folder / about.name, hashlib.file_digest(file, "sha256").hexdigest())
