"""`Forgetting`: `forget`, which removes users from a model."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from cfcore.data.ids import encode
from cfcore.errors import DataError
from cfcore.models.core.fitted import Fitted
from cfcore.models.core.ids import column_of
from cfcore.models.core.params import check_choice
from cfcore.models.core.state import State

__all__ = ["Forgetting"]

Array = np.ndarray[Any, Any]


class Forgetting(Fitted):
    """Removal of users."""

    def forget(self, users: Any, *, unknown_users: str = "error") -> Self:
        """Remove users, and all that belongs to them alone, from the model.

        Their ids, ratings, parameters and days of rating go, and their ratings no longer count in
        ``user_counts_`` and ``item_counts_``. Predictions for them are then those for unknown users, and a
        file written by `save` has nothing of them. Files that were saved earlier, and snapshots, keep them.

        Parameters
        ----------
        users : int or str, or array_like of them
            Raw user ids.
        unknown_users : {"error", "ignore"}, default "error"
            What to do with users that the model does not have.

        Returns
        -------
        self
            With a new state: other threads read the one before until it is complete.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Users that the model does not have, ids of another kind, or all users of the model. The model is
            as it was then.
        TypeError
            A model of your own that holds arrays without saying which of their rows are of users.

        Notes
        -----
        What the users' ratings contributed to shared parameters remains: mean, scale and errors of training,
        biases and factors of items, similarities of items (`ItemKNN`), weights of `EASE` and `RBM` and of
        members of a blend, priors of users that come later. To remove that as well, fit anew without their
        ratings. Predictions for the other users stay as they are, except where they are made from the
        ratings that went: by `UserKNN`, whose neighbours are users; by blends that weigh by the number of an
        item's ratings; and for items that nobody else rated, which are unknown then.
        """
        here = self.snapshot()
        here._check_fitted()
        check_choice("unknown_users", unknown_users, ("error", "ignore"))
        state: State = here._state
        column = column_of(users)
        state.users.encode(column)  # ids of another kind raise
        codes = encode(state.user_ids, column, "users")
        missing = np.unique(np.asarray(column)[codes < 0])
        if len(missing) and unknown_users == "error":
            raise DataError(
                f"forget: {len(missing)} of the users are not in the model: "
                f"{', '.join(map(str, missing[:5]))}{', ...' if len(missing) > 5 else ''}"
                '; pass unknown_users="ignore" to leave them out'
            )
        kept = np.ones(len(state.user_ids), dtype=bool)
        kept[codes[codes >= 0]] = False
        if not kept.any() and len(kept):
            raise DataError("forget: no user would remain; fit the model anew, on ratings of others")
        if not kept.all():
            self._state = here._remaining(kept)
        return self

    def _remaining(self, kept: Array) -> State:
        """The state without some users: `kept` (bool[n_users]) tells who remains."""
        state: State = self._state
        return state.remaining(kept)
