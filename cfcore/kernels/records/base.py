"""`Record`: what the records of all rooms have in common.

A record is a frozen dataclass of arrays and numbers. It checks itself once, when it is made: kinds, dtypes,
layout in memory, shapes that fit together, codes and bounds in range. A kernel then checks only what the call
alone can know. The arrays of a record must not be replaced or resized while it is in use, and codes and
bounds in them must not be changed: kernels read them without another check.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

__all__ = [
    "FLOATING",
    "Array",
    "Record",
    "array",
    "check_aligned",
    "check_apart",
    "check_codes",
    "check_compressed",
    "check_row_length",
    "check_seed",
    "check_span",
    "check_written",
    "dimension",
    "integer",
    "real",
]

Array = np.ndarray[Any, Any]

#: Where an array lies in memory: first byte, end, whether it is written, and its name in errors.
Extent = tuple[int, int, bool, str]

#: Largest number of codes, rows or columns; entries of one-dimensional arrays may be more.
MOST = 2**31 - 1

#: Dtype of arrays that are float32 or float64, the same in the whole record.
FLOATING = "floating"


def array(dtype: Any, *shape: int | str | None, written: bool = False, optional: bool = False) -> Any:
    """A field that holds an array.

    Parameters
    ----------
    dtype : dtype-like or "floating"
    *shape : int, str or None
        A number; the name of a dimension, which is the same wherever the record names it; "name + 1"; or None
        for any length.
    written : bool
        Whether a kernel that is given the record to train may write the array.
    optional : bool
        Whether the field may be None, which is its default then.
    """
    wanted = dtype if dtype == FLOATING else np.dtype(dtype)
    metadata = {"dtype": wanted, "shape": shape, "written": written, "optional": optional}
    return dataclasses.field(default=None if optional else dataclasses.MISSING, metadata=metadata)


def dimension() -> Any:
    """A field that holds a dimension found in the arrays."""
    return dataclasses.field(init=False, default=0, metadata={"dimension": True})


def integer(low: int, high: int = MOST, default: Any = dataclasses.MISSING) -> Any:
    """A field that holds an integer in [low, high]."""
    return dataclasses.field(default=default, metadata={"integer": (low, high)})


def real(low: float = -math.inf, high: float = math.inf, default: Any = dataclasses.MISSING) -> Any:
    """A field that holds a number in [low, high], which is not NaN."""
    return dataclasses.field(default=default, metadata={"real": (low, high)})


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """Base of the records.

    Attributes
    ----------
    dtype : dtype or None
        float32 or float64 where the record has arrays of that kind.
    divided : tuple of str
        Dimensions and integers that `changed` may change: no code and no bound refers to them.

    Raises
    ------
    TypeError
        A field is not an array, or not a number.
    ValueError
        A dtype, a shape or a number is not as the record wants it. The message names record and field.
    """

    dtype: ClassVar[Any] = None
    divided: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        arrays, numbers, dimensions = _fields(type(self))  # type: ignore[arg-type]
        sizes: dict[str, int] = {}
        held = vars(self)
        for field in arrays:
            if held[field.name] is not None or not field.optional:
                self._check_array(field, held[field.name], sizes)
        for name, kind, low, high in numbers:
            held[name] = self._number(name, kind, low, high)
        for name in dimensions:
            held[name] = sizes[name]
        self._check()

    def changed(self, **fields: Any) -> Self:
        """The record with other real numbers, and other arrays of floats of the same shapes.

        Integers stay: codes and bounds, which take longest to check and are not checked again. What is in
        `divided` may change.
        """
        arrays, numbers, dimensions = _fields(type(self))  # type: ignore[arg-type]
        found = object.__new__(type(self))
        held = vars(found)
        held.update(vars(self))
        held.pop("extents", None)
        held.update(fields)
        sizes = {name: held[name] for name in dimensions if name not in self.divided}
        may_change = {name for name, kind, *_ in numbers if kind == "real" or name in self.divided}
        for field in arrays:
            if field.dtype is None or field.dtype.kind == "f":
                may_change.add(field.name)
                if not (field.optional and held[field.name] is None):
                    found._check_array(field, held[field.name], sizes)
        if not may_change.issuperset(fields):
            raise TypeError(f"{type(self).__name__}: of a record, {sorted(set(fields) - may_change)} stay")
        for name, kind, low, high in numbers:
            if name in fields:
                held[name] = found._number(name, kind, low, high)
        held.update({name: sizes[name] for name in dimensions if name in self.divided})
        return found

    def _check(self) -> None:
        """Check what types and shapes do not say: codes, bounds, rows of whole groups of 64 bytes."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: one for name, one in vars(self).items() if name != "extents"}  # addresses of a process

    def _name(self, field: str) -> str:
        return f"{type(self).__name__}: {field}"

    def _check_array(self, field: _ArrayField, value: Any, sizes: dict[str, int]) -> None:
        name, wanted = field.title, field.dtype
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{name} must be an ndarray, not {type(value).__name__}")
        if wanted is None:
            if value.dtype.char not in "fd" or not value.dtype.isnative:
                raise ValueError(f"{name} must be of float32 or float64, not {value.dtype}")
            wanted = vars(self).setdefault("dtype", value.dtype)
        if value.dtype != wanted:
            raise ValueError(f"{name} must be of {wanted}, not {value.dtype}")
        if value.ndim != len(field.axes):
            raise ValueError(f"{name} must have {len(field.axes)} dimensions, not {value.ndim}")
        if not (value.flags.c_contiguous and value.flags.aligned):
            raise ValueError(
                f"{name} must be contiguous (C order) and aligned; pass np.ascontiguousarray of it"
            )
        if value.dtype.names:
            check_aligned(name, value)
        if not value.size and max(value.shape, default=0) > MOST:
            # Of an array with elements, memory bounds the sizes; here a loop over an axis would not end.
            raise ValueError(f"{name} must have axes of less than 2^31, not {value.shape}")
        for axis, (size, (symbol, more)) in enumerate(zip(value.shape, field.axes, strict=True)):
            own = size - more
            expected = symbol if isinstance(symbol, int) else sizes.setdefault(symbol, own) if symbol else own
            if own != expected or own < 0:
                raise ValueError(
                    f"{name} must be of shape ({', '.join(map(str, field.shape))}), got {value.shape}: "
                    f"axis {axis} should be {expected + more}"
                )

    def _number(self, name: str, kind: str, low: float, high: float) -> Any:
        value = getattr(self, name)
        try:
            number = operator.index(value) if kind == "integer" else float(value)
        except (TypeError, ValueError):
            wanted = "an integer" if kind == "integer" else "a number"
            raise TypeError(f"{self._name(name)} must be {wanted}") from None
        if not low <= number <= high:
            raise ValueError(f"{self._name(name)} must be between {low} and {high}, not {value!r}")
        return number

    def arrays(self) -> Iterable[tuple[str, Array, bool]]:
        """Name, array, and whether it may be written, of each array."""
        for field in _fields(type(self))[0]:  # type: ignore[arg-type]
            held = getattr(self, field.name)
            if held is not None:
                yield field.title, held, field.written

    @functools.cached_property
    def extents(self) -> list[Extent]:
        """Where the arrays lie in memory; found once, because calls of small problems take microseconds."""
        return [_extent(name, held, may_write) for name, held, may_write in self.arrays() if held.size]


