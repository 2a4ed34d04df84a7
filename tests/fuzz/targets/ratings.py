"""`Ratings` of columns of all kinds, frames, sparse matrices, and what is made of them."""

from __future__ import annotations

import datetime
import decimal
import inspect
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import cfcore as cf
from tests.fuzz.engine import Stream, Target, Wrong
from tests.fuzz.targets.text import check_ratings

KINDS = (
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
    "longdouble", "bool", "complex64", ">i8", ">f4", "U3", "S3", "object", "datetime64[s]", "datetime64[ns]",
    "datetime64[D]", "timedelta64[s]",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, "", "a", "1", b"a", float("nan"), float("inf"), np.float32(2.5), np.int8(3), 2**63, 2**64,
    -(2**63), 10**400,
    True, (), [], {}, 1j, decimal.Decimal("2.5"), decimal.Decimal("NaN"), datetime.datetime(2020, 1, 1),
    np.nan, "\ud800",
    datetime.date(2020, 1, 1), np.datetime64("NaT"), np.datetime64("2020-01-01"), "x" * 2000, "٣", "1_0",
    "007", "NULL", 1e300,
    1.0, 2**53 + 1, object(),
)  # fmt: skip
NAMES = ("user", "item", "rating", "timestamp", "userId", "movieId", "score", "x", "", 0, 1, None, "date")


def _array(stream: Stream, n: int) -> Any:
    kind = stream.pick(KINDS)
    if stream.chance(3):
        held = [stream.pick(ODD) if stream.chance(6) else stream.below(9) for _ in range(n)]
        array = np.empty(n, dtype=object)
        array[:] = held
        return array
    numbers = np.array([stream.below(9) for _ in range(n)])
    if kind[0] in "iu>fl" or kind == "object":
        out = numbers.astype(kind)
        if n and stream.chance(3):
            at = stream.below(n)
            with np.errstate(all="ignore"):
                if out.dtype.kind == "f":
                    out[at] = stream.real()
                elif out.dtype.kind in "iu":
                    out[at] = np.array([stream.integer() & 2**64 - 1], np.uint64).astype(out.dtype)[0]
        return out
    return numbers.astype(str).astype(kind) if kind[0] in "US" else numbers.astype(kind)


def column_of(stream: Stream, n: int) -> Any:
    """A column of about n entries."""
    kind = stream.below(24)
    if kind < 8:
        return np.array([stream.below(5) for _ in range(n)])
    if stream.chance(9):
        n = max(0, n + stream.pick((-1, 1, 0, 3)))
    array = _array(stream, n)
    if kind < 15:
        return array
    made: tuple[Callable[[], Any], ...] = (
        array.tolist, lambda: tuple(array.tolist()),
        lambda: np.ma.masked_array(array, mask=[i % 3 == 1 for i in range(n)]),
        lambda: array[::-1], lambda: np.repeat(array, 2)[::2], lambda: array[:, None],
        lambda: iter(array.tolist()),
        lambda: range(n), lambda: None, lambda: stream.pick(ODD), lambda: dict.fromkeys(range(n)),
        lambda: set(range(n)),
        lambda: _series(array, stream.below(2)),
    )  # fmt: skip
    return stream.pick(made)()


def _series(array: Any, kind: int) -> Any:
    import pandas
    import polars

    try:
        return pandas.Series(array) if kind else polars.Series(array)
    except BaseException:  # of these libraries, which refuse some arrays, polars by a panic
        return array


def _frame(stream: Stream, columns: list[Any]) -> Any:
    import pandas
    import polars

    names = ["user", "item", "rating", "timestamp"][: len(columns)]
    if stream.chance(4):
        names = [stream.pick(NAMES) for _ in columns]
    try:
        if stream.chance(2):
            frame = pandas.DataFrame(dict(zip(names, columns, strict=True)))
            return frame.set_index(frame.columns[0]) if stream.chance(8) else frame
        return polars.DataFrame(dict(zip(map(str, names), columns, strict=True)))
    except BaseException:
        return dict(zip(names, columns, strict=True))


