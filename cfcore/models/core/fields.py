"""Fields of states: what each may hold is said where it is declared, and checked in one place."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = [
    "PRODUCT",
    "SUM",
    "array",
    "check_kind_and_shape",
    "check_rows",
    "check_values",
    "is_finite",
    "rows_of_some",
]

Array = np.ndarray[Any, Any]

#: Largest size of parameters that are multiplied with each other, and of all others: sums of products of two,
#: and sums, are finite in float32.
PRODUCT, SUM = 1e15, 1e36


def array(
    kinds: str,
    *shape: int | str | None,
    optional: bool = False,
    low: float | None = None,
    high: float | str | None = None,
    order: str = "",
    rows: str = "",
) -> Any:
    """A field of a state that holds an array.

    Parameters
    ----------
    kinds : str
        Kinds of dtype that are allowed, as in ``dtype.kind``: "f", "iu", ...; or the name of a dtype. Of
        floats, float32 and float64 are allowed.
    *shape : int, str or None
        A number; the name of a dimension, the same wherever the state names it (n_users and n_items are those
        of the vocabulary); "name + 1"; or None for any length.
    optional : bool
        Whether it may be None.
    low, high : float, or the name of a dimension, optional
        The lowest and the highest value; a dimension is above the highest. Floats are in [-SUM, SUM] unless
        `high` is given, and in [-high, high] unless `low` is.
    order : {"", "ascending", "bounds of NAME", "nan"}
        "ascending": strictly. "bounds of NAME": compressed rows, ascending from 0 to the dimension NAME.
        "nan": NaN is a value.
    rows : str, optional
        Name of the bounds of the rows in which the values are strictly ascending.

    Notes
    -----
    Kinds and shapes are checked when the state is made; values where it was not made by a fit.
    """
    metadata = {
        "kinds": kinds, "shape": shape, "optional": optional, "low": low, "high": high, "order": order,
        "rows": rows,
    }  # fmt: skip
    if optional:
        return dataclasses.field(default=None, metadata=metadata)
    return dataclasses.field(metadata=metadata)


def check_kind_and_shape(name: str, held: Any, metadata: Mapping[str, Any], sizes: dict[str, int]) -> None:
    """Raise TypeError or ValueError unless an array has a kind and a shape that its field declares.

    `sizes` are those of the dimensions that are known; new ones are added.
    """
    kinds, shape = metadata["kinds"], metadata["shape"]
    if not isinstance(held, np.ndarray):
        raise TypeError(f"{name} must be an ndarray, not {type(held).__name__}")
    exact = kinds[-1:].isdecimal()
    if held.dtype != np.dtype(kinds) if exact else held.dtype.kind not in kinds:
        advice = f"; it should be of {kinds}" if exact else ""
        raise ValueError(f"{name} must not have dtype {held.dtype}{advice}")
    if not held.dtype.isnative or (held.dtype.kind == "f" and held.dtype.char not in "fd"):
        raise ValueError(f"{name} must not have dtype {held.dtype}; it should be of float32 or float64")
    if held.ndim != len(shape):
        raise ValueError(f"{name} must have {len(shape)} dimensions, not {held.ndim}")
    for size, wanted in zip(held.shape, shape, strict=True):
        if wanted is None:
            continue
        symbol, _, more = str(wanted).partition(" + ")
        own = size - int(more or 0)
        expected = int(symbol) if symbol.isdecimal() else sizes.setdefault(symbol, own)
        if own != expected or own < 0:
            raise ValueError(
                f"{name} has shape {held.shape}; it should be ({', '.join(map(str, shape))}) "
                f"with {symbol} = {max(expected, 0)}"
            )


def check_values(state: Any) -> None:
    """Raise ValueError unless the arrays of a state hold what their fields declare."""
    sizes: dict[str, int] = {}
    fields = [field for field in state.array_fields() if getattr(state, field.name) is not None]
    for field in fields:
        check_kind_and_shape(f"{field.name}_", getattr(state, field.name), field.metadata, sizes)
    for field in fields:
        name, held, order = f"{field.name}_", getattr(state, field.name), field.metadata["order"]
        if held.dtype.kind == "O" and not all(type(one) is str for one in held.tolist()):
            raise ValueError(f"{name} holds objects that are no strings")
        if order == "ascending" and not (held[1:] > held[:-1]).all():
            raise ValueError(f"{name} must be ascending, each value once")
        if order.startswith("bounds of "):
            _check_bounds(name, held, order.removeprefix("bounds of "), sizes)
        elif held.dtype.kind in "iuf" and held.size:
            _check_range(name, held, field.metadata, sizes)
    for field in fields:
        bounds = getattr(state, field.metadata["rows"], None) if field.metadata["rows"] else None
        if bounds is not None:
            _check_ascending_rows(f"{field.name}_", getattr(state, field.name), bounds)


def _check_bounds(name: str, held: Array, symbol: str, sizes: Mapping[str, int]) -> None:
    if symbol not in sizes:
        raise ValueError(f"{name} are the bounds of rows that are missing")
    if not len(held) or held[0] != 0 or held[-1] != sizes[symbol] or (held[1:] < held[:-1]).any():
        raise ValueError(f"{name} must ascend from 0 to {sizes[symbol]}, which is {symbol}")


def _check_range(name: str, held: Array, metadata: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    low, high = metadata["low"], metadata["high"]
    if isinstance(high, str):
        high = sizes[high] - 1
    if held.dtype.kind == "f":
        high = SUM if high is None else high
        low = -high if low is None else low
    # Minimum and maximum are NaN if any number is, and so not in the range.
    least, most = (np.fmin, np.fmax) if metadata["order"] == "nan" else (np.minimum, np.maximum)
    lowest, highest = least.reduce(held, axis=None), most.reduce(held, axis=None)
    if metadata["order"] == "nan" and np.isnan(lowest):
        return  # NaN alone
    if not ((low is None or lowest >= low) and (high is None or highest <= high)):
        wrong = lowest if low is not None and not lowest >= low else highest
        allowed = f"in [{low}, {high}]" if high is not None else f"at least {low}"
        if isinstance(metadata["high"], str):
            allowed = f"in [{low}, {sizes[metadata['high']]})"
        if not math.isfinite(wrong):
            raise ValueError(f"{name} must be finite numbers; {wrong} is not finite")
        raise ValueError(f"{name} must be {allowed}, and holds {wrong}")


def _check_ascending_rows(name: str, held: Array, bounds: Array) -> None:
    falls = np.empty(len(held), dtype=bool)
    falls[1:] = held[1:] <= held[:-1]
    falls[bounds[:-1][bounds[:-1] < len(held)]] = False  # the first of a row follows none
    if len(held) and falls.any():
        raise ValueError(f"{name} must be ascending in each row, and falls at {int(falls.argmax())}")


def check_rows(name: str, indptr: Array, members_name: str, members: Array, n_columns: int) -> None:
    """Raise ValueError unless compressed rows are valid: bounds that ascend, columns in [0, n_columns)."""
    if not len(indptr) or indptr[0] != 0 or indptr[-1] != len(members) or (indptr[1:] < indptr[:-1]).any():
        raise ValueError(f"{name} must ascend from 0 to {len(members)}, the length of {members_name}")
    if len(members) and (members.min() < 0 or members.max() >= n_columns):
        raise ValueError(f"{members_name} must be in [0, {n_columns})")


def is_finite(value: Any, limit: float = 3.5e38) -> bool:
    """Whether a value is a number, not a truth value, of at most that size: by default that of float32."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return is_number and bool(-limit <= value <= limit)


