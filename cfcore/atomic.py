"""Files that appear complete or not at all: what models, checkpoints, tables and reports are written with."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

__all__ = ["check_target", "is_named", "locked", "replacing", "shortened", "sweep"]

#: Errors of a full or failing disk; Python raises them without a file name.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
#: Errors of file systems that cannot lock, or cannot synchronise.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
#: Longest part of a file's name in that of its temporary file; names have at most 255 bytes.
_LONGEST = 120


@contextmanager
def replacing(path: str | os.PathLike[str], *, text: bool = False, clean: bool = True) -> Iterator[IO[Any]]:
    """Open a temporary file that replaces `path` when the block ends, and is removed if it raises.

    A symbolic link is followed: its target is replaced. An existing file gives its permissions, and its owner
    where the process may set it, to the new one. Pipes and character devices, which cannot be replaced, are
    written to. Until the block has ended, other processes find the old file.

    Parameters
    ----------
    path : path-like
        "~" stands for the home folder.
    text : bool
        Open in UTF-8 without translation of line ends; else in binary mode.
    clean : bool
        Whether to remove temporary files that killed processes left of earlier writes to `path`.

    Raises
    ------
    OSError
        The folder does not exist or may not be written to, the file may not be written to or is a folder, a
        block device or a socket, or the disk is full. The message names `path`; an existing file stays.
    """
    shown = os.fsdecode(path)
    target, held = _target(shown)
    if held is not None and not stat.S_ISREG(held.st_mode):
        with _naming(shown, target), _opened(target, text) as file:
            yield file
        return
    if clean:
        sweep(target)
    with _naming(shown, None):
        descriptor, temporary = _create(target)
    done = False
    try:
        with _naming(shown, temporary), _opened(descriptor, text) as file:
            if held is not None:
                _give(descriptor, held)
            yield file
            file.flush()
            _synchronise(descriptor)
            if os.name == "nt":  # where open files cannot be renamed
                file.close()
            # While the file is open, and so locked: nothing removes it before it has its name.
            os.replace(temporary, target)
            done = True
    finally:
        if not done:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def check_target(path: str | os.PathLike[str]) -> None:
    """Raise the OSError of `replacing` that can be known before there is anything to write."""
    shown = os.fsdecode(path)
    target, held = _target(shown)
    folder = os.path.dirname(target)
    if (held is None or stat.S_ISREG(held.st_mode)) and not _may_write(folder):
        raise PermissionError(errno.EACCES, f"Folder {folder} may not be written to", shown)


def sweep(path: str | os.PathLike[str]) -> None:
    """Remove temporary files of `path` whose writers are dead.

    A writer holds a lock on its temporary file as long as it lives, also in another container or, where the
    file system supports it, on another computer. A file without a lock has no writer.
    """
    folder, name = os.path.split(os.path.realpath(os.path.expanduser(os.fsdecode(path))))
    pattern = re.compile(re.escape(f".{shortened(name)}.") + r"\d+\.[0-9a-f]{8}\.tmp")
    try:
        left = [one for one in os.listdir(folder) if pattern.fullmatch(one)]
    except OSError:
        return
    for one in left:
        _remove_if_unlocked(os.path.join(folder, one))


def locked(descriptor: int) -> bool | None:
    """Lock an open file for its descriptor: False if another one holds a lock, None where there are none.

    The lock ends with the descriptor, and so with the process.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def is_named(descriptor: int, path: str) -> bool:
    """Whether an open file still has the name `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


# ---------------------------------------------------------------------- where to write


def _target(shown: str) -> tuple[str, os.stat_result | None]:
    """The file to write, links followed, and what is known of it if it exists; OSError if it cannot be."""
    given = os.path.expanduser(shown)
    try:
        held = os.stat(given)
    except FileNotFoundError:
        held = None
    except OSError as error:
        error.filename = shown
        raise
    target = os.path.realpath(given)
    if held is None:
        folder = os.path.dirname(target)
        if not given or not os.path.isdir(folder):
            raise FileNotFoundError(
                errno.ENOENT, f"There is no folder {folder}" if given else "No name", shown
            )
        if given.endswith(("/", os.sep)):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), shown)
        return target, None
    if stat.S_ISDIR(held.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), shown)
    if stat.S_ISREG(held.st_mode):
        if not _may_write(given):
            raise PermissionError(errno.EACCES, "The file may not be written to", shown)
        if not os.path.exists(target):  # a link of /proc to a file that has no name any more
            raise FileNotFoundError(errno.ENOENT, "The file has been removed", shown)
        return target, held
    if not (stat.S_ISCHR(held.st_mode) or stat.S_ISFIFO(held.st_mode)):
        kind = "a block device" if stat.S_ISBLK(held.st_mode) else "a socket"
        raise OSError(errno.EINVAL, f"Not a file but {kind}", shown)
    return given, held


def _may_write(path: str) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(path, os.W_OK, effective_ids=effective)


# ---------------------------------------------------------------------- the temporary file


def shortened(name: str) -> str:
    """The name, or its beginning and a checksum if that of a temporary file would be too long."""
    encoded = os.fsencode(name)
    if len(encoded) <= _LONGEST:
        return name
    return f"{encoded[:_LONGEST].decode(errors='ignore')}~{zlib.crc32(encoded):08x}"


def _create(target: str) -> tuple[int, str]:
    """A new file beside the target, because renaming is atomic only within a file system; locked."""
    folder, name = os.path.split(target)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    while True:
        temporary = os.path.join(folder, f".{shortened(name)}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        try:
            descriptor = os.open(temporary, flags, 0o666)
        except PermissionError as error:
            raise PermissionError(error.errno, f"Folder {folder} may not be written to", target) from error
        if locked(descriptor) is not False and is_named(descriptor, temporary):
            return descriptor, temporary
        os.close(descriptor)  # another process took it for one that a dead process left


def _remove_if_unlocked(path: str) -> None:
    with contextlib.suppress(OSError):
        if os.name == "nt":
            os.unlink(path)  # fails while the file is open
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            if locked(descriptor):
                os.unlink(path)
        finally:
            os.close(descriptor)


def _give(descriptor: int, held: os.stat_result) -> None:
    """Give a new file the owner and the permissions of the one that it replaces, as far as allowed."""
    if os.name == "nt":
        return
    mode, own = stat.S_IMODE(held.st_mode), os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (held.st_uid, held.st_gid):
        try:
            os.fchown(descriptor, held.st_uid, held.st_gid)
        except OSError:
            mode &= 0o777  # not to run as another user
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, mode)


def _synchronise(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _opened(file: str | int, text: bool) -> IO[Any]:
    if text:
        return open(file, "w", encoding="utf-8", newline="")
    return open(file, "wb")


@contextmanager
def _naming(shown: str, temporary: str | None) -> Iterator[None]:
    """Errors of the temporary file, and of the disk, with the name that the user gave."""
    try:
        yield
    except OSError as error:
        ours = temporary is None or error.filename == temporary
        if ours or (error.filename is None and error.errno in _DISK):
            raise OSError(error.errno, error.strerror, shown) from error
        raise
