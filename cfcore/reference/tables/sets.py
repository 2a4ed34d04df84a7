"""Twin of `cfcore.kernels.tables.sets` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import check_apart, check_span
from cfcore.reference.tables.csr import check_codes, fill_indptr


def scatter(
    codes: NDArray[np.int32],
    payload: NDArray[np.int32],
    indptr: NDArray[np.int64],
    out: NDArray[np.int32],
    span: tuple[int, int],
) -> None:
    """Group `payload` by `codes`, a slice of the entries a call; see the kernel."""
    check_apart("scatter", {"indptr": indptr, "out": out}, {"codes": codes, "payload": payload})
    n = len(codes)
    if len(indptr) < 1 or len(payload) != n or len(out) != n:
        raise ValueError(
            "scatter: payload and out must be as long as codes, indptr must have at least one entry"
        )
    begin, end = check_span("scatter", span, n, "entries")
    if begin == 0:
        check_codes(codes, len(indptr) - 1, "scatter")
        fill_indptr(codes, indptr)
    check_codes(codes[begin:end], len(indptr) - 1, "scatter")
    _place(codes[begin:end], payload[begin:end], indptr, out, "scatter: indptr is")
    if end == n:
        _to_bounds(indptr)


def transpose(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    other_indptr: NDArray[np.int64],
    other: NDArray[np.int32],
    span: tuple[int, int],
) -> None:
    """From the columns of each row to the rows of each column, a slice of the rows a call; see the kernel."""
    check_apart(
        "transpose",
        {"other_indptr": other_indptr, "other": other},
        {"indptr": indptr, "indices": indices},
    )
    n, n_rows = len(indices), len(indptr) - 1
    if n_rows < 0 or len(other_indptr) < 1 or len(other) != n:
        raise ValueError(
            "transpose: other must be as long as indices, indptr and other_indptr must have at least one "
            "entry"
        )
    if indptr[0] != 0 or indptr[-1] != n or n_rows >= 2**31:
        raise ValueError(
            "transpose: indptr must run from 0 to the number of indices, in fewer than 2^31 rows"
        )
    begin, end = check_span("transpose", span, n_rows, "rows")
    if begin == 0:
        check_codes(indices, len(other_indptr) - 1, "transpose")
        fill_indptr(indices, other_indptr)
    bounds = indptr[begin : end + 1]
    message = "transpose: indptr decreases, or other_indptr is"
    if (np.diff(bounds) < 0).any() or bounds.min() < 0 or bounds.max() > n:
        raise ValueError(f"{message} not from the call before")
    columns = indices[bounds[0] : bounds[-1]]
    check_codes(columns, len(other_indptr) - 1, "transpose")
    rows = np.repeat(np.arange(begin, end, dtype=np.int32), np.diff(bounds))
    _place(columns, rows, other_indptr, other, message)
    if end == n_rows:
        _to_bounds(other_indptr)


def _to_bounds(indptr: NDArray[np.int64]) -> None:
    """From cursors, each at the start of the next row, to starts again."""
    indptr[1:] = indptr[:-1].copy()
    indptr[0] = 0


def _place(
    codes: NDArray[np.int32],
    payload: NDArray[np.int32],
    cursor: NDArray[np.int64],
    out: NDArray[np.int32],
    message: str,
) -> None:
    """Write `payload` at the cursors of its codes, and advance them."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(cursor) - 1)
    ends = np.cumsum(counts)
    targets = np.repeat(cursor[:-1] - ends + counts, counts) + np.arange(len(codes))
    if len(targets) and (targets.min() < 0 or targets.max() >= len(out)):
        raise ValueError(f"{message} not from the call before")
    out[targets] = payload[order]
    cursor[:-1] += counts
