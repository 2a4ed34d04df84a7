"""`ALSTrainer`: the trainer of `ALS`; an epoch solves for all items, and then for all users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cfcore.arrays import padded
from cfcore.data import Ratings
from cfcore.errors import DivergenceError
from cfcore.kernels.records import Factors, RatingRows
from cfcore.models.core.fit_context import FitContext
from cfcore.models.factorization.als_rows import Penalties, Side, improved_members
from cfcore.models.factorization.als_state import ALSState
from cfcore.models.factorization.base import first_factors, predicted, state_of

Array = np.ndarray[Any, Any]

#: Standard deviation of the first factors of users times the root of their number, in units of the root of
#: the ratings' standard deviation.
FIRST = 0.3


class ALSTrainer:
    """Rows, biases and members of sets, solved for in turn.

    Parameters
    ----------
    train : Ratings
    context : FitContext
    rates : dict of str to float
        ``rates_`` of the model.
    first : dict of str to ndarray
        Arrays of the state to start from, as of `arrays`.
    weights : float32[n] or None
        Of the training ratings.
    steps : int
        Of conjugate gradients for each row; 0 for exact solutions.
    """

    def __init__(
        self, train: Ratings, context: FitContext, rates: Mapping[str, float], first: Mapping[str, Array],
        weights: Array | None, steps: int = 0,
    ) -> None:  # fmt: skip
        self.context, self.rates = context, dict(rates)
        self.n_factors = first["user_factors"].shape[1]
        self.mean = float(context.known["mean"])
        penalties = Penalties.of(rates)
        self.rows = {kind: padded(first[f"{kind}_factors"]) for kind in ("user", "item")}
        self.biases = {kind: first[f"{kind}_bias"].copy() for kind in ("user", "item")}
        self.members = {
            "user": first["implicit_factors"].copy(), "item": first["implicit_user_factors"].copy(),
        }  # fmt: skip
        self.sides, self.solving = {}, {}
        self.improving: Any = improved_members  # or what does the same elsewhere
        by = {"user": train.by_user, "item": train.by_item}
        for kind, other in (("user", "item"), ("item", "user")):
            held = by[kind]
            own = None if weights is None else weights[held.order]
            ratings = RatingRows(held.indptr, held.indices, held.values, len(self.rows[other]))
            side = Side(ratings, own, penalties, context.n_threads)
            self.sides[kind] = side
            self.solving[kind] = side.solving(
                (self.rows[kind], self.biases[kind]), (self.rows[other], self.biases[other]), self.mean,
                side.totals(), steps,
            )  # fmt: skip
        self.total = float(self.sides["user"].totals().sum())

    def epoch(self, k: int) -> float:
        """Solve for items and then for users; the RMSE on the training ratings."""
        self._solve("item", "user")
        return float(np.sqrt(self._solve("user", "item") / self.total))

    def _solve(self, kind: str, other: str) -> float:
        """Improve the members of the sets of one side, and solve for its rows; their squared errors."""
        side, members = self.sides[kind], self.members[kind]
        if members.shape[1]:
            owners = self.sides[other].ratings
            rows = self.rows[kind][:, : self.n_factors]
            found = self.improving(side, (owners.indptr, owners.indices), rows, members)
            if found is not members:  # they may be improved in place elsewhere
                members[:] = found
        try:
            solving = self.solving[kind]
            squares = solving(solving.centres(side, members))
        except ValueError as error:  # not positive definite by rounding
            told = f"ALS: the equations of the {kind}s have no solution in double precision with"
            reg = self.rates["reg"]
            if side.weights is None:
                raise DivergenceError(f"{told} reg={reg:g}. Try reg=None, the default") from error
            apart = float(side.weights.max()) / float(side.weights.min())
            raise DivergenceError(
                f"{told} reg={reg:g} and weights of which the greatest is {apart:.2g} times the least. Try "
                f"weights that differ less, such as weights=np.sqrt(weights), or reg={100 * reg:.2g}"
            ) from error
        return float(squares.sum())

    # ------------------------------------------------------------------ what `run_epochs` asks for

    def parts(self, k: int) -> Sequence[Any]:
        """The epoch, which is one part."""
        return [k]

    def run_part(self, part: Any) -> float:
        """Run an epoch."""
        return self.epoch(part)

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes by the live parameters."""
        rows, biases = self.rows, self.biases
        live = Factors(rows["user"], rows["item"], biases["user"], biases["item"], self.mean)
        return predicted(users, items, live, self.context.n_threads)

    def arrays(self) -> dict[str, Array]:
        """The live parameters, without padding."""
        return {
            "user_factors": self.rows["user"][:, : self.n_factors],
            "item_factors": self.rows["item"][:, : self.n_factors],
            "user_bias": self.biases["user"],
            "item_bias": self.biases["item"],
            "implicit_factors": self.members["user"],
            "implicit_user_factors": self.members["item"],
        }

    def carried(self) -> dict[str, Array]:
        """Nothing."""
        return {}

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int
    ) -> ALSState:
        """The state with these parameters."""
        fields: dict[str, Any] = {**arrays, "history": dict(history), "n_epochs": n_epochs}
        rows = {f"{kind}_rows": held for kind, held in self.rows.items()}
        return state_of(
            self.context, ALSState, rows, **fields, rates=self.rates, seen_weights=self.sides["user"].weights
        )


def first_arrays(
    train: Ratings, n_factors: int, sets: str | None, spread: float, rng: np.random.Generator
) -> dict[str, Array]:
    """The arrays that a fit starts from: random factors of users, and zeros."""
    scale = FIRST * spread**0.5 / max(n_factors, 1) ** 0.5
    users = first_factors(train.user_counts, n_factors, "float32", scale, rng.standard_normal)
    y = n_factors if sets in ("both", "user") else 0
    w = n_factors if sets in ("both", "item") else 0
    return {
        "user_factors": users[:, :n_factors],
        "item_factors": np.zeros((train.n_items, n_factors), dtype=np.float32),
        "user_bias": np.zeros(train.n_users, dtype=np.float32),
        "item_bias": np.zeros(train.n_items, dtype=np.float32),
        "implicit_factors": np.zeros((train.n_items, y), dtype=np.float32),
        "implicit_user_factors": np.zeros((train.n_users, w), dtype=np.float32),
    }
