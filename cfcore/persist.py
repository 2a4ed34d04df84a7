"""`load`: from a file to the model it holds."""

from __future__ import annotations

import os
from typing import Any

from cfcore import codec
from cfcore.errors import FileFormatError
from cfcore.models.core.model import Model
from cfcore.registry import BY_NAME

__all__ = ["find_class", "load"]


def load(path: str | os.PathLike[str]) -> Model:
    """Load a model that ``model.save(path)`` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Model
        Of the class that was saved, fitted; its predictions are the same to the bit.

    Raises
    ------
    FileFormatError
        The file is damaged, cut short, written by something else, or holds a class not known here. Nothing
        in a file is ever executed.
    OSError
        There is no such file, or it cannot be read.

    Notes
    -----
    A class of your own derived from `Model` is found once the module that defines it is imported.
    """
    header, arrays = codec.read(path)
    for array in arrays.values():  # so that states which share an array all hold this object, no views of it
        array.flags.writeable = False
    if "checkpoint" in header:
        raise FileFormatError(f"{os.fspath(path)}: a checkpoint; fit(..., checkpoint=path) goes on from it")
    try:
        return find_class(header["class"])._from_file(header, arrays, find_class)
    except FileFormatError as error:
        raise FileFormatError(f"{os.fspath(path)}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise FileFormatError(
            f"{os.fspath(path)}: holds no complete {header.get('class', 'model')} as this version of "
            f"cfcore knows it ({type(error).__name__}: {error})"
        ) from error


def find_class(name: Any) -> type[Model]:
    """The class that a file names, or FileFormatError."""
    # Only names in the registry and classes already defined: a file cannot make us import anything.
    if isinstance(name, str) and name in BY_NAME:
        kind: type[Model] = BY_NAME[name].load()
        return kind
    if isinstance(name, str) and name in Model._registry:
        return Model._registry[name]
    raise FileFormatError(f"holds a model of class {name!r}; import the module that defines it, then load")
