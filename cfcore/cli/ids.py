"""Ids on the command line, which are text, as ids of the kind of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.data.ids import are_strings
from cfcore.data.kinds import WHOLE
from cfcore.errors import DataError

if TYPE_CHECKING:
    from cfcore.models.core.model import Model

__all__ = ["as_ids", "kinds_fixed", "kinds_of"]

Array = np.ndarray[Any, Any]


def kinds_of(model: Model) -> dict[str, type]:
    """The kinds of the ids of a model's users and items, as readers take them: int or str."""
    return {kind: str if are_strings(getattr(model, f"{kind}_ids_")) else int for kind in ("user", "item")}


def as_ids(model: Model, kind: str, words: Sequence[str]) -> Array:
    """Ids of the model's kind: text becomes integers if the model's ids are integers.

    Raises
    ------
    DataError
        A text is no integer as the readers of ratings understand it: 007, 1_0 and digits of other scripts
        are strings.
    """
    if kinds_of(model)[kind] is str:
        return np.array(words, dtype=object)
    words = [word.partition(".")[0] if WHOLE.fullmatch(word) else word for word in words]
    wrong = next((word for word in words if not _is_integer(word)), None)
    if wrong is not None:
        raise DataError(
            f"{kind}: {wrong!r} is no integer (of 64 bits, without leading zeros), but the {kind} ids of the "
            "model are integers"
        )
    return np.array([int(word) for word in words], dtype=np.int64)


#: Advice of readers that would take other ids than the model has, and what to say in its place.
_ADVICE = (
    (re.compile(r", and ids=(int|str) was given"), ", but the ids of the model are integers"),
    (re.compile(r", or take all ids of the column as strings by ids=str"), ""),
    (re.compile(r"; ids=str (takes|keeps|says) [^;]*"), ""),
)


@contextmanager
def kinds_fixed(fixed: bool = True) -> Iterator[None]:
    """Leave advice to pass ``ids=`` out of errors, if the ids must be of the kinds of the model."""
    if not fixed:
        yield
        return
    try:
        yield
    except DataError as error:
        text = str(error)
        for advice, instead in _ADVICE:
            text = advice.sub(instead, text)
        raise DataError(text) from None


def _is_integer(word: str) -> bool:
    try:
        return len(word) <= 20 and str(int(word)) == word and -(2**63) <= int(word) < 2**63
    except ValueError:
        return False
