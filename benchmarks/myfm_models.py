"""myFM's models beside `BayesianSVD`: its tables and blocks of relations, and runs that are timed.

myFM 0.4.0 needs ``pip install myfm 'setuptools<80'``.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

import cfcore as cf

Array = np.ndarray[Any, Any]

os.environ.setdefault("TQDM_DISABLE", "1")  # myFM's progress bars


class Tables:
    """One-hot codes of users, items and days, and the sets of both sides as blocks of relations.

    Parameters
    ----------
    train : Ratings
    sets : bool
        Whether users have the items that they rated, and items the users who rated them.
    days : bool
        Whether a rating has the day that it is from, of all days.
    """

    def __init__(self, train: cf.Ratings, sets: bool, days: bool = False) -> None:
        import scipy.sparse as sp

        self.train, self.sets = train, sets
        n_users, n_items = train.n_users, train.n_items
        self.first = int(np.min(train.timestamps) // 86_400) if days else None
        self.n_days = int(np.max(train.timestamps) // 86_400) - self.first + 1 if days else 0
        self.shapes = [self.n_days, n_users, n_items] if days else [n_users, n_items]
        if sets:
            pairs = (np.ones(len(train)), (train.user_codes, train.item_codes))
            rated = sp.csr_matrix(pairs, shape=(n_users, n_items))
            by_user, by_item = (
                sp.diags(np.maximum(counts, 1) ** -0.5) for counts in (train.user_counts, train.item_counts)
            )
            # The last row, of zeros, is that of the unknown.
            nothing = sp.csr_matrix((1, n_users + n_items))
            of_users = sp.hstack([sp.eye(n_users), by_user @ rated])
            of_items = sp.hstack([sp.eye(n_items), by_item @ rated.T])
            self.users, self.items = (sp.vstack([one, nothing]).tocsr() for one in (of_users, of_items))
            self.shapes = [self.n_days] * days + [n_users, n_items, n_items, n_users]

    def of(self, ratings: cf.Ratings) -> tuple[Any, list[Any]]:
        """Table and blocks of relations for ratings; unknown users and items have no entries."""
        import myfm
        import scipy.sparse as sp

        n = len(ratings)
        users = _codes(self.train.user_ids, ratings.users)
        items = _codes(self.train.item_ids, ratings.items)
        parts = []
        if self.first is not None:
            days = np.clip(ratings.timestamps // 86_400 - self.first, 0, self.n_days - 1)
            parts.append(_one_hot(days, self.n_days))
        if not self.sets:
            parts += [_one_hot(users, self.train.n_users), _one_hot(items, self.train.n_items)]
            return sp.hstack(parts).tocsr(), []
        blocks = [
            myfm.RelationBlock(users.tolist(), self.users), myfm.RelationBlock(items.tolist(), self.items)
        ]  # fmt: skip
        return sp.hstack(parts).tocsr() if parts else sp.csr_matrix((n, 0)), blocks


def _codes(ids: Array, named: Array) -> Array:
    """Positions in `ids`; their number for what is not among them."""
    order = np.argsort(ids)
    at = order[np.minimum(np.searchsorted(ids, named, sorter=order), len(ids) - 1)]
    return np.where(ids[at] == named, at, len(ids))


def _one_hot(codes: Array, size: int) -> Any:
    """A row of each code, which is empty where the code is `size`."""
    import scipy.sparse as sp

    known = np.flatnonzero(codes < size)
    return sp.csr_matrix((np.ones(len(known)), (known, codes[known])), shape=(len(codes), size))


def fitted(
    tables: Tables, rank: int, n_sweeps: int, seed: int, n_kept: int, ordinal: bool = False
) -> tuple[Any, Array]:
    """A model of myFM, and the seconds of each of its sweeps after the first."""
    import myfm

    table, blocks = tables.of(tables.train)
    values = tables.train.values
    kind = myfm.MyFMOrderedProbit if ordinal else myfm.MyFMRegressor
    if ordinal:
        values = np.unique(values, return_inverse=True)[1]
    times = [time.perf_counter()]

    def clock(*given: Any) -> tuple[bool, str]:
        times.append(time.perf_counter())
        return False, ""

    model = kind(rank=rank, random_seed=seed).fit(
        table, values, X_rel=blocks, n_iter=n_sweeps, n_kept_samples=n_kept, group_shapes=tables.shapes,
        callback=clock,
    )  # fmt: skip
    return model, np.diff(times)[1:]


def rmse(model: Any, tables: Tables, test: cf.Ratings) -> float:
    """Error on test ratings, of predictions that are clipped to the scale."""
    table, blocks = tables.of(test)
    low, high = tables.train.scale
    return float(np.sqrt(np.mean((np.clip(model.predict(table, blocks), low, high) - test.values) ** 2)))
