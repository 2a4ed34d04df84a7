"""Algorithms and predictions in files, as of scikit-surprise, but without pickles where none is needed."""

from __future__ import annotations

import os
import pickle as pickles
import warnings
from typing import Any

from cfcore import atomic, codec
from cfcore.adapters.surprise.stored import Restoring, Storing, is_built_in
from cfcore.errors import FileFormatError

__all__ = ["dump", "load"]

#: First byte of pickles.
_PICKLE = b"\x80"
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def dump(
    file_name: str | os.PathLike[str],
    predictions: list[Any] | None = None,
    algo: Any = None,
    verbose: int = 0,
    *,
    pickle: bool = False,
) -> None:
    """Write predictions, or an algorithm, or both, to a file, which `load` reads.

    Parameters
    ----------
    file_name : path-like
    predictions : list of Prediction, optional
    algo : AlgoBase, optional
    verbose : int
        With 1, the name of the file is printed.
    pickle : bool
        Allows a pickle, where an algorithm of your own or ids of unusual types cannot be stored otherwise.
        **Loading a pickle runs the code in it.** Built-in algorithms are stored as arrays all the
        same.

    Raises
    ------
    TypeError
        The algorithm is not built in, or a value is of a type that only pickles store.
    OSError
        The file cannot be written.
    """
    try:
        header, arrays = _stored(predictions, algo)
    except TypeError as error:
        if not pickle:
            raise TypeError(
                f"{error}; dump(..., pickle=True) pickles it, load(..., pickle=True) reads it"
            ) from None
        warnings.warn(
            f"{os.fspath(file_name)} is a pickle ({error}): loading it runs the code in it",
            stacklevel=2,
        )
        with atomic.replacing(file_name) as file:
            pickles.dump({"predictions": predictions, "algo": algo}, file)
    else:
        codec.write(file_name, header, arrays)
        if _first_byte(file_name) == _PICKLE:  # by chance: programs that look for pickles would be misled
            codec.write(file_name, header | {"padding": " " * 8}, arrays)
    if verbose:
        print("The dump has been saved as file", file_name)


class _Unpickler(pickles.Unpickler):
    """Makes the classes of this package where a pickle names those of scikit-surprise."""

    def find_class(self, module: str, name: str) -> Any:
        ours = module == "surprise" or module.startswith("surprise.")
        return super().find_class(f"cfcore.{module}" if ours else module, name)


def _stored(predictions: Any, algo: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and arrays of a file."""
    storing, content = Storing(), {"predictions": None, "algo": None}
    if algo is not None:
        if not is_built_in(algo):
            raise TypeError(f"{type(algo).__name__} is not one of the built-in algorithms")
        content["algo"] = storing.algorithm(algo)  # type: ignore[assignment]
    if predictions is not None:
        content["predictions"] = storing.predictions(list(predictions))  # type: ignore[assignment]
    return {"surprise": content}, storing.arrays


def load(file_name: str | os.PathLike[str], *, pickle: bool = False) -> tuple[list[Any] | None, Any]:
    """Read a file of `dump`.

    Parameters
    ----------
    file_name : path-like
    pickle : bool
        Allows to read a pickle, such as those that scikit-surprise writes, whose algorithms are then those of
        this package. **This runs code that is in the file**: only for files from those you trust.

    Returns
    -------
    predictions : list of Prediction or None
    algo : AlgoBase or None

    Raises
    ------
    FileFormatError
        The file is a pickle, and `pickle` is False; or it is damaged, or another file.
    OSError
        The file cannot be read.
    """
    with open(file_name, "rb") as file:
        start = file.read(9)
    if _is_pickle(start):
        if not pickle:
            raise FileFormatError(
                f"{os.fspath(file_name)}: a pickle, as scikit-surprise writes it; loading a pickle "
                f"runs the code in it. If you trust the file: load(..., pickle=True)"
            )
        with open(file_name, "rb") as file:
            content = _Unpickler(file).load()
        return content["predictions"], content["algo"]
    header, arrays = codec.read(file_name)
    try:
        content, restoring = header["surprise"], Restoring(arrays)
        algo = None if content["algo"] is None else restoring.algorithm(content["algo"])
        kept = content["predictions"]
        return None if kept is None else restoring.predictions(kept), algo
    except _DAMAGE as error:
        raise FileFormatError(
            f"{os.fspath(file_name)}: damaged, or not a file that surprise.dump wrote ({error!r})"
        ) from error


def _first_byte(file_name: str | os.PathLike[str]) -> bytes:
    with open(file_name, "rb") as file:
        return file.read(1)


def _is_pickle(start: bytes) -> bool:
    """By the first bytes: a file of arrays has the length of its header there, and then a brace."""
    return start[:1] in (_PICKLE, b"(", b"c", b"}", b"]") and start[8:9] != b"{"