class _ArrayField(NamedTuple):
    """A field that holds an array, ready to be checked."""

    name: str
    title: str  # in errors
    dtype: Any  # None: that of the record
    shape: tuple[Any, ...]
    axes: tuple[
        tuple[str | int | None, int], ...
    ]  # a dimension, a number or neither, and what is added to it
    written: bool
    optional: bool


@functools.cache
def _fields(
    kind: type[Record],
) -> tuple[tuple[_ArrayField, ...], tuple[tuple[str, str, float, float], ...], tuple[str, ...]]:
    """The fields of a kind of record: arrays, numbers with their bounds, dimensions."""
    arrays, numbers, dimensions = [], [], []
    for field in dataclasses.fields(kind):
        given = field.metadata
        if "dtype" in given:
            dtype = None if isinstance(given["dtype"], str) else given["dtype"]
            title, axes = f"{kind.__name__}: {field.name}", tuple(map(_axis, given["shape"]))
            arrays.append(
                _ArrayField(
                    field.name, title, dtype, given["shape"], axes, given["written"], given["optional"]
                )
            )
        elif "dimension" in given:
            dimensions.append(field.name)
        else:
            numbers += [(field.name, one, *given[one]) for one in ("integer", "real") if one in given]
    return tuple(arrays), tuple(numbers), tuple(dimensions)


def _axis(given: int | str | None) -> tuple[str | int | None, int]:
    """The dimension or number of an axis, and what is added to it: of "name + 1", the name and 1."""
    symbol, _, more = ("" if given is None else str(given)).partition(" + ")
    return int(symbol) if symbol.isdecimal() else symbol or None, int(more or 0)


