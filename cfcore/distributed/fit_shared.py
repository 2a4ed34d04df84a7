"""`Neighbours`: rows that a task writes into the memory of a task in another process of the same host.

A message of Dask takes time of the thread that runs the event loop of each of both workers. With one core a
worker, that is time of the training. Here the sender copies rows to where they are needed, and what passes
through a socket is their number.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from cfcore.arrays import aligned_zeros

__all__ = ["Neighbours", "SharedRows", "memory_file"]

Array = np.ndarray[Any, Any]

#: Seconds between two looks at whether a worker has been closed.
LOOK = 2.0
#: A message: what it is about, the set of tasks, a number. Answers to `OPEN` are `YES` with a file, or `NO`.
_MESSAGE = struct.Struct("<c32sq")
OPEN, ARRIVED, YES, NO = b"o", b"a", b"y", b"n"


class SharedRows:
    """Rows and biases, zeros at first, in memory that processes to which its file is sent can map.

    Parameters
    ----------
    n, width : int
        Rows start at multiples of 64 bytes.
    dtype : dtype
    file : int, optional
        The descriptor of that of another task, which is closed; by default, a new one.

    Attributes
    ----------
    rows : ndarray, shape (n, width)
    biases : ndarray, shape (n,)
    file : int or None
        To be sent to others; None where there are no such files.
    """

    def __init__(self, n: int, width: int, dtype: Any, file: int | None = None) -> None:
        size = n * (width + 1) * np.dtype(dtype).itemsize
        self.file = file
        if file is None and size:
            with contextlib.suppress(OSError):
                self.file = memory_file(size)
        if self.file is None:
            self.rows, self.biases = aligned_zeros(n, width, dtype), np.zeros(n, dtype)
            return
        held = np.frombuffer(mmap.mmap(self.file, size), dtype)
        self.rows, self.biases = held[: n * width].reshape(n, width), held[n * width :]
        if file is not None:
            self.close()

    def close(self) -> None:
        """Close the file; the rows stay."""
        if self.file is not None:
            os.close(self.file)
            self.file = None


def memory_file(size: int) -> int:
    """The descriptor of a file of zeros in memory, which vanishes with the last process that has it.

    Raises
    ------
    OSError
        The system has no such files, or no memory for it.
    """
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        raise OSError("this system has no files in memory")
    found = os.memfd_create("cfcore")
    try:
        os.ftruncate(found, size)
    except OSError:
        os.close(found)
        raise
    return found


class Neighbours:
    """The sockets of a worker to workers on the same host.

    Names of Unix sockets in the abstract namespace belong to a network namespace, as addresses do, and vanish
    with the process. Only processes of the same user are listened to.

    Parameters
    ----------
    file_of : callable
        Called with the name of a set of tasks; waits for the one on this worker, and returns a descriptor
        of the file of its rows, which is closed after use, or None.
    arrived : callable
        Called with the name of a set and the number of rows that have been written there.
    is_closed : callable
        Whether the worker has been closed; asked every two seconds.

    Attributes
    ----------
    name : str
        By which other workers on this host find it; empty where there are no such sockets.
    """

    def __init__(
        self,
        file_of: Callable[[str], int | None],
        arrived: Callable[[str, int], object],
        is_closed: Callable[[], bool],
    ) -> None:
        self.file_of, self.arrived, self.is_closed = file_of, arrived, is_closed
        self.name = ""
        self.reached: dict[str, socket.socket] = {}  # by name
        self.sending = threading.Lock()
        if sys.platform != "linux":
            return
        name = f"cfcore-{secrets.token_hex(16)}"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(f"\0{name}")
            listening.listen()
        except OSError:
            listening.close()
            return
        self.name = name
        threading.Thread(target=self._listen, args=(listening,), name=name, daemon=True).start()

    def open(self, name: str, token: str, patience: float) -> int | None:
        """A descriptor of the file of rows of another worker's task; None if it cannot be had.

        Parameters
        ----------
        name : str
            Of the `Neighbours` of that worker.
        token : str
            Of the set of tasks.
        patience : float
            Seconds to wait for the task to begin.
        """
        if not (self.name and name):
            return None
        with self.sending:
            try:
                own = self.reached.get(name) or self._connected(name)
                own.settimeout(patience)
                own.sendall(_MESSAGE.pack(OPEN, token.encode(), 0))
                answer, files, _, _ = socket.recv_fds(own, _MESSAGE.size, 1)
            except OSError:
                self._drop(name)
                return None
            except BaseException:  # Ctrl-C: a late answer would be taken for that of another call
                self._drop(name)
                raise
            if answer == _MESSAGE.pack(YES, token.encode(), 0) and files:
                return files[0]
            for file in files:
                os.close(file)
            if answer != _MESSAGE.pack(NO, token.encode(), 0):
                self._drop(name)
            return None

    def tell(self, name: str, token: str, number: int) -> None:
        """Tell a worker that rows have been written there.

        Raises
        ------
        OSError
            The worker is lost.
        """
        with self.sending:
            if name not in self.reached:
                raise ConnectionError("the worker is lost")
            try:
                self.reached[name].sendall(_MESSAGE.pack(ARRIVED, token.encode(), number))
            except BaseException:  # a part of a message may have been sent
                self._drop(name)
                raise

    def _connected(self, name: str) -> socket.socket:
        own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.reached[name] = own
        own.connect(f"\0{name}")
        return own

    def _drop(self, name: str) -> None:
        own = self.reached.pop(name, None)
        if own is not None:
            own.close()

    def _listen(self, listening: socket.socket) -> None:
        listening.settimeout(LOOK)
        with listening:
            while not self.is_closed():
                with contextlib.suppress(TimeoutError):
                    own, _ = listening.accept()
                    threading.Thread(target=self._read, args=(own,), name=self.name, daemon=True).start()
        with self.sending:
            self.name = ""
            for name in list(self.reached):
                self._drop(name)

    def _read(self, own: socket.socket) -> None:
        """Read messages until the other process closes the socket, or ends."""
        with own, contextlib.suppress(OSError):
            own.setblocking(True)
            trusted = is_own(own)
            while trusted and len(message := own.recv(_MESSAGE.size, socket.MSG_WAITALL)) == _MESSAGE.size:
                kind, padded, number = _MESSAGE.unpack(message)
                token = padded.rstrip(b"\0").decode()
                if kind == ARRIVED:
                    self.arrived(token, number)
                elif (file := self.file_of(token)) is None:
                    own.sendall(_MESSAGE.pack(NO, padded, 0))
                else:
                    try:
                        socket.send_fds(own, [_MESSAGE.pack(YES, padded, 0)], [file])
                    finally:
                        os.close(file)


def is_own(own: socket.socket) -> bool:
    """Whether a process of the same user has connected."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", own.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return bool(user == os.getuid())
