"""States of neighbourhood models for users whose ratings are given with a question."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from cfcore.data import Ratings, from_fields
from cfcore.data.ids import encode, merge, used
from cfcore.kernels.records import RatingRows
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.given import trust_in, user_fields
from cfcore.models.core.means import damped_means
from cfcore.models.core.single import Session
from cfcore.models.core.state import known_of
from cfcore.models.neighbors.centering import Center, means
from cfcore.models.neighbors.scoring import Raters
from cfcore.models.neighbors.similarities import Rows as Part
from cfcore.models.neighbors.state import NeighborState
from cfcore.models.neighbors.trainer import NeighborTrainer

Array = np.ndarray[Any, Any]

#: Ratings given for half of the final weight of undamped deviations. On users of MovieLens who are not
#: reported, the best weights for 1, 3, 5, 10, 20 and 40 ratings are .26, .33, .36, .51, .67 and .87 (100K),
#: and .26, .34, .41, .55, .76 and .95 (1M).
HALF_OF_ITEMS = 10.0
#: The same, and the final weight, where users are compared, by `center`. The best weights are .21, .33, .39,
#: .45, .50 and .57 (100K) and .14, .30, .36, .41, .47 and .53 (1M) around means, from .09 to .16 (100K) and
#: .00 to .01 (1M) around None: so much of the undamped means of neighbours is noise, also for users of a fit.
#: Those here are below the best, as means from one or two ratings vary most of all.
OF_USERS: dict[str | None, tuple[float, float]] = {
    "mean": (5.0, 0.5), "zscore": (5.0, 0.5), None: (2.0, 0.05), "baseline": (20.0, 1.0),
}  # fmt: skip


class Rows(NamedTuple):
    """Ratings in compressed rows."""

    indptr: Array
    indices: Array
    values: Array


def with_users(
    state: NeighborState, given: Ratings, center: str | None, reg_user: float, shrinks: bool = True
) -> NeighborState:
    """The state of a model that compares items, with the users of some ratings in place of its own.

    Parameters
    ----------
    state : NeighborState
    given : Ratings
        With item codes of the state.
    center : str or None
        The hyper-parameter of the model.
    reg_user : float
        Regularisation of biases of users in the baseline.
    shrinks : bool, default True
        Whether deviations of users with few ratings are shrunk where sums are not damped.
    """
    rows = Rows(given.by_user.indptr, given.by_user.indices, given.by_user.values)
    users, deviations = centered(state, rows, center, reg_user, shrinks)
    found = dataclasses.replace(state, user_centers=users, deviations=deviations, **user_fields(given))
    vars(found).update(is_symmetric=state.is_symmetric, compared=state.compared)
    vars(found).update(co_ratings=state.co_ratings)  # of the users of the fit
    return found


def raters_of_session(state: NeighborState, session: Session, center: str | None, reg_user: float) -> Raters:
    """The user of a session, for a model that compares items: the bits of `with_users`."""
    indptr = np.array([0, len(session.items)], dtype=np.int64)
    rows = Rows(indptr, session.items, session.values)
    users, deviations = centered(state, rows, center, reg_user, True)
    return Raters(RatingRows(indptr, session.items, deviations, len(state.item_ids)), users)


def centered(
    state: NeighborState, rows: Rows, center: str | None, reg_user: float, shrinks: bool
) -> tuple[Array, Array]:
    """Centres of users, with one more for the unknown, and deviations of their ratings in compressed rows."""
    indptr, items, values = rows
    if center == "baseline":
        errors = values - state.mean - state.item_centers[items]
        n_users = len(indptr) - 1
        codes = np.repeat(np.arange(n_users), np.diff(indptr))
        users = np.append(damped_means(errors, codes, n_users, reg_user), state.user_centers[-1])
    else:
        users = means(rows, state.mean)
    centers = Center(users, state.item_centers, state.mean if center == "baseline" else None, state.spreads)
    deviations = centers.deviations(rows, "item")
    if shrinks and not state.rule["damping"]:
        trusts = trust_in(np.diff(indptr), HALF_OF_ITEMS).astype(np.float32)
        deviations *= np.repeat(trusts, np.diff(indptr))
    return users, deviations


def with_compared_users(model: Any, state: NeighborState, given: Ratings) -> NeighborState:
    """The state of a model that compares users, for the users of some ratings: known are these alone.

    As a fit to the training ratings with those of `given`, which also changes the baseline a little; but only
    these users are compared with the others.
    """
    joined = with_ratings(state, given)
    context = FitContext(known_of(joined), type(model).__name__, np.random.default_rng(0), model.n_threads)
    n_users = joined.n_users
    every = model.no_overlap != 0  # pairs without common items count, too
    n_kept = None if every else model.n_kept(n_users) or max(n_users - 1, 1)
    trainer = NeighborTrainer(model, joined, context, n_kept)
    codes = encode(joined.user_ids, given.user_ids)
    codes = codes[codes >= 0]
    if every:
        found = trainer.run()
    else:
        for code in codes.tolist():
            trainer.run_part(Part(0, code, code + 1))
        found = trainer.state(trainer.arrays())
    counts = np.zeros_like(found.user_counts)
    counts[codes] = found.user_counts[codes]
    trust = None
    if model._shrinks_few and not state.rule["damping"]:
        trust = trust_in(np.append(found.user_counts, 0), *OF_USERS[model.center])
    return dataclasses.replace(found, user_counts=counts, user_trust=trust)


def with_ratings(state: NeighborState, given: Ratings) -> Ratings:
    """The training ratings of a model that compares users, with those of `given` in place of its users' own.

    Training ratings are their deviations plus their centres, up to the rounding of float32.
    """
    indptr, users = state.rated.indptr, state.rated.indices
    items = np.repeat(np.arange(len(state.item_ids), dtype=np.int32), np.diff(indptr))
    values = state.deviations.astype(np.float64)
    if state.spreads is not None:
        values *= state.spreads[users]
    values += state.user_centers[users]
    if state.rule["additive"]:
        values += state.mean + state.item_centers[items]
    low, high = state.scale
    user_ids = merge(state.user_ids, given.user_ids, "users")
    users, codes = encode(user_ids, state.user_ids)[users], encode(user_ids, given.user_ids)
    kept = ~np.isin(users, codes)
    users = np.concatenate([users[kept], codes[given.user_codes]])
    items = np.concatenate([items[kept], given.item_codes])
    values = np.concatenate([np.clip(values[kept], low, high).astype(np.float32), given.values])
    user_codes, user_ids = used(users, user_ids)
    item_codes, item_ids = used(items, state.item_ids)
    return from_fields(user_codes, item_codes, values, None, user_ids, item_ids, state.scale)
