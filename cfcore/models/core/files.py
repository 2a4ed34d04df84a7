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


#: Entries of the header of a model, and their types.
CONTENT = (("params", dict), ("scalars", dict), ("absent", list))


def of_kind(header: Any, name: str, kind: type) -> Any:
    """An entry of a header; FileFormatError if it is missing or of another type."""
    if not isinstance(header, dict) or name not in header:
        raise FileFormatError(f"{name} is missing")
    if not isinstance(header[name], kind):
        raise FileFormatError(f"{name} must be a {kind.__name__}, not {type(header[name]).__name__}")
    return header[name]


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
        ValueError
            The model holds what no file may hold: parameters that are not finite, or hyper-parameters out of
            range. The message names them.
        OSError
            The file cannot be written: no such folder, no permission, a full disk. An existing file is
            unchanged.
        """
        here = self.snapshot()
        here._check_fitted()
        try:  # for `load` would refuse it
            here.check_params()
            here._state.verified()
            here._check_state()
        except (TypeError, ValueError) as error:
            raise ValueError(f"this {type(self).__name__} cannot be saved: {error}") from error
        codec.write(path, *here.to_content())

    def _check_state(self) -> None:
        """Raise ValueError if hyper-parameters that predictions depend on disagree with the state."""

    def check_params(self) -> None:
        """Raise ValueError or TypeError, naming the hyper-parameter, for an invalid one."""

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
        model = cls._restored(header, arrays)
        model.check_params()
        model._check_state()
        return model

    @classmethod
    def _restored(cls, header: dict[str, Any], arrays: dict[str, Array]) -> Self:
        """The model with its hyper-parameters, unchecked, and its state, checked."""
        params, scalars, absent = (of_kind(header, *one) for one in CONTENT)
        model = cls(**cls._params_of_file(codec.from_json(params)))
        if not all(isinstance(name, str) for name in absent):
            raise FileFormatError(f"absent must be a list of names, not {absent!r}")
        held: dict[str, Array | None] = {**arrays, **dict.fromkeys(absent)}
        try:
            model._state = cls._state_class.from_file(codec.from_json(scalars), held)
        except KeyError as error:
            raise FileFormatError(f"{error.args[0]} is missing") from error
        return model

    def describe(self) -> dict[str, Any]:
        """Class and hyper-parameters, JSON-able; `from_description` makes an unfitted model of them."""
        return {"class": self._file_name(), "params": codec.to_json(self._file_params())}

    @classmethod
    def from_description(cls, described: dict[str, Any], find_class: FindClass) -> Any:
        """The unfitted model that `describe` described; `find_class` finds a class by its name in files."""
        model = find_class(of_kind(described, "class", str))._of_params(described, find_class)
        model.check_params()
        return model

    @classmethod
    def _of_params(cls, described: dict[str, Any], find_class: FindClass) -> Any:
        return cls(**cls._params_of_file(codec.from_json(of_kind(described, "params", dict))))

    @classmethod
    def _params_of_file(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The hyper-parameters of a file, with those that the version which wrote it did not have."""
        return params

    @classmethod
    def _file_name(cls) -> str:
        """Name of the class in files: without its module for classes of cfcore, with it for others."""
        own = cls.__module__.partition(".")[0] == "cfcore"
        return cls.__name__ if own else f"{cls.__module__}.{cls.__qualname__}"
