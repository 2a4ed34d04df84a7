"""`Checkpoint`: a file from which an interrupted fit resumes, to the same bits."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

import cfcore
from cfcore import atomic, codec
from cfcore.data import Ratings
from cfcore.errors import DataError, FileFormatError
from cfcore.models.core.checkpoint_lock import CheckpointLock

Array = np.ndarray[Any, Any]

#: Hyper-parameters that do not change the result, so that they may differ.
FREE = ("n_threads", "verbose")


class Checkpoint:
    """The file given as ``fit(..., checkpoint=path)``: read when the fit begins, written after each epoch.

    A fit that resumes repeats its set-up with the generator in its initial state, which gives the same layout
    of the data. Then arrays and generator are restored to their states after the last epoch in the file.

    Parameters
    ----------
    path : path-like
    identity : dict of str to JSON-able
        Properties that must be the same in both fits, under names for messages; see `identity_of`.

    Raises
    ------
    DataError
        The file is the checkpoint of another fit; the message names the differences.
    FileFormatError
        The file is damaged or not a checkpoint.
    OSError
        The file cannot be read or written, its folder does not exist, or another fit is using it; the message
        names its process.
    """

    def __init__(self, path: str | os.PathLike[str], identity: dict[str, Any]) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"checkpoint must be a path, not {type(path).__name__}")
        self._path = Path(os.path.expanduser(path))
        self._identity = identity
        self._rng: np.random.Generator | None = None
        self._first: Any = None  # state of the generator when the fit began
        self._saved: tuple[dict[str, Any], dict[str, Array]] | None = None
        if not self._path.parent.is_dir():
            raise FileNotFoundError(f"checkpoint: there is no folder {self._path.parent}")
        if not os.path.exists(self._path):
            atomic.check_target(self._path)  # now, not after the first epoch
        self._lock = CheckpointLock(os.fspath(self._path))
        try:
            atomic.sweep(self._path)
            if os.path.exists(self._path):
                self._saved = self._read()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other fits use the file."""
        self._lock.release()

    def _read(self) -> tuple[dict[str, Any], dict[str, Array]]:
        header, arrays = codec.read(self._path)
        if "checkpoint" not in header:
            raise FileFormatError(f"{self._path}: holds a fitted model, not a checkpoint")
        identity: Any = header["checkpoint"]
        state: Any = header.get("state")
        for name, held in (("checkpoint", identity), ("state", state)):
            if not isinstance(held, dict):
                raise FileFormatError(f"{self._path}: {name} is missing, or no object")
        names = [*self._identity, *(name for name in identity if name not in self._identity)]
        differing = [
            name for name in names
            if name not in identity or name not in self._identity or identity[name] != self._identity[name]
        ]  # fmt: skip
        if differing:
            details = ", ".join(_difference(name, identity, self._identity) for name in differing)
            raise DataError(
                f"{self._path}: the checkpoint of another fit, which differs in {details}. Call fit with "
                "the arguments of that fit to resume it, or with another path to start anew"
            )
        return state, arrays

    def watch(self, rng: np.random.Generator) -> None:
        """Record the initial state of the fit's generator, or restore that of the fit in the file."""
        self._rng = rng
        if self._saved is None:
            self._first = _plain(rng.bit_generator.state)
        else:
            self._first = self._saved[0].get("first")
            self._set_generator(self._first, "first")

    def write(self, state: dict[str, Any], groups: dict[str, dict[str, Array]]) -> None:
        """Write the progress of the fit; the file replaces the previous one atomically."""
        now = None if self._rng is None else _plain(self._rng.bit_generator.state)
        header = {
            "checkpoint": self._identity,
            "state": {**codec.to_json(state), "first": self._first, "now": now},
        }
        arrays = {f"{group}.{name}": array for group, of in groups.items() for name, array in of.items()}
        codec.write(self._path, header, arrays, clean=False)

    def restore(self, groups: dict[str, dict[str, Array]]) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """Restore arrays and generator from the file; None if there is no file.

        Parameters
        ----------
        groups : dict of str to dict of str to ndarray
            As for `write`; the arrays are overwritten.

        Returns
        -------
        state : dict
            As given to `write`.
        rest : dict of str to ndarray
            The arrays of a group that is not in `groups`, under their own names.
        """
        if self._saved is None:
            return None
        (state, arrays), self._saved = self._saved, None
        for group, members in groups.items():
            for name, array in members.items():
                saved = arrays.pop(f"{group}.{name}", None)
                if saved is None or saved.shape != array.shape or saved.dtype != array.dtype:
                    raise FileFormatError(
                        f"{self._path}: {name} is missing, or not of the shape and dtype of this fit"
                    )
                array[...] = saved
        rest = {name.removeprefix("kept."): array for name, array in arrays.items()}
        extra = [name for name in arrays if not name.startswith("kept.")]
        if extra:
            raise self.refuse(extra[0], "is not an array of this fit")
        if self._rng is not None:
            self._set_generator(state.get("now"), "now")
        try:
            return codec.from_json(state), rest
        except ValueError as error:
            raise self.refuse("state:", str(error)) from error

    def refuse(self, field: str, reason: str) -> FileFormatError:
        """The error for a field of the file that does not fit this fit."""
        return FileFormatError(f"{self._path}: {field} {reason}")

    def _set_generator(self, state: Any, name: str) -> None:
        assert self._rng is not None
        own = type(self._rng.bit_generator).__name__
        if not isinstance(state, dict) or state.get("bit_generator") != own:
            raise self.refuse(name, f"is not the state of a generator {own}")
        try:
            self._rng.bit_generator.state = state
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{self._path}: {name} is no state of a generator {own}: {error}"
            ) from error


