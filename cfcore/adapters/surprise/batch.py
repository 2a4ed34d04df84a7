"""`test` of the built-in algorithms: estimates for all rows at once, then one Prediction a row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise import _objects
from cfcore.adapters.surprise.columns import without_collector
from cfcore.adapters.surprise.predictions import Prediction
from cfcore.adapters.surprise.trainset import Trainset

if TYPE_CHECKING:
    from cfcore.adapters.surprise.algo_base import AlgoBase

__all__ = ["Estimates", "is_exact", "predictions"]


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimates of a batch of pairs.

    Attributes
    ----------
    values : float64[n]
    reasons : uint8[n] or None
        0 where there is an estimate, else 1 + the index of a message. None: there is always one.
    messages : tuple of str
        Reasons why there is none.
    actual_k : int32[n] or None
        The detail of that name; -1 where there is none.
    python_float : bool or bool[n]
        Whether `estimate` returns a float, and not a `numpy.float64`.
    """

    values: NDArray[np.float64]
    reasons: NDArray[np.uint8] | None = None
    messages: tuple[str, ...] = ()
    actual_k: NDArray[np.int32] | None = None
    python_float: bool | NDArray[np.bool_] = False


#: What `predictions` does without calling; each is looked up on the instance first.
_IN_BATCH = ("estimate", "predict")


def is_exact(algo: AlgoBase) -> bool:
    """Whether a batch gives what `predict` gives: not if a subclass or an instance has its own `estimate`."""
    if any(name in vars(algo) for name in _IN_BATCH):
        return False
    owners = {name: _owner(type(algo), name) for name in (*_IN_BATCH, "_estimates")}
    if owners["_estimates"] is None or owners["_estimates"] is not owners["estimate"]:
        return False
    if not _of_package(owners["predict"]):
        return False
    trainset = getattr(algo, "trainset", None)
    return isinstance(trainset, Trainset) and all(
        _owner(type(trainset), name) is Trainset
        for name in ("to_inner_uid", "to_inner_iid", "knows_user", "knows_item")
    )


def _owner(kind: type, name: str) -> Any:
    """The class that an attribute of a class comes from."""
    return next((one for one in kind.__mro__ if name in vars(one)), None)


def _of_package(kind: type) -> bool:
    return kind.__module__.startswith(__package__)


def predictions(algo: Any, testset: Iterable[Any]) -> list[Prediction]:
    """A Prediction for each row of a test set, clipped to the rating scale.

    Parameters
    ----------
    algo : AlgoBase
        For which `is_exact` is true.
    testset : iterable of (uid, iid, r_ui)
    """
    with without_collector():
        return _predictions(algo, testset)


def _predictions(algo: Any, testset: Iterable[Any]) -> list[Prediction]:
    trainset = algo.trainset
    rows = testset if isinstance(testset, (list, tuple)) else list(testset)
    raw_users, raw_items = trainset._raw2inner_id_users, trainset._raw2inner_id_items
    rows, users, items = _objects.encode(rows, raw_users, raw_items)
    found = trainset.columns()
    algo._kept = (trainset, found)
    users[_unrated(users, found.user_indptr)] = -1
    items[_unrated(items, found.item_indptr)] = -1
    estimates = algo._estimates(users, items)
    # The mean of all ratings is asked for once; a method of one's own is called for each row.
    own = "default_prediction" in vars(algo) or not _of_package(_owner(type(algo), "default_prediction"))
    default = algo.default_prediction if own else None
    value = None if own else algo.default_prediction()
    return _objects.predictions(Prediction, rows, estimates, trainset.rating_scale, default, value)


def _unrated(codes: NDArray[np.int32], indptr: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which codes have no ratings: they count as unknown."""
    empty = np.flatnonzero(np.diff(indptr) == 0)
    return np.isin(codes, empty) if len(empty) else np.zeros(len(codes), dtype=bool)
