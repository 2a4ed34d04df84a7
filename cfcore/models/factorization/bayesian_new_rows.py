"""Users and items that are known by features alone, in a `BayesianState`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from cfcore.data.features import of_encoding
from cfcore.data.ids import encode, merge
from cfcore.errors import DataError
from cfcore.models.factorization.bayesian_features import entry_fields, rows_at, weighted
from cfcore.models.factorization.bayesian_state import BayesianState

__all__ = ["features_of", "from_features", "matrix_of", "priors_of", "state_with", "widened"]

Array = np.ndarray[Any, Any]


def state_with(state: BayesianState, kind: str, table: Any, name: str) -> BayesianState:
    """The state in which the users, or items, of a table of features are known too.

    Those with training ratings stay as they are; rows and biases of the others are the means of their priors
    in each sample.

    Parameters
    ----------
    state : BayesianState
    kind : {"user", "item"}
    table : as of `Features`
        With the columns of that of the fit.
    name : str
        Of the model, for errors.

    Raises
    ------
    DataError
        The model was fitted without such features; or the table cannot be used.
    """
    encoding, where = getattr(state, f"{kind}_encoding"), f"{kind}_features"
    if not encoding:
        raise DataError(
            f"{where}: this {name} was fitted without; fit it by fit(train, {where}=table) first, with the "
            f"{kind}s that have ratings"
        )
    features = of_encoding(encoding, table, where, kind, (state.column_names.get(kind, kind),))
    ids, counts = getattr(state, f"{kind}_ids"), getattr(state, f"{kind}_counts")
    try:
        own = encode(ids, features.ids, where)
    except DataError as error:
        raise DataError(f"{error}; the {kind}s of this model have the others") from None
    own = np.where((own >= 0) & (np.append(counts, 0)[own] > 0), -2, own)  # those with ratings stay
    new = np.flatnonzero(own > -2)
    if len(new) == 0:
        return state
    union = merge(ids, features.ids[new], where)
    wider = widened(state, kind, union, encode(union, ids, where))
    at = encode(union, features.ids[new], where)
    return _with_rows(wider, kind, at, rows_at(features, new))


def matrix_of(state: BayesianState, kind: str) -> csr_array:
    """Features of each user, or item: float64[n, n_features]."""
    indptr, indices, weights = (
        getattr(state, f"{kind}_feature_{name}") for name in ("indptr", "indices", "weights")
    )
    n_features = len(getattr(state, f"{kind}_feature_effects")) - 1
    return csr_array((weights.astype(np.float64), indices, indptr), shape=(len(indptr) - 1, n_features))


def from_features(state: BayesianState, kind: str, matrix: csr_array) -> tuple[Array, Array]:
    """Rows (float32[n, n_columns]) and biases (float64[n]) of the priors' means, for rows of features."""
    factors, effects = (getattr(state, f"{kind}_feature_{name}") for name in ("factors", "effects"))
    rows = weighted(matrix, factors[:-1].astype(np.float64)) + factors[-1]
    return rows.astype(np.float32), matrix @ effects[:-1].astype(np.float64) + float(effects[-1])


def features_of(state: BayesianState, codes: Array) -> csr_array:
    """Features of some users by code, none of those of code -1: float64[n, n_features]."""
    matrix = matrix_of(state, "user")
    nothing = csr_array((1, matrix.shape[1]))
    return vstack([matrix, nothing], format="csr")[np.where(codes < 0, matrix.shape[0], codes)]


def priors_of(state: BayesianState, codes: Array) -> tuple[Array, Array]:
    """Prior means of the rows (float64[n, n_kept, k]) and biases (float64[n]) of users, over `spread`.

    Those of users without features, and of code -1, are the means of the prior of unknown users.
    """
    rows = np.repeat(state.user_factors[-1:], len(codes), axis=0)
    biases = np.full(len(codes), float(state.user_bias[-1]))
    if state.user_featured is not None:
        told = np.flatnonzero((codes >= 0) & state.user_featured[codes])
        rows[told], biases[told] = from_features(state, "user", features_of(state, codes[told]))
    n_kept, k = state.prior_means.shape
    return rows.reshape(-1, n_kept, k) * (n_kept / state.spread), biases / state.spread


def _with_rows(state: BayesianState, kind: str, at: Array, matrix: csr_array) -> BayesianState:
    """The state whose users, or items, of the codes `at` have these features, and no ratings."""
    rows, biases = from_features(state, kind, matrix)
    changed = {name: np.array(getattr(state, f"{kind}_{name}")) for name in ("factors", "bias", "featured")}
    changed["factors"][at], changed["bias"][at], changed["featured"][at] = rows, biases, True
    fields: dict[str, Any] = {f"{kind}_{name}": held for name, held in changed.items()}
    before = matrix_of(state, kind)
    place = np.arange(before.shape[0])
    place[at] = before.shape[0] + np.arange(len(at))
    fields |= entry_fields(kind, vstack([before, matrix], format="csr")[place])
    samples = np.array(getattr(state, f"{kind}_biases"))
    unknown = float(getattr(state, f"{kind}_bias")[-1])  # whose samples are draws around it
    samples[at] = samples[-1] + ((biases - unknown) / state.spread)[:, np.newaxis]
    fields[f"{kind}_biases"] = samples
    return dataclasses.replace(state, **fields)


def widened(state: BayesianState, kind: str, ids: Array, at: Array) -> BayesianState:
    """The state with a larger vocabulary, in which the present ids have the codes `at`; others are empty."""
    n, symbol = len(ids), f"n_{kind}s"
    fields: dict[str, Any] = {f"{kind}_ids": ids}
    for field in state.array_fields():
        held, name, meta = getattr(state, field.name), field.name, field.metadata
        if held is None or name == f"{kind}_ids":
            continue
        first = meta["shape"][0]
        if meta["high"] == symbol:
            fields[name] = at.astype(held.dtype)[held]
        elif first == f"{symbol} + 1" and meta["order"].startswith("bounds of "):
            sizes = np.zeros(n, dtype=held.dtype)
            sizes[at] = np.diff(held)
            fields[name] = np.append(0, np.cumsum(sizes)).astype(held.dtype)
        elif first == f"{symbol} + 1":  # the last row is that of the unknown
            fields[name] = np.repeat(held[-1:], n + 1, axis=0)
            fields[name][at] = held[:-1]
        elif first == symbol:
            fields[name] = np.zeros((n, *held.shape[1:]), dtype=held.dtype)
            fields[name][at] = held
    return dataclasses.replace(state, **fields)