def identity_of(
    name: str,
    params: dict[str, Any],
    train: Ratings,
    validation: Ratings | None,
    early_stopping: int | None,
    extra: dict[str, Any],
) -> dict[str, Any]:
    """Properties that identify a fit: model, hyper-parameters, data, and versions of cfcore and NumPy.

    A Generator is identified by its kind, because its state changes during a fit.
    """
    identity: dict[str, Any] = {"model": name}
    for key, value in params.items():
        if isinstance(value, np.random.Generator):
            identity[key] = f"Generator({type(value.bit_generator).__name__})"
        elif isinstance(value, (np.random.BitGenerator, np.random.RandomState)):
            identity[key] = type(value).__name__
        elif key not in FREE:
            identity[key] = codec.to_json(value, key)
    identity |= {"training ratings": digest(train), "validation ratings": digest(validation)}
    identity |= {"early_stopping": codec.to_json(early_stopping)}
    identity |= {f"{key} given to fit": digest(value) for key, value in extra.items()}
    # Streams of a Generator may change from one minor version of NumPy to the next.
    numpy = ".".join(np.__version__.split(".")[:2])
    return identity | {"version of cfcore": cfcore.__version__, "version of NumPy": numpy}


def _difference(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    if name.endswith(("ratings", "given to fit")):
        return f"the {name}"
    return f"{name} ({theirs.get(name)!r} there, {ours.get(name)!r} here)"


def digest(value: Any) -> str | None:
    """Hash of ratings, of an array, or of tuples of them and plain values."""
    if value is None:
        return None
    hasher = hashlib.blake2b(digest_size=16)
    _feed(hasher, value)
    return hasher.hexdigest()


def _feed(hasher: Any, value: Any) -> None:
    if isinstance(value, Ratings):
        value = (
            value.user_ids, value.item_ids, value.user_codes, value.item_codes, value.values,
            value.timestamps, tuple(map(float, value.scale)),
        )  # fmt: skip
    if hasattr(value, "encoding"):  # Features
        value = (value.ids, value.indptr, value.indices, value.values, value.names)
    if isinstance(value, tuple):
        hasher.update(f"({len(value)}".encode())
        for part in value:
            _feed(hasher, part)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        hasher.update(f"{value.dtype.str}{value.shape}".encode())
        hasher.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    else:
        hasher.update(repr(value.tolist() if isinstance(value, np.ndarray) else value).encode())


def _plain(value: Any) -> Any:
    """State of a generator as JSON values, in which form generators accept it."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
