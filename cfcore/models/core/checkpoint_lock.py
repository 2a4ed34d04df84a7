"""`CheckpointLock`: one fit at a time for a checkpoint."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from cfcore import atomic

__all__ = ["CheckpointLock"]


class CheckpointLock:
    """A lock on a file beside the checkpoint, which ends with the fit or with its process.

    Where a lock cannot be had, because the folder may not be written to or the file system has none, there is
    none.

    Raises
    ------
    OSError
        Another fit has the lock; the message names its process.
    """

    def __init__(self, path: str) -> None:
        folder, name = os.path.split(os.path.realpath(path))
        self._path = os.path.join(folder, f".{atomic.shortened(name)}.lock")
        self._descriptor = self._acquired(path)

    def _acquired(self, checkpoint: str) -> int | None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        while True:
            try:
                descriptor = os.open(self._path, flags, 0o666)
            except OSError:
                return None
            found = atomic.locked(descriptor)
            if found is False:
                owner = os.read(descriptor, 1000).decode(errors="replace").strip() or "another process"
                os.close(descriptor)
                raise OSError(
                    errno.EBUSY,
                    f"The checkpoint is in use by a fit in {owner}; wait for its end, or name another file",
                    checkpoint,
                )
            # The last owner may have removed it between the two calls.
            if atomic.is_named(descriptor, self._path):
                break
            os.close(descriptor)
        with contextlib.suppress(OSError):  # a full disk: only the name of the process is missing then
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        return descriptor

    def release(self) -> None:
        """Remove the file and its lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if os.name == "nt":  # where open files cannot be removed
            os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(self._path)  # while the lock is held: no other process can hold one on this file
        if os.name != "nt":
            os.close(descriptor)