def rows_of_some(state: Any, kept: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """The array fields of a state that have rows of users, with those of some users.

    Parameters
    ----------
    state : State
    kept : bool[n_users]

    Returns
    -------
    fields : dict of str to ndarray
        By the declared dimensions: n_users; n_users + 1, bounds of rows or with a last entry of the unknown;
        and all that such bounds are of.
    masks : dict of str to bool[...]
        What is kept, by the name of the dimension.
    """
    fields: dict[str, Array] = {}
    masks = {"n_users": kept}
    held = {field: getattr(state, field.name) for field in state.array_fields()}
    held = {field: array for field, array in held.items() if array is not None}
    for field, array in held.items():
        order = field.metadata["order"]
        if field.metadata["shape"][0] == "n_users + 1" and order.startswith("bounds of "):
            sizes = np.diff(array)
            masks[order.removeprefix("bounds of ")] = np.repeat(kept, sizes)
            fields[field.name] = np.append(0, np.cumsum(sizes[kept])).astype(array.dtype)
    for field, array in held.items():
        first = field.metadata["shape"][0]
        if first in masks:
            fields[field.name] = array[masks[first]]
        elif first == "n_users + 1" and field.name not in fields:
            fields[field.name] = array[np.append(kept, True)]
    return fields, masks
