"""Rows of X as cfcore takes them: ids, times, tables of features, weights; and factors for `transform`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cfcore.adapters.sklearn_columns import Layout, arrays_of, whole
from cfcore.adapters.sklearn_features import table_of_columns, table_of_metadata
from cfcore.data.checks import readable
from cfcore.models.core.model import Model
from cfcore.models.factorization.base import FactorModel

__all__ = ["Pairs", "factors_of", "pairs_of", "weighted_rows", "weights_of"]

Array = np.ndarray[Any, Any]


class Pairs(NamedTuple):
    """Columns of X: ids, times or None, and tables of features by argument of `Model.fit`."""

    users: Array
    items: Array
    times: Any
    tables: dict[str, Any]


def weights_of(sample_weight: Any, n: int, model: Model) -> Array | None:
    """Weights of the rows, float64[n]; TypeError if the model takes none."""
    if sample_weight is None:
        return None
    if not model.takes_weights:
        raise TypeError(
            f"{type(model).__name__} takes no weights: leave out sample_weight=; ALS and BayesianSVD do"
        )
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight.shape == {weights.shape}, expected {(n,)}!")
    if not weights.any():
        raise ValueError("sample_weight: all weights are zero, and no row is left")
    return weights


def weighted_rows(columns: Any, weights: Array, duplicates: str) -> list[Any]:
    """Columns of users, items, values and times, and weights, without rows of weight 0.

    Repeated pairs become one row as `duplicates` says: of the latest or first rating its weight counts, and
    a mean is weighted and has the sum of the weights.
    """
    kept = np.flatnonzero(weights != 0)
    users, items, values = (np.asarray(column)[kept] for column in columns[:3])
    times = None if columns[3] is None else np.asarray(columns[3])[kept]
    weights = weights[kept]
    if duplicates not in ("last", "first", "mean"):
        return [users, items, values, times, weights]
    codes = [np.unique(ids, return_inverse=True)[1] for ids in (users, items)]
    order = np.lexsort((np.zeros(len(values)) if times is None else times, codes[1], codes[0]))
    new = np.ones(len(order), dtype=bool)
    new[1:] = np.any([np.diff(code[order]) != 0 for code in codes], axis=0)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(order)) - 1
    chosen = np.sort(order[first if duplicates == "first" else last])
    if duplicates == "mean":
        sums = np.add.reduceat(weights[order], first)
        values, weights = values.astype(np.float64), weights.copy()
        values[order[last]] = np.add.reduceat((weights * values)[order], first) / sums
        weights[order[last]] = sums
    return [None if one is None else one[chosen] for one in (users, items, values, times, weights)]


def pairs_of(source: Any, layout: Layout, timestamps: Any, given: dict[str, Any], timed: bool) -> Pairs:
    """Ids, times and tables of features of X; `given` are the arguments of a method."""
    columns = arrays_of(source, layout.ids)
    users, items = whole("user", columns[0]), whole("item", columns[1])
    times = None
    if len(columns) > 2:
        if timestamps is not None:
            raise ValueError("timestamps: X has a column of times as well; leave out one of both")
        times = whole("time", columns[2])
    elif timestamps is not None:
        times = np.asarray(timestamps)
        if times.shape != (len(users),):
            raise ValueError(f"timestamps must be of shape ({len(users)},), not {times.shape}")
    if times is not None and not timed:
        times = readable(times)
    tables = {}
    for kind, ids in (("user", users), ("item", items)):
        table = table_of_columns(source, layout.features(kind), ids, kind)
        if table is not None and given[kind] is not None:
            raise ValueError(f"{kind}_features: {kind}_columns= chooses columns of X; leave out one of both")
        table = table_of_metadata(given[kind], ids, kind) if table is None else table
        if table is not None:
            tables[f"{kind}_features"] = table
    return Pairs(users, items, times, tables)


def factors_of(model: Model) -> tuple[Array, ...]:
    """Factors of users and of items whose products are predictions; empty for other models."""
    products = model._products() if isinstance(model, FactorModel) else None
    if products is None:
        return ()
    n = model.n_factors  # rows are padded
    return products.user_factors[:, :n], products.item_factors[:, :n]
