"""`SVDppTrainer`: the trainer of SVD++ and of other models with implicit terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfcore.arrays import aligned_zeros, padded
from cfcore.data import Ratings
from cfcore.kernels.records import Factors, SVDppFactors, SVDppRates
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array
from cfcore.models.factorization.base import predicted, state_of
from cfcore.models.factorization.implicit_state import SVDppState, constant_fields
from cfcore.models.factorization.implicit_terms import summed_rows
from cfcore.models.factorization.user_batches import UserBatches, UserBatchTrainer


class SVDppTrainer(UserBatchTrainer):
    """Biases, factors and implicit factors trained user batch by user batch.

    Parameters
    ----------
    start : SVDppState
        The parameters to start from; they are copied.
    rates : Rates
        Of `SVDpp`.
    train : Ratings
    context : FitContext
    """

    def __init__(self, start: SVDppState, rates: Any, train: Ratings, context: FitContext) -> None:
        self.rates, self.context, self.kind = rates, context, type(start)
        self.n_factors = start.item_factors.shape[1]
        # Padded copies; a model without factors of users has rows of zeros for them, which are not trained.
        users, items, table = (padded(held) for held in (start.user_factors, start.item_factors, start.table))
        self.n_user_factors = start.user_factors.shape[1]
        if users.shape[1] != items.shape[1]:
            users = aligned_zeros(len(users), items.shape[1], items.dtype)
        self.live = SVDppFactors(
            users,
            items,
            start.user_bias.copy(),
            start.item_bias.copy(),
            float(start.mean),
            implicit_factors=table,
        )
        self.sizes = {name: len(getattr(start, name)) for name in start.tables}
        self.constant = constant_fields(start, context.known, self.arrays())
        batches = UserBatches(train, start.sets, table, context.rng, context.n_threads)
        super().__init__(batches, self.live)

    def steps(self, k: int) -> SVDppRates:
        """The steps of epoch `k`."""
        now = self.rates.in_epoch(k)
        return SVDppRates(
            now.lr, now.reg, now.lr_bias, now.reg_bias, now.lr_implicit, now.reg_implicit,
            lr_user=now.lr if self.kind.trains_users else 0.0,
        )  # fmt: skip

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes by the live parameters."""
        live, n_threads = self.live, self.context.n_threads
        own = live.user_factors[:, : self.n_user_factors]
        rows = summed_rows(self.batches.sets, live.implicit_factors, own, n_threads)
        factors = Factors(rows, live.item_factors, live.user_bias, live.item_bias, live.mean)
        return predicted(users, items, factors, n_threads)

    def arrays(self) -> dict[str, Array]:
        """The live parameters, without padding."""
        live, n_factors = self.live, self.n_factors
        arrays = {
            "user_factors": live.user_factors[:, : self.n_user_factors],
            "item_factors": live.item_factors[:, :n_factors],
            "user_bias": live.user_bias,
            "item_bias": live.item_bias,
        }
        begin = 0
        for name, size in self.sizes.items():
            arrays[name] = live.implicit_factors[begin : begin + size, :n_factors]
            begin += size
        return arrays

    def carried(self) -> dict[str, Array]:
        """Nothing."""
        return {}

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int
    ) -> SVDppState:
        """The state with these parameters."""
        fields: dict[str, Any] = {**self.constant, **arrays, "history": dict(history), "n_epochs": n_epochs}
        fields["rates"] = self.rates.after(n_epochs)
        rows = {"item_rows": self.live.item_factors}
        state: SVDppState = state_of(self.context, self.kind, rows, **fields)
        vars(state)["sets"] = self.batches.sets
        return state
