"""`CoRatings`: how likely users are to choose items, by the users who rated the same items.

::

    c_ui = Σ_{j ∈ I_u} g(r_uj) n_j^-.7 n_i^-.6 Σ_v n_v^-.5 x_vj x_vi

x tells who rated what in training, n are numbers of ratings, and g is the square of a rating's position
between the ends of the scale. These are the lists of Deshpande and Karypis, "Item-based top-N recommendation
algorithms" (2004): sums of similarities to the items that the user rated, by the users who rated both, each
of whom counts less the more they rated. The similarities by which ratings are predicted make worse lists than
popularity does: they compare how items are rated, not by whom. The exponents were found by validation within
the training ratings of MovieLens 100K (u1) and 1M; ``python benchmarks/list_exponents.py`` repeats it. There
ndcg@10 is .2555 and .2041, .2577 and .2095 with the best for one of the two, .138 and .097 by popularity.

The similarities are not formed: two products with the matrix x take less time and no memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.models.core.state import State

if TYPE_CHECKING:
    from cfcore.models.neighbors.state import NeighborState

__all__ = ["CoRatings", "choice_rows", "shares_of"]

Array = np.ndarray[Any, Any]


#: Powers of the numbers of ratings: of the rated item, the listed item, and the user who rated both.
OF_SOURCE, OF_TARGET, OF_USER = -0.7, -0.6, -0.5


class CoRatings:
    """Training ratings, by which items are co-rated.

    Parameters
    ----------
    state : State
        Of a fit.
    """

    def __init__(self, state: State) -> None:
        from scipy.sparse import csr_array

        n_users, n_items = len(state.user_ids), len(state.item_ids)
        counts = np.maximum(np.bincount(state.seen_items, minlength=n_items), 1.0)
        by_user = np.diff(state.seen_indptr)
        weights = np.repeat(np.maximum(by_user, 1.0) ** OF_USER, by_user)
        #: x, each row by the weight of its user: users by items.
        self.rated = csr_array((weights, state.seen_items, state.seen_indptr), shape=(n_users, n_items))
        #: x: items by users.
        self.raters = csr_array(
            (np.ones(len(weights)), state.seen_items, state.seen_indptr), shape=(n_users, n_items)
        ).T
        self.by_source, self.by_target = counts**OF_SOURCE, counts**OF_TARGET
        self.popularity = state.relative_popularity

    def rows(self, items: list[Array], shares: list[Array]) -> Array:
        """Choices of some users for all items, the largest of each being 1: float64[n_users, n_items].

        Parameters
        ----------
        items : list of int32[...]
            The items that each user rated, each once.
        shares : list of float64[...]
            g of the ratings. For users of which all are 0, the choice is the popularity of the items.
        """
        sources = np.zeros((len(self.popularity), len(items)))
        for user, (codes, share) in enumerate(zip(items, shares, strict=True)):
            sources[codes, user] = share * self.by_source[codes]
        found = np.asarray(self.raters @ (self.rated @ sources)).T * self.by_target
        for row, codes in zip(found, items, strict=True):
            # A rated item was reached by itself; it is as likely as its own users and ratings make it.
            largest = np.delete(row, codes).max(initial=0.0)
            if largest > 0:
                row /= largest
                np.minimum(row, 1.0, out=row)
            else:
                row[:] = self.popularity
        return found


def shares_of(values: Array | None, n: int, scale: tuple[float, float]) -> Array:
    """g: squares of the positions of ratings between the ends of the scale; 1 where there are no values."""
    low, high = scale
    if values is None or high <= low:
        return np.ones(n)
    shares: Array = ((values.astype(np.float64) - low) / (high - low)) ** 2
    return shares


def choice_rows(state: NeighborState, users: Array) -> Array:
    """Choices of users (-1: unknown, who choose by popularity) for all items: float64[n_users, n_items]."""
    items, shares = [], []
    for user in users.tolist():
        span = slice(*state.seen_indptr[user : user + 2].tolist()) if user >= 0 else slice(0, 0)
        items.append(state.seen_items[span])
        values = None if state.seen_values is None else state.seen_values[span]
        shares.append(shares_of(values, len(items[-1]), state.scale))
    return state.co_ratings.rows(items, shares)
