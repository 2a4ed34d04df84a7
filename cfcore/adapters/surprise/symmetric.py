"""`SymmetricAlgo`: what the algorithms of nearest neighbours share."""

from __future__ import annotations

import heapq
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cfcore import backends
from cfcore.adapters.surprise import _neighbors
from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.batch import Estimates
from cfcore.adapters.surprise.columns import flat, rows_of
from cfcore.adapters.surprise.predictions import PredictionImpossible
from cfcore.kernels import simd

if TYPE_CHECKING:
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["SymmetricAlgo"]

Array = NDArray[np.float64]
Codes = NDArray[np.int32]
Stuff = TypeVar("Stuff")
Other = TypeVar("Other")


@dataclass(eq=False)
class Sums:
    """Of each pair: sums over its neighbours of similarity times value, of similarity, and their number."""

    products: Array
    weights: Array
    counts: Codes

    def quotients(self, min_k: int) -> Array:
        """Weighted means of the values; 0 where neighbours are fewer than `min_k`, or none."""
        products = np.where(self.counts < min_k, 0.0, self.products)
        some = self.weights != 0
        return np.divide(products, self.weights, out=np.zeros(len(products)), where=some)


class SymmetricAlgo(AlgoBase):
    """Base of the algorithms that are for users or, with the parts of users and items exchanged, for items.

    ``x`` stands for users and ``y`` for items if ``sim_options["user_based"]``, else the other way round.

    Attributes
    ----------
    n_x, n_y : int
    xr, yr : dict
        ``trainset.ur`` and ``trainset.ir``, or the other way round.
    """

    n_x: int
    n_y: int
    k: Any
    min_k: Any

    def __init__(
        self, sim_options: dict[str, Any] | None = None, verbose: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(sim_options={} if sim_options is None else sim_options, **kwargs)
        self.verbose = verbose

    def fit(self, trainset: Trainset) -> SymmetricAlgo:
        """Train; returns self."""
        super().fit(trainset)
        self.n_x, self.n_y = self.switch(trainset.n_users, trainset.n_items)
        self._own_lists: dict[str, Any] = {}
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        # scikit-surprise pickles the lists as attributes; mostly, they are those of the training set.
        own = {name: state[name] for name in ("xr", "yr") if name in state}
        vars(self).update({name: value for name, value in state.items() if name not in own})
        kept = vars(self).setdefault("_own_lists", {})
        kept.update({name: lists for name, lists in own.items() if lists is not self._lists(name)})

    def switch(self, u_stuff: Stuff, i_stuff: Other) -> tuple[Any, Any]:
        """What is of x, and what is of y: (`u_stuff`, `i_stuff`), or the other way round for items."""
        return (u_stuff, i_stuff) if self.sim_options["user_based"] else (i_stuff, u_stuff)

    @property
    def xr(self) -> Mapping[int, list[tuple[int, float]]]:
        """Ratings of each x: a dict of inner id to list of (y, rating)."""
        return self._lists("xr")

    @xr.setter
    def xr(self, lists: Mapping[int, list[tuple[int, float]]]) -> None:
        vars(self).setdefault("_own_lists", {})["xr"] = lists

    @property
    def yr(self) -> Mapping[int, list[tuple[int, float]]]:
        """Ratings of each y: a dict of inner id to list of (x, rating)."""
        return self._lists("yr")

    @yr.setter
    def yr(self, lists: Mapping[int, list[tuple[int, float]]]) -> None:
        vars(self).setdefault("_own_lists", {})["yr"] = lists

    def _lists(self, name: str) -> Any:
        if name in vars(self).get("_own_lists", {}):
            return self._own_lists[name]
        if "trainset" not in vars(self):
            raise AttributeError(f"{name} is there after fit")
        of_x, of_y = self.switch("ur", "ir")
        return getattr(self.trainset, of_x if name == "xr" else of_y)

    def _rows(self, name: str) -> tuple[NDArray[np.int64], Codes, Array]:
        """xr or yr as arrays: where each list starts, ids, ratings."""
        if name in self._own_lists:
            sizes = (self.n_x, self.n_y) if name == "xr" else (self.n_y, self.n_x)
            rows = rows_of(*flat(self._own_lists[name], name, sizes), sizes[0])
            return rows.indptr, rows.others, rows.ratings
        found = self._ratings()
        of_users = (found.user_indptr, found.user_items, found.user_ratings)
        of_items = (found.item_indptr, found.item_users, found.item_ratings)
        of_x, of_y = self.switch(of_users, of_items)
        return of_x if name == "xr" else of_y

    # ------------------------------------------------------------------ predictions

    def estimate(self, u: Any, i: Any) -> Any:
        """Estimate of a pair of inner ids, not clipped, and its details."""
        known_user, known_item = self.trainset.knows_user(u), self.trainset.knows_item(i)
        users = np.array([u if known_user else -1], dtype=np.int32)
        items = np.array([i if known_item else -1], dtype=np.int32)
        found = self._estimates(users, items)
        if found.reasons is not None and found.reasons[0]:
            raise PredictionImpossible(found.messages[found.reasons[0] - 1])
        assert found.actual_k is not None
        if found.actual_k[0] < 0:
            return found.values[0]
        return found.values[0], {"actual_k": int(found.actual_k[0])}

    def _estimates(self, users: Codes, items: Codes) -> Estimates:
        """A subclass has its own, beside `estimate`, so that one who overrides that is recognised."""
        raise NotImplementedError

    def _values(self, rows: tuple[Codes, Codes, Array]) -> tuple[Array, Array | None]:
        """What is summed, of (y, x, rating) of entries: values, and divisors of their products."""
        return rows[2], None

    def _sums(self, users: Codes, items: Codes) -> Sums:
        x, y = self.switch(users, items)
        starts, xs, ratings = self._rows("yr")
        if len(y) == 1 and y[0] >= 0:  # of one list only
            part = slice(starts[y[0]], starts[y[0] + 1])
            xs, ratings = xs[part], ratings[part]
            ys = np.full(len(xs), y[0])
            starts = np.array([0, len(xs)], dtype=np.int64)
            at = np.zeros(1, dtype=np.int32)
        else:
            ys, at = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts)), y
        values, divisors = self._values((ys, xs, ratings))
        sim = np.ascontiguousarray(self.sim, dtype=np.float64)
        n = len(x)
        found = Sums(np.empty(n), np.empty(n), np.empty(n, dtype=np.int32))
        both = np.where((x >= 0) & (y >= 0), x, np.int32(-1))
        _neighbors.weighted_sums(
            sim,
            (starts, xs, values, divisors),
            (both, at, _by_code(both, len(sim)) if n > 1 else np.zeros(n, dtype=np.int64)),
            max(min(operator.index(self.k), len(xs)), 0),  # any integer; no more neighbours are there
            (found.products, found.weights),
            found.counts,
            simd.current_level() != "baseline",
        )
        for row in np.flatnonzero(found.counts < 0).tolist():
            part = slice(starts[at[row]], starts[at[row] + 1])
            entries = (xs[part], values[part], None if divisors is None else divisors[part])
            products, weights, count = _in_heap_order(sim[x[row]], entries, self.k)
            found.products[row], found.weights[row], found.counts[row] = products, weights, count
        return found


def _by_code(codes: Codes, n: int) -> NDArray[np.int64]:
    """Positions of codes from -1 to n - 1, ascending by code."""
    order = np.empty(len(codes), dtype=np.int64)
    backends.kernel("tables.csr").counting_sort(codes + np.int32(1), np.empty(n + 2, dtype=np.int64), order)
    return order


def _in_heap_order(
    sims: Array, entries: tuple[Codes, Array, Array | None], k: int
) -> tuple[float, float, int]:
    """The sums of a pair where similarities are NaN, whose place depends on how a heap compares them."""
    xs, values, divisors = entries
    pairs = [(sims[x], at) for at, x in enumerate(xs.tolist())]
    products = weights = 0.0
    count = 0
    for sim, at in heapq.nlargest(k, pairs, key=lambda pair: pair[0]):
        if sim > 0:
            product = sim * values[at]
            products += product if divisors is None else product / divisors[at]
            weights += sim
            count += 1
    return products, weights, count
