"""`Saved`: files of models."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Any, Self

import numpy as np

from cfcore import codec
from cfcore.errors import FileFormatError
from cfcore.models.core.fitted import Fitted
from cfcore.models.core.params import Params

__all__ = ["FindClass", "Saved"]

Array = np.ndarray[Any, Any]

#: Returns the class of a name in a file.
FindClass = Callable[[Any], type[Any]]


class Saved(Params, Fitted):
    """Writes and reads files, which hold the hyper-parameters and the fitted state as arrays and JSON."""

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write the fitted model to a file that `cfcore.load` reads.

        The file is in the safetensors format and holds arrays and JSON, no pickle and no code. A Generator
        given as `random_state` is saved as None; integers and SeedSequences are kept.

        Parameters
        ----------
        path : path-like or file object
            "~" stands for the home folder. The file appears complete or not at all: it replaces an existing
            one, whose permissions it takes, at the end. Of a symbolic link, the target is replaced; pipes and
            character devices are written to. A file object must be open in binary mode, and stays open.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OSError
            The file cannot be written: no such folder, no permission, a full disk. An existing file is
            unchanged.
        """
        here = self.snapshot()
        here._check_fitted()
        codec.write(path, *here.to_content())

    def to_content(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The header and the arrays that `save` writes: for models that hold models."""
        scalars, arrays = self._state.to_file()
        header = {
            "class": self._file_name(),
            "params": codec.to_json(self._file_params()),
            "scalars": codec.to_json(scalars),
            "absent": [name for name, array in arrays.items() if array is None],
        }
        return header, {name: array for name, array in arrays.items() if array is not None}

    def _file_params(self) -> dict[str, Any]:
        """The hyper-parameters that a file holds as JSON."""
        return self.get_params(deep=False)

    @classmethod
    def from_content(cls, header: dict[str, Any], arrays: dict[str, Array], find_class: FindClass) -> Self:
        """The model of a header and arrays of `to_content`; `find_class` finds classes of nested models."""
        model = cls(**codec.from_json(header["params"]))
        held: dict[str, Array | None] = {**arrays, **dict.fromkeys(header["absent"])}
        try:
            model._state = cls._state_class.from_file(codec.from_json(header["scalars"]), held)
        except KeyError as error:
            raise FileFormatError(f"{error.args[0]} is missing") from error
        return model

    def describe(self) -> dict[str, Any]:
        """Class and hyper-parameters, JSON-able; `from_description` makes an unfitted model of them."""
        return {"class": self._file_name(), "params": codec.to_json(self._file_params())}

    @classmethod
    def from_description(cls, described: dict[str, Any], find_class: FindClass) -> Any:
        """The unfitted model that `describe` described; `find_class` finds a class by its name in files."""
        return find_class(described["class"])._of_params(described, find_class)

    @classmethod
    def _of_params(cls, described: dict[str, Any], find_class: FindClass) -> Any:
        return cls(**codec.from_json(described["params"]))

    @classmethod
    def _file_name(cls) -> str:
        """Name of the class in files: without its module for classes of cfcore, with it for others."""
        own = cls.__module__.partition(".")[0] == "cfcore"
        return cls.__name__ if own else f"{cls.__module__}.{cls.__qualname__}"