def _sparse(stream: Stream) -> Any:
    import scipy.sparse

    dense = np.array(
        [[stream.pick((0, 0, 1, 2, 5)) for _ in range(stream.below(5))] for _ in range(4)] or [[0]],
        dtype=object,
    )
    try:
        matrix = scipy.sparse.random(
            4,
            3,
            0.5,
            stream.pick(("csr", "coo", "csc", "lil", "dok", "bsr", "dia")),
            rng=np.random.default_rng(stream.byte()),
        )
        return matrix.astype(stream.pick(("float64", "float32", "int8", "complex64", "bool")))
    except Exception:
        return dense


def _options(stream: Stream) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if stream.chance(3):
        options["duplicates"] = stream.pick(("last", "mean", "error", "x", None, "latest"))
    if stream.chance(5):
        options["scale"] = stream.pick(
            ((0, 10), (1, 5), (5, 1), (0, float("inf")), (1,), 5, "ab", (None, 1), (-(10**400), 9))
        )
    return options


def _follow(stream: Stream, ratings: cf.Ratings) -> None:
    """Something that is done with a Ratings."""
    n = len(ratings)
    mask = np.array([stream.below(2) for _ in range(n)])
    steps: tuple[Callable[[], Any], ...] = (
        lambda: ratings.subset(mask.astype(bool)), lambda: ratings.subset(mask),
        lambda: ratings.subset(column_of(stream, n)),
        lambda: ratings.by_user, lambda: ratings.by_item, lambda: ratings.items_by_user,
        lambda: ratings.rows_by_user,
        lambda: cf.concat([ratings, ratings], **_options(stream)) if hasattr(cf, "concat") else None,
        lambda: cf.GlobalMean().fit(ratings).predict(ratings),
        lambda: cf.Baseline(n_threads=1).fit(ratings).predict(column_of(stream, 3), column_of(stream, 3)),
        lambda: ratings.to_scipy() if hasattr(ratings, "to_scipy") else None,
    )  # fmt: skip
    found = stream.pick(steps)()
    if isinstance(found, cf.Ratings) and len(found):
        check_ratings(found)


def _check_kept(ratings: cf.Ratings, columns: list[Any], options: dict[str, Any]) -> None:
    """Plain integer columns come back as they were."""
    if options.get("duplicates", "error") != "error":
        return
    for given, kept in zip(columns, (ratings.users, ratings.items), strict=False):
        if type(given) is np.ndarray and given.dtype.kind in "iu" and given.tolist() != kept.tolist():
            raise Wrong(f"ids {given.tolist()} became {kept.tolist()}")
    values = columns[2]
    if type(values) is np.ndarray and values.dtype.kind in "iuf":
        with np.errstate(over="ignore"):
            if values.astype(np.float32).tolist() != ratings.values.tolist():
                raise Wrong(f"values {values.tolist()} became {ratings.values.tolist()}")


@cache
def _names() -> tuple[str, ...]:
    return tuple(name for name in ("from_frame", "from_scipy", "from_matrix") if hasattr(cf.Ratings, name))


def run(data: bytes) -> None:
    stream = Stream(data)
    n = stream.pick((1, 3, 3, 5, 8, 0))
    columns = [column_of(stream, n) for _ in range(stream.pick((3, 3, 4)))]
    options = _options(stream)
    kind = stream.below(8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if kind < 4:
            ratings = cf.Ratings(*columns, **options)
            _check_kept(ratings, columns, options)
        elif kind < 6:
            ratings = cf.Ratings.from_frame(_frame(stream, columns), **options)
        elif kind == 6:
            given = _sparse(stream) if stream.chance(2) else _frame(stream, columns)
            make = getattr(cf.Ratings, stream.pick(_names()))
            known = inspect.signature(make).parameters
            ratings = make(given, **{key: held for key, held in options.items() if key in known})
        else:
            model = cf.GlobalMean().fit(tuple(columns) if stream.chance(2) else _frame(stream, columns))
            model.predict(_frame(stream, columns))
            return
        check_ratings(ratings)
        if stream.chance(3):
            _follow(stream, ratings)


TARGETS = {"ratings": lambda: Target("ratings", run, weight=6, length=120, smoke=500)}
