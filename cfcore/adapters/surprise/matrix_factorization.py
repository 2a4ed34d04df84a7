"""`SVD`, `SVDpp` and `NMF`, with the numbers of scikit-surprise's."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise import _factorization, _nmf
from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.baselines import float_of
from cfcore.adapters.surprise.batch import Estimates
from cfcore.adapters.surprise.factors import Constants, Parameters
from cfcore.adapters.surprise.predictions import PredictionImpossible
from cfcore.adapters.surprise.utils import get_rng
from cfcore.kernels import simd

if TYPE_CHECKING:
    from cfcore.adapters.surprise.columns import Columns
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["NMF", "SVD", "SVDpp"]

Array = NDArray[np.float64]
Codes = NDArray[np.int32]

_UNKNOWN = "User and item are unknown."
#: Steps of an item factor in one call of SVD++: about .3 s, so that Ctrl-C works.
_STEPS = 1e8


class _Factors(AlgoBase):
    """What the three share."""

    bu: Array
    bi: Array
    pu: Array
    qi: Array
    yj: Array | None = None
    biased: Any = True
    n_epochs: Any
    verbose: Any

    def _constants(self) -> Constants:
        def all_of(kind: str) -> Any:
            names = [f"{kind}_{name}" for name in ("bu", "bi", "pu", "qi", "yj")]
            return tuple(float_of(getattr(self, name, 0.0)) for name in names)

        mean = float(self.trainset.global_mean)
        return Constants(mean, bool(self.biased), all_of("lr"), all_of("reg"))

    def _rates(self, names: str, lr_all: Any, reg_all: Any, given: dict[str, Any]) -> None:
        """Set lr_bu, reg_bu and so on: what was given, else the common value."""
        for name in names.split():
            for kind, common in (("lr", lr_all), ("reg", reg_all)):
                own = given[f"{kind}_{name}"]
                setattr(self, f"{kind}_{name}", common if own is None else own)

    def _keep(self, found: Parameters) -> None:
        self.bu, self.bi, self.pu, self.qi = found.bu, found.bi, found.pu, found.qi

    def _user_rows(self, users: Codes) -> Array:
        """Factors as predictions use them, of some users; rows of others may hold anything."""
        return _rows(self.pu)

    def estimate(self, u: Any, i: Any) -> Any:
        """Estimate of a pair of inner ids, not clipped."""
        known_user, known_item = self.trainset.knows_user(u), self.trainset.knows_item(i)
        if not self.biased:
            if known_user and known_item:
                return np.dot(self.qi[i], self._row_of(u))
            raise PredictionImpossible(_UNKNOWN)
        est = self.trainset.global_mean
        if known_user:
            est += self.bu[u]
        if known_item:
            est += self.bi[i]
        if known_user and known_item:
            est += np.dot(self.qi[i], self._row_of(u))
        return est

    def _row_of(self, u: int) -> Any:
        return self.pu[u]

    def _estimates(self, users: Codes, items: Codes) -> Estimates:
        dots = np.zeros(len(users))
        # As np.dot of two rows, which is what `estimate` calls.
        _factorization.products(_rows(self.qi), self._user_rows(users), items, users, dots)
        if not self.biased:
            return Estimates(dots, ((users < 0) | (items < 0)).astype(np.uint8), (_UNKNOWN,))
        # The bias of -1, the last one, is 0.
        values = np.append(self.bu, 0.0)[users]
        values += float(self.trainset.global_mean)
        values += np.append(self.bi, 0.0)[items]
        values += dots
        return Estimates(values)


class SVD(_Factors):
    """Matrix factorization by stochastic gradient descent: r = mu + b_u + b_i + q_i . p_u.

    Koren, Bell, Volinsky, "Matrix factorization techniques for recommender systems", Computer 2009; without
    biases, probabilistic matrix factorization (Salakhutdinov, Mnih, NIPS 2007). Ratings are visited user by
    user, one epoch as the other.

    Parameters
    ----------
    n_factors, n_epochs : int
    biased : bool
        False: r = q_i . p_u, with no estimate unless user and item are known.
    init_mean, init_std_dev : float
        Of the normal distribution of initial factors.
    lr_all, reg_all : float
        Learning rate and regularization of all parameters.
    lr_bu, lr_bi, lr_pu, lr_qi, reg_bu, reg_bi, reg_pu, reg_qi : float, optional
        Those of one kind of parameter.
    random_state : None, int or numpy.random.RandomState
    verbose : bool
        Whether to print the number of each epoch.

    Attributes
    ----------
    pu, qi : float64[n_users, n_factors], float64[n_items, n_factors]
    bu, bi : float64[n_users], float64[n_items]
    """

    def __init__(
        self,
        n_factors: int = 100,
        n_epochs: int = 20,
        biased: bool = True,
        init_mean: float = 0,
        init_std_dev: float = 0.1,
        lr_all: float = 0.005,
        reg_all: float = 0.02,
        lr_bu: float | None = None,
        lr_bi: float | None = None,
        lr_pu: float | None = None,
        lr_qi: float | None = None,
        reg_bu: float | None = None,
        reg_bi: float | None = None,
        reg_pu: float | None = None,
        reg_qi: float | None = None,
        random_state: Any = None,
        verbose: bool = False,
        engine: str | None = None,
    ) -> None:
        given = dict(locals())
        self.n_factors, self.n_epochs, self.biased = n_factors, n_epochs, biased
        self.init_mean, self.init_std_dev = init_mean, init_std_dev
        self._rates("bu bi pu qi", lr_all, reg_all, given)
        self.random_state, self.verbose = random_state, verbose
        super().__init__(engine=engine)

    def fit(self, trainset: Trainset) -> SVD:
        """Train; returns self."""
        super().fit(trainset)
        self.sgd(trainset)
        return self

    def sgd(self, trainset: Trainset) -> None:
        """The epochs of `fit`."""
        rng, shape = get_rng(self.random_state), (self.init_mean, self.init_std_dev)
        found, constants = trainset.columns(), self._constants()
        pu = rng.normal(*shape, (trainset.n_users, self.n_factors))
        qi = rng.normal(*shape, (trainset.n_items, self.n_factors))
        parameters = Parameters(np.zeros(trainset.n_users), np.zeros(trainset.n_items), pu, qi)
        epochs = range(self.n_epochs)
        plan = _factorization.schedule(found)
        for epoch in epochs:
            if self.verbose:
                print(f"Processing epoch {epoch}")
            _factorization.svd(found, plan, parameters, constants, _avx2())
        self._keep(parameters)


class SVDpp(_Factors):
    """SVD++, with the set of the items that a user rated.

    ``r = mu + b_u + b_i + q_i . (p_u + |I_u|^-1/2 sum of y_j)``, where j are the items that u rated.

    Koren, "Factorization meets the neighborhood", KDD 2008.

    Parameters
    ----------
    n_factors, n_epochs : int
    init_mean, init_std_dev : float
        Of the normal distribution of initial factors.
    lr_all, reg_all : float
        Learning rate and regularization of all parameters.
    lr_bu, lr_bi, lr_pu, lr_qi, lr_yj, reg_bu, reg_bi, reg_pu, reg_qi, reg_yj : float, optional
        Those of one kind of parameter.
    random_state : None, int or numpy.random.RandomState
    verbose : bool
        Whether to print the number of each epoch.
    cache_ratings : bool
        Without effect: a training set has its ratings as arrays.

    Attributes
    ----------
    pu, qi, yj : float64[n_users, n_factors], float64[n_items, n_factors], float64[n_items, n_factors]
    bu, bi : float64[n_users], float64[n_items]
    """

    def __init__(
        self,
        n_factors: int = 20,
        n_epochs: int = 20,
        init_mean: float = 0,
        init_std_dev: float = 0.1,
        lr_all: float = 0.007,
        reg_all: float = 0.02,
        lr_bu: float | None = None,
        lr_bi: float | None = None,
        lr_pu: float | None = None,
        lr_qi: float | None = None,
        lr_yj: float | None = None,
        reg_bu: float | None = None,
        reg_bi: float | None = None,
        reg_pu: float | None = None,
        reg_qi: float | None = None,
        reg_yj: float | None = None,
        random_state: Any = None,
        verbose: bool = False,
        cache_ratings: bool = False,
        engine: str | None = None,
    ) -> None:
        given = dict(locals())
        self.n_factors, self.n_epochs = n_factors, n_epochs
        self.init_mean, self.init_std_dev = init_mean, init_std_dev
        self._rates("bu bi pu qi yj", lr_all, reg_all, given)
        self.random_state, self.verbose, self.cache_ratings = random_state, verbose, cache_ratings
        super().__init__(engine=engine)

    def fit(self, trainset: Trainset) -> SVDpp:
        """Train; returns self."""
        super().fit(trainset)
        self.sgd(trainset)
        return self

    def sgd(self, trainset: Trainset) -> None:
        """The epochs of `fit`."""
        rng, shape = get_rng(self.random_state), (self.init_mean, self.init_std_dev)
        found, constants = trainset.columns(), self._constants()
        sizes = (trainset.n_users, trainset.n_items, trainset.n_items)
        pu, qi, yj = (rng.normal(*shape, (size, self.n_factors)) for size in sizes)
        parameters = Parameters(np.zeros(trainset.n_users), np.zeros(trainset.n_items), pu, qi, yj)
        repeated, bounds = _repeated(found), _spans(found, _STEPS / max(1, self.n_factors))
        for epoch in range(self.n_epochs):
            if self.verbose:
                print(f" processing epoch {epoch}")
            for span in pairwise(bounds):
                _factorization.svdpp(found, repeated, span, parameters, constants, _avx2())
        self._keep(parameters)
        self.yj = yj

    def _row_of(self, u: int) -> Any:
        return self._user_rows(np.array([u], dtype=np.int32))[u]

    def _user_rows(self, users: Codes) -> Array:
        assert self.yj is not None
        pu = _rows(self.pu)
        rows = np.empty_like(pu)
        _factorization.implicit_rows(self._ratings(), users, pu, _rows(self.yj), rows)
        return rows


class NMF(_Factors):
    """Non-negative matrix factorization by multiplicative updates: r = q_i . p_u, all factors >= 0.

    Luo, Zhou, Xia, Zhu, "An efficient non-negative matrix-factorization-based approach to collaborative
    filtering for recommender systems", IEEE Transactions on Industrial Informatics 2014.

    Parameters
    ----------
    n_factors, n_epochs : int
    biased : bool
        True: r = mu + b_u + b_i + q_i . p_u.
    reg_pu, reg_qi, reg_bu, reg_bi : float
        Regularization of factors and of biases.
    lr_bu, lr_bi : float
        Learning rates of biases.
    init_low, init_high : float
        Bounds of the uniform distribution of initial factors.
    random_state : None, int or numpy.random.RandomState
    verbose : bool
        Whether to print the number of each epoch.

    Attributes
    ----------
    pu, qi : float64[n_users, n_factors], float64[n_items, n_factors]
    bu, bi : float64[n_users], float64[n_items]

    Raises
    ------
    ValueError
        `init_low` is negative.
    """

    def __init__(
        self,
        n_factors: int = 15,
        n_epochs: int = 50,
        biased: bool = False,
        reg_pu: float = 0.06,
        reg_qi: float = 0.06,
        reg_bu: float = 0.02,
        reg_bi: float = 0.02,
        lr_bu: float = 0.005,
        lr_bi: float = 0.005,
        init_low: float = 0,
        init_high: float = 1,
        random_state: Any = None,
        verbose: bool = False,
        engine: str | None = None,
    ) -> None:
        self.n_factors, self.n_epochs, self.biased = n_factors, n_epochs, biased
        self.reg_pu, self.reg_qi, self.reg_bu, self.reg_bi = reg_pu, reg_qi, reg_bu, reg_bi
        self.lr_bu, self.lr_bi, self.init_low, self.init_high = lr_bu, lr_bi, init_low, init_high
        self.random_state, self.verbose = random_state, verbose
        if init_low < 0:
            raise ValueError("init_low should be greater than zero")
        super().__init__(engine=engine)

    def fit(self, trainset: Trainset) -> NMF:
        """Train; returns self."""
        super().fit(trainset)
        self.sgd(trainset)
        return self

    def sgd(self, trainset: Trainset) -> None:
        """The epochs of `fit`."""
        rng, bounds = get_rng(self.random_state), (self.init_low, self.init_high)
        found, constants = trainset.columns(), self._constants()
        pu = rng.uniform(*bounds, size=(trainset.n_users, self.n_factors))
        qi = rng.uniform(*bounds, size=(trainset.n_items, self.n_factors))
        parameters = Parameters(np.zeros(trainset.n_users), np.zeros(trainset.n_items), pu, qi)
        for epoch in range(self.n_epochs):
            if self.verbose:
                print(f"Processing epoch {epoch}")
            _nmf.epoch(found, parameters, constants, _avx2())
        self._keep(parameters)


def _avx2() -> bool:
    return simd.current_level() != "baseline"


def _rows(rows: Any) -> Array:
    return np.ascontiguousarray(rows, dtype=np.float64)


def _repeated(found: Columns) -> NDArray[np.uint8]:
    """Which users rated an item more than once."""
    keys = np.sort(found.users.astype(np.int64) * max(1, found.n_items) + found.items)
    twice = keys[1:][keys[1:] == keys[:-1]] // max(1, found.n_items)
    flags = np.zeros(found.n_users, dtype=np.uint8)
    flags[twice] = 1
    return flags


def _spans(found: Columns, most: float) -> list[int]:
    """Bounds of rows of all_ratings, between users, with about `most` pairs of a user's ratings each."""
    first = np.flatnonzero(np.diff(found.users, prepend=-1))
    lengths = np.diff(first, append=len(found.users)).astype(np.float64)
    parts = (np.cumsum(lengths**2) - lengths**2) // most
    return [*first[np.flatnonzero(np.diff(parts, prepend=-1))].tolist(), len(found.users)]
