"""Records of kept samples."""

from __future__ import annotations

from dataclasses import dataclass

from cfcore.kernels.records.base import Array, Record, array, dimension, integer, real

__all__ = ["FactorSamples"]


@dataclass(frozen=True, eq=False, repr=False)
class FactorSamples(Record):
    """Samples of factors and biases; a row of factors has `n_factors` columns a sample, side by side.

    Attributes
    ----------
    user_means : float32[n_users, n_columns]
        Means of the conditional distributions of users' rows, over `scale`.
    user_draws : float32[n_users, n_columns]
        What the draws from these add to the means.
    item_factors : float32[n_items, n_columns]
    user_biases, item_biases : float32[n_users, n_kept], float32[n_items, n_kept]
    n_factors : int
    scale : float
    """

    user_means: Array = array("float32", "n_users", "n_columns")
    user_draws: Array = array("float32", "n_users", "n_columns")
    item_factors: Array = array("float32", "n_items", "n_columns")
    user_biases: Array = array("float32", "n_users", "n_kept")
    item_biases: Array = array("float32", "n_items", "n_kept")
    n_factors: int = integer(1)
    scale: float = real(default=1.0)
    n_users: int = dimension()
    n_items: int = dimension()
    n_kept: int = dimension()
    n_columns: int = dimension()

    def _check(self) -> None:
        if self.n_columns != self.n_kept * self.n_factors:
            raise ValueError(
                f"{self._name('user_means')} must have {self.n_kept * self.n_factors} columns, "
                f"n_factors={self.n_factors} of each of {self.n_kept} samples, not {self.n_columns}"
            )
