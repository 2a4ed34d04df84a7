"""What users and items that come after the fit need: places in the arrays of a model, and factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data.ids import encode, merge

Array = np.ndarray[Any, Any]

#: Bytes of the normal equations that are solved in one call.
STACK = 2**25
#: Least regularisation of fold-in: with none, fewer ratings than factors would have no unique solution.
LEAST_REG = 1e-6


def places(ids: Array, further: Array, column: str) -> tuple[Array, Array]:
    """Vocabulary of `ids` and `further` together, and the code in it of each of `ids`.

    Raises
    ------
    DataError
        One holds strings, the other integers.
    """
    together = merge(ids, further, column)
    if len(together) == len(ids):  # nobody new
        return ids, np.arange(len(ids), dtype=np.int32)
    return together, encode(together, ids, column)


def moved(array: Array, at: Array, n: int, fill: float = 0) -> Array:
    """Rows put at the places `at` of a new array with `n` rows, of which the others hold `fill`."""
    out = np.full((n, *array.shape[1:]), fill, dtype=array.dtype)
    out[at] = array
    return out


def joined_rows(
    indptr: Array, members: Array, at: Array, n_rows: int, rows: Array, columns: Array
) -> tuple[Array, Array]:
    """Compressed rows put at the ascending places `at`, and the cells (rows, columns) joined to them.

    Parameters
    ----------
    indptr, members : int64[n + 1], int32
        Members of each row, ascending.
    at : int[n]
    n_rows : int
    rows, columns : int[m]
        Cells; some may be there already.

    Returns
    -------
    indptr, members : int64[n_rows + 1], int32
    """
    counts = np.zeros(n_rows, dtype=np.int64)
    counts[at] = np.diff(indptr)
    touched = np.zeros(n_rows, dtype=bool)
    touched[rows] = True
    width = np.int64(max(members.max(initial=0), columns.max(initial=0))) + 1
    owner_touched = np.repeat(touched[at], np.diff(indptr))
    owners = np.repeat(at[touched[at]].astype(np.int64), np.diff(indptr)[touched[at]])
    cells = np.unique(
        np.append(owners * width + members[owner_touched], rows.astype(np.int64) * width + columns)
    )
    counts[touched] = np.bincount(cells // width, minlength=n_rows)[touched]
    new_indptr = np.append(0, np.cumsum(counts))
    new_members = np.empty(new_indptr[-1], dtype=np.int32)
    from_cells = np.repeat(touched, counts)
    new_members[from_cells] = cells % width
    new_members[~from_cells] = members[~owner_touched]
    return new_indptr, new_members


def ridge(
    indptr: Array, columns: Array, targets: Array, factors: Array, reg: float, reg_bias: float | None
) -> tuple[Array, Array]:
    r"""Solve for the bias b and the factors p of each row, the factors q of the columns held.

    .. math:: \min_{b, p} \sum_j (t_j - b - q_j \cdot p)^2 + n (\lambda_b b^2 + \lambda |p|^2)

    for the n targets of a row: what stochastic gradient descent minimises, regularising at each rating.

    Parameters
    ----------
    indptr, columns : int64[n_rows + 1], int[m]
        Columns of each row's targets; no row is empty.
    targets : float64[m]
    factors : ndarray, shape (n_columns, n_factors)
    reg, reg_bias : float
        `reg_bias` None leaves out b.

    Returns
    -------
    factors, biases : float64[n_rows, n_factors], float64[n_rows]

    Notes
    -----
    Each row is solved for itself, in double and on one thread: neither the other rows nor the number of
    threads change a bit of it. Costs O(n k^2 + k^3) a row.
    """
    from threadpoolctl import threadpool_limits

    n_rows, n_factors = len(indptr) - 1, factors.shape[1]
    biased = reg_bias is not None
    size = n_factors + biased
    penalty = np.full(size, max(reg, LEAST_REG))
    if reg_bias is not None:
        penalty[-1] = max(reg_bias, LEAST_REG)
    solved = np.zeros((n_rows, size))
    step = max(1, STACK // (8 * size * size + 1))
    with threadpool_limits(1, user_api="blas"):
        for begin in range(0, n_rows, step):
            rows = range(begin, min(begin + step, n_rows))
            left, right = np.empty((len(rows), size, size)), np.empty((len(rows), size, 1))
            for place, row in enumerate(rows):
                span = slice(indptr[row], indptr[row + 1])
                given = np.ones((span.stop - span.start, size))
                given[:, :n_factors] = factors[columns[span]]
                np.matmul(given.T, given, out=left[place])
                np.matmul(given.T, targets[span, None], out=right[place])
                left[place].flat[:: size + 1] += len(given) * penalty
            solved[begin : rows.stop] = np.linalg.solve(left, right)[..., 0]
    return solved[:, :n_factors], solved[:, -1] if biased else np.zeros(n_rows)
