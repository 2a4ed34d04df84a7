"""`FactorModel`: what models of biases and factors have in common once they are fitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from cfcore import backends
from cfcore.data import Ratings
from cfcore.models.base import Array, Model
from cfcore.models.blocks import aligned_zeros, row_length, worthwhile_threads
from cfcore.models.lists import Products

#: Ratings looked at together: temporaries of 32 MB.
PIECE = 1 << 22


class FactorModel(Model):
    """Base of models that predict mean + biases + a product of user and item factors.

    Fitted attributes hold factors without padding; the kernels get rows padded to whole groups of 64 bytes,
    kept in ``_cache["rows"]``.
    """

    #: Fitted arrays that training changes; all of them are kept in files.
    _trained: ClassVar[tuple[str, ...]] = ("user_factors_", "item_factors_", "user_bias_", "item_bias_")
    _array_names: ClassVar[tuple[str, ...]] = _trained

    # Ratings are laid out from their columns: at 100 million, by_user would be 800 MB for nothing.
    _reads_by_user: ClassVar[bool] = False

    n_threads: int | None

    user_factors_: Array
    item_factors_: Array
    user_bias_: Array
    item_bias_: Array

    def _offset(self) -> float:
        """The constant term."""
        return self.mean_

    def _rows(self) -> tuple[Array, Array]:
        """Padded factors; made anew after loading, unpickling or going back to an earlier epoch."""
        if "rows" not in self._cache:
            self._cache["rows"] = padded(self.user_factors_), padded(self.item_factors_)
        users, items = self._cache["rows"]
        return users, items

    def _snapshot(self) -> dict[str, Array]:
        """Copies of what training changes."""
        return {name: getattr(self, name).copy() for name in self._trained}

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        out = np.empty(len(users))
        rows = self._rows()
        backends.kernel("svd").predict(
            users, items, *rows, self.user_bias_, self.item_bias_, out, self._offset(),
            worthwhile_threads(self.n_threads, len(users) * rows[0].shape[1]),
        )  # fmt: skip
        return out

    def _products(self) -> Products | None:
        return Products(*self._rows(), self.user_bias_, self.item_bias_, self._offset())

    def _similarity_to(self, kind: str, code: int) -> Array:
        """Cosine of factors; NaN for factors of length 0."""
        # The padded rows lie alike in memory after fitting and after loading, and so BLAS rounds alike.
        factors = self._rows()[kind == "item"]
        if f"{kind}_norms" not in self._cache:
            self._cache[f"{kind}_norms"] = np.sqrt(np.einsum("nf,nf->n", factors, factors, dtype=np.float64))
        norms = self._cache[f"{kind}_norms"]
        products = (factors @ factors[code]).astype(np.float64)
        return np.divide(products, norms * norms[code], out=np.full(len(norms), np.nan), where=norms > 0)


def density_and_spread(train: Ratings) -> tuple[float, float]:
    """What the rules for learning rates and regularisation follow.

    Ratings per user and item that has any, and the standard deviation of the ratings (1 if all are equal).
    """
    n_rows = np.count_nonzero(train.user_counts) + np.count_nonzero(train.item_counts)
    return len(train) / n_rows, standard_deviation(train.values) or 1.0


def standard_deviation(values: Array) -> float:
    """``np.std`` in double, in pieces where its temporaries would be as large as the ratings."""
    if len(values) <= PIECE:
        return float(np.std(values, dtype=np.float64))
    pieces = [slice(start, start + PIECE) for start in range(0, len(values), PIECE)]
    mean = sum(float(np.sum(values[piece], dtype=np.float64)) for piece in pieces) / len(values)
    squares = sum(float(np.sum(np.square(values[piece].astype(np.float64) - mean))) for piece in pieces)
    return (squares / len(values)) ** 0.5


def decay_and_total(n_epochs: int, lr_decay: float | None, cooled: float) -> tuple[float, float]:
    """Factor on the learning rate after each epoch, and the sum of all rates in units of the first.

    Without `lr_decay` the rate falls to the part `cooled` of the first.
    """
    decay = cooled ** (1 / n_epochs) if lr_decay is None else float(lr_decay)
    return decay, float(np.sum(decay ** np.arange(n_epochs)))


def first_factors(
    counts: Array, n_factors: int, dtype: str, scale: float, draw: Callable[..., Array]
) -> Array:
    """Rows of random factors, padded with zeros; zeros for what has no ratings."""
    factors = aligned_zeros(len(counts), row_length(n_factors, dtype), dtype)
    drawn = draw((len(counts), n_factors), dtype=factors.dtype.type)
    np.multiply(drawn, factors.dtype.type(scale), out=factors[:, :n_factors])
    factors[counts == 0] = 0
    return factors


def padded(factors: Array) -> Array:
    """Copy of factors in rows padded with zeros."""
    rows = aligned_zeros(len(factors), row_length(factors.shape[1], factors.dtype), factors.dtype)
    rows[:, : factors.shape[1]] = factors
    return rows
