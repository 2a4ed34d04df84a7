"""`load`: read a model from a file."""

from __future__ import annotations

import os
from typing import IO, Any

from cfcore import codec
from cfcore.errors import FileFormatError
from cfcore.models.core.model import Model
from cfcore.models.core.params import check_flag
from cfcore.registry import BY_NAME
from cfcore.tensor_file import release

__all__ = ["find_class", "load"]


def load(path: str | os.PathLike[str] | IO[bytes], *, memory_map: bool = False) -> Model:
    """Load a model that ``model.save(path)`` wrote.

    Parameters
    ----------
    path : path-like or file object
        "~" stands for the home folder. A file object, open in binary mode, is read to its end.
    memory_map : bool, default False
        False: the file is read into memory, and whatever happens to it later does not matter. True: arrays of
        64 KiB and more stay in the file and are mapped, so that pages are read when they are used, are shared
        by all processes that map the file, and are given back where memory is short: for models that are
        larger than memory, such as a `BayesianSVD` of many samples, and for many processes with one model.

        The file must then not be changed while the model is used. It may be replaced or removed, as ``save``
        and ``mv`` do it, which leave the mapped file as it was. Writing into the file itself, as ``cp`` and
        ``open(path, "w")`` do, changes predictions, and a shorter file ends the process (SIGBUS).

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
    TypeError, ValueError
        A file object, or a pipe, with ``memory_map=True``.

    Notes
    -----
    The file's checksum is compared with its content, and all arrays are checked, mapped or not: the whole
    file is read once. The model's methods that change it (`fit`, `fold_in`, ``forget``, ...) make new arrays
    in memory, and do not write to the file. Windows refuses to replace a file that is mapped.

    To load a model of your own class, first import the module that defines the class.
    """
    check_flag("memory_map", memory_map)
    header, arrays = codec.read(path, mapped=bool(memory_map))
    for array in arrays.values():  # so that states which share an array hold this object, not views of it
        array.flags.writeable = False
    if "checkpoint" in header:
        raise FileFormatError(f"{codec.name_of(path)}: a checkpoint; fit(..., checkpoint=path) resumes it")
    try:
        model: Model = find_class(header.get("class")).from_content(header, arrays, find_class)
        release(arrays.values())
        return model
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
