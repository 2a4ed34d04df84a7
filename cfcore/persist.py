"""`load`: read a model from a file."""

from __future__ import annotations

import os
from typing import IO, Any

from cfcore import codec
from cfcore.errors import FileFormatError
from cfcore.models.core.model import Model
from cfcore.registry import BY_NAME

__all__ = ["find_class", "load"]


def load(path: str | os.PathLike[str] | IO[bytes]) -> Model:
    """Load a model that ``model.save(path)`` wrote.

    Parameters
    ----------
    path : path-like or file object
        "~" stands for the home folder. A file object, open in binary mode, is read to its end. The file is
        read into memory, so that it may be replaced or removed afterwards.

    Returns
    -------
    Model
        Fitted, of the class that was saved; its predictions are the same to the bit.

    Raises
    ------
    FileFormatError
        The file is damaged or truncated, was not written by cfcore, or holds a model of an unknown class.
        Nothing in a file is ever executed.
    OSError
        The file does not exist or cannot be read.

    Notes
    -----
    To load a model of your own class, first import the module that defines the class.
    """
    header, arrays = codec.read(path)
    for array in arrays.values():  # so that states which share an array hold this object, not views of it
        array.flags.writeable = False
    if "checkpoint" in header:
        raise FileFormatError(f"{codec.name_of(path)}: a checkpoint; fit(..., checkpoint=path) resumes it")
    try:
        return find_class(header.get("class")).from_content(header, arrays, find_class)
    except FileFormatError as error:
        raise FileFormatError(f"{codec.name_of(path)}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{codec.name_of(path)}: holds no valid {header.get('class', 'model')} for this version of "
            f"cfcore ({type(error).__name__}: {error})"
        ) from error


def find_class(name: Any) -> type[Model]:
    """The class of a name in a file; FileFormatError if there is none."""
    # Only names in the registry and classes already defined: a file must not cause other imports.
    if isinstance(name, str) and name in BY_NAME:
        kind: type[Model] = BY_NAME[name].load()
        return kind
    if isinstance(name, str) and name in Model._registry:
        return Model._registry[name]
    raise FileFormatError(f"holds a model of class {name!r}; import the module that defines it, then load")
