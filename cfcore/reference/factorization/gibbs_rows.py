"""Twin of `cfcore.kernels.factorization.gibbs_rows` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import check_apart
from cfcore.reference.common.checks import check_array, check_threads

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def overrelax_rows(
    rows: Float32, drawn: Float32, means: Float32, factors: tuple[float, float], n_threads: int
) -> None:
    """Each row on the other side of its mean; see the kernel."""
    check_array(rows, np.float32, 2, True, "overrelax_rows: rows")
    check_array(drawn, np.float32, 2, False, "overrelax_rows: drawn")
    check_array(means, np.float32, 2, False, "overrelax_rows: means")
    if drawn.shape != rows.shape or means.shape != rows.shape:
        raise ValueError(
            f"overrelax_rows: drawn and means must be of shape {rows.shape}, not {drawn.shape} and "
            f"{means.shape}"
        )
    check_apart("overrelax_rows", {"rows": rows}, {"drawn": drawn, "means": means})
    check_threads(n_threads)
    of_row, of_draw = map(np.float32, factors)
    rows[:] = ((drawn - means) * of_draw + (rows - means) * of_row) + means


def subtract_sums(rows: Float32, mean: Float64 | None, sums: Float64, out: Float64, n_threads: int) -> None:
    """Rows less a mean and sums; see the kernel."""
    check_array(rows, np.float32, 2, False, "subtract_sums: rows")
    check_array(sums, np.float64, 2, False, "subtract_sums: sums")
    check_array(out, np.float64, 2, True, "subtract_sums: out")
    read: dict[str, NDArray[Any]] = {"rows": rows, "sums": sums}
    if mean is not None:
        check_array(mean, np.float64, 1, False, "subtract_sums: mean")
        read["mean"] = mean
    (n, width), k = rows.shape, sums.shape[1]
    if len(sums) != n or k > width or out.shape != sums.shape:
        raise ValueError(
            f"subtract_sums: sums and out must be of one shape, for {n} rows of at most {width} numbers, not "
            f"{sums.shape} and {out.shape}"
        )
    if mean is not None and len(mean) != k:
        raise ValueError(f"subtract_sums: mean must be of {k} numbers, not {len(mean)}")
    check_apart("subtract_sums", {"out": out}, read)
    check_threads(n_threads)
    held = rows[:, :k].astype(np.float64)
    out[:] = (held if mean is None else held - mean) - sums


def extend_rows(rows: Float32, ends: Float64, out: Float64, n_threads: int) -> None:
    """Rows with the same numbers after each; see the kernel."""
    check_array(rows, np.float32, 2, False, "extend_rows: rows")
    check_array(ends, np.float64, 1, False, "extend_rows: ends")
    check_array(out, np.float64, 2, True, "extend_rows: out")
    (n, width), m = rows.shape, len(ends)
    k = out.shape[1] - m
    if len(out) != n or not 0 <= k <= width:
        raise ValueError(
            f"extend_rows: out must have {n} rows of {m} to {width + m} numbers, and is of shape {out.shape}"
        )
    check_apart("extend_rows", {"out": out}, {"rows": rows, "ends": ends})
    check_threads(n_threads)
    out[:, :k], out[:, k:] = rows[:, :k], ends