def _extent(name: str, held: Array, is_written: bool) -> Extent:
    start = held.__array_interface__["data"][0]
    return start, start + held.nbytes, is_written, name


def check_written(written: Iterable[Record], read: Iterable[Record] = ()) -> None:
    """Raise unless what a kernel writes is writable and shares no memory with any other array of the records.

    Parameters
    ----------
    written : records
        Whose arrays with ``written=True`` are written.
    read : records
        Of which none are.

    Raises
    ------
    ValueError
        The message names the arrays.
    """
    extents: list[Extent] = []
    for record in written:
        for name, held, may_write in record.arrays():
            if may_write and not held.flags.writeable:
                raise ValueError(f"{name} is read-only, and would be written")
        extents += record.extents
    for record in read:
        extents += [(start, end, False, name) for start, end, _, name in record.extents]
    _check_extents(extents)


def check_apart(function: str, written: Mapping[str, Array], read: Mapping[str, Array]) -> None:
    """Raise ValueError if an array that a function writes shares memory with another of its arguments.

    Parameters
    ----------
    function : str
        Named in the message.
    written, read : dict of str to ndarray
        Contiguous arrays that are arguments of their own, not fields of records.
    """
    extents = [_extent(f"{function}: {name}", held, True) for name, held in written.items() if held.size]
    extents += [_extent(f"{function}: {name}", held, False) for name, held in read.items() if held.size]
    _check_extents(extents)


def _check_extents(extents: list[Extent]) -> None:
    """Raise ValueError if an array that is written shares memory with another."""
    # In the order of their starts, each is compared with the array before it that reaches furthest.
    read_end = written_end = 0
    read_name = written_name = ""
    for start, end, is_written, name in sorted(extents):
        if start < written_end or (is_written and start < read_end):
            other = written_name if start < written_end else read_name
            raise ValueError(f"{other} and {name} share memory, and one of them would be written")
        if is_written:
            written_end, written_name = end, name
        elif end > read_end:
            read_end, read_name = end, name


def check_compressed(name: str, indptr: Array, n: int) -> None:
    """Raise ValueError unless `indptr` rises from 0 to `n`."""
    if len(indptr) < 1 or indptr[0] != 0 or indptr[-1] != n:
        raise ValueError(f"{name} must run from 0 to {n}, the number of entries")
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        raise ValueError(f"{name} falls at row {int(falls.argmax())}")


def check_codes(name: str, codes: Array, n_codes: int, low: int = 0) -> None:
    """Raise ValueError unless all codes are in [low, n_codes)."""
    if codes.size and (codes.min() < low or codes.max() >= n_codes):
        bad = int(((codes < low) | (codes >= n_codes)).argmax())
        raise ValueError(
            f"{name} holds {codes.reshape(-1)[bad]} at {bad}, which is not in [{low}, {n_codes})"
        )


def check_aligned(name: str, array: Array) -> None:
    """Raise ValueError unless each field of a structured array is aligned: to NumPy, any address is."""
    widest = max(array.dtype[field].itemsize for field in array.dtype.names or ())
    if array.size and array.__array_interface__["data"][0] % widest:
        raise ValueError(f"{name} must be aligned to {widest} bytes; pass a copy of it")


def check_span(function: str, span: Any, n: int, things: str) -> tuple[int, int]:
    """The two ends of a span of `n` things; TypeError or ValueError unless it is (begin, end) within them."""
    try:
        begin, end = map(operator.index, span if isinstance(span, (tuple, list)) else ())
    except (TypeError, ValueError):
        raise TypeError(f"{function}: span must be two integers (begin, end), not {span!r}") from None
    if not 0 <= begin <= end <= n:
        raise ValueError(f"{function}: span ({begin}, {end}) is not within the {n} {things}")
    return begin, end


def check_seed(name: str, seed: Any) -> int:
    """The seed of random words; TypeError or ValueError unless it is an integer in [0, 2^64)."""
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {type(seed).__name__}") from None
    if not 0 <= number < 2**64:
        raise ValueError(f"{name} must be in [0, 2^64)")
    return number


def check_row_length(name: str, width: int, dtype: Any) -> None:
    """Raise ValueError unless rows of `width` numbers are whole groups of 64 bytes."""
    if width * np.dtype(dtype).itemsize % 64:
        raise ValueError(f"{name}: rows must be padded to a multiple of 64 bytes; {width} numbers are not")
