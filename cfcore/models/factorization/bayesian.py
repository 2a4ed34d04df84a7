"""`BayesianSVD`: matrix factorisation by sampling, with sets on both sides and sessions of users."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from cfcore.arrays import padded
from cfcore.data import Ratings
from cfcore.data.times import UNITS, as_seconds, unit_of
from cfcore.errors import DataWarning, warn
from cfcore.kernels.records import Factors
from cfcore.metrics.lists import relevant_from
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.given import user_fields
from cfcore.models.core.model import Array
from cfcore.models.core.params import check_choice, check_flag, check_number
from cfcore.models.core.single import Session
from cfcore.models.core.state import State
from cfcore.models.core.training import run_epochs
from cfcore.models.factorization.base import predicted
from cfcore.models.factorization.bayesian_chains import Chains
from cfcore.models.factorization.bayesian_exploring import Exploring
from cfcore.models.factorization.bayesian_featured import Featured
from cfcore.models.factorization.bayesian_given import solved, users_of
from cfcore.models.factorization.bayesian_levels import predictions, predictive
from cfcore.models.factorization.bayesian_ordinal import MOST_LEVELS
from cfcore.models.factorization.bayesian_predictive import Predictive
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.models.factorization.bayesian_stopping import Stopping
from cfcore.models.factorization.bayesian_update import BayesianUpdates
from cfcore.random import RandomState

__all__ = ["BayesianSVD"]


class BayesianSVD(BayesianUpdates, Featured, Exploring):
    """Bayesian matrix factorisation with implicit sets of users and of items, by Gibbs sampling.

    ::

        r_ui = μ + b_u + b_i + Σ_l b_{u,s_l(t)} + x_u · z_i + ε,    ε ~ N(0, (α α_u)⁻¹)
        x_u = p_u + |N_u|^(-1/2) Σ_{j ∈ N_u} y_j
        z_i = q_i + |N_i|^(-1/2) Σ_{v ∈ N_i} w_v

    where N(u) are the items that u rated, N(i) the users who rated i, and s_l(t) the session of length l
    (a day, half an hour, two minutes, a quarter of a minute) in which u rated at time t. There are no
    learning rates and no regularisation: all parameters have priors, whose parameters are drawn as well, and
    predictions are means over the draws.

    Parameters
    ----------
    n_factors : int, optional
        Length of the rows p, q, y and w. By default 32, and 48 where training ratings are at least 60 times
        the users and items that have some, as in MovieLens 1M (92 times; u1 of MovieLens 100K: 31,
        MovieTweetings: 9); a sweep costs O(n_factors^2) for each rating, at most 2.25 times as much.
    n_samples : int, optional
        Sweeps over all parameters, over which predictions are means. By default as many as it takes: 600, and
        then 150 at a time until R-hat (``diagnostics_.r_hat_all``) is at most 1.05, but no more than 900.
        With 300 the error is .0002 larger on a part of u1's training rows, and .0006 on one of ML-1M's
        (``benchmarks/bayesian.py choose``).
    burn_in : int, default 100
        Sweeps before these, which start from random factors.
    sets : {"both", "user", "item"} or None, default "both"
        Which rows have sums over sets: of users (y), of items (w), both, or none.
    sessions : {"auto", None}, default "auto"
        Biases of users' sessions where ratings have timestamps. Lengths that the timestamps are too coarse
        for, and those in which next to no ratings share a session, are left out. None: times are ignored.
    user_noise : bool, default True
        Whether each user has a precision of the noise (α_u) of its own.
    likelihood : {"gaussian", "ordinal"}, default "gaussian"
        "gaussian": ratings are numbers, as above. "ordinal": the right side is a latent rating, and a rating
        is the level between whose cut points it is (ordered probit); predictions are expected ratings. For
        ratings of at most 256 levels, which need not be evenly spaced.
    n_kept : int, default 64
        At most so many samples of the factors are kept, of all chains together, evenly spaced over the
        sweeps. It bounds memory, and the size of files: a sample takes 8 bytes for each factor of a user, and
        of an item.
    n_chains : int, default 1
        Samplers that start apart, of `burn_in` and `n_samples` sweeps each. They run side by side on the
        threads; predictions are means over all of them. Several tell more about convergence.
    stop_at_r_hat : float, optional
        Sampling ends early where R-hat (``diagnostics_.r_hat_all``) is at most this, such as 1.02; it is
        computed about 20 times after the burn-in, from 40 samples on. Without `n_samples` it takes the place
        of 1.05.
    random_state : int, SeedSequence, Generator, BitGenerator, RandomState or None
        Seed of all draws.
    n_threads : int, optional
        By default all cores. Results do not depend on it.
    verbose : int, default 0
        1 shows a progress bar.

    Attributes
    ----------
    user_factors_ : ndarray of float32, shape (n_users + 1, n_columns)
    item_factors_ : ndarray of float32, shape (n_items + 1, n_columns)
        Samples side by side, n_factors columns each; their product is the mean over the samples. The last
        row is that of unknown users, or items.
    user_bias_, item_bias_ : ndarray of float32, shape (n_users + 1,), (n_items + 1,)
        Means of biases, those of the unknown last.
    session_lengths_ : ndarray of int64
        Lengths of sessions in seconds, the longest first; empty without sessions.
    session_bias_, session_indptr_, session_numbers_ : ndarray
        User u's sessions are ``session_indptr_[u]`` to ``session_indptr_[u + 1]``; a number is the position
        of the length times 2^55, plus the number of such lengths since 1970.
    user_feature_names_, item_feature_names_ : tuple of str
        Of ``fit(train, user_features=users, item_features=items)``; empty without.
    user_feature_effects_, item_feature_effects_ : ndarray of float32, shape (n_features + 1,), or None
        Mean effect of each feature on the bias, in the unit of the ratings; the last entry is the bias
        without features. Those on rows of factors are in ``user_feature_factors_`` and
        ``item_feature_factors_``.
    noise_precision_ : float
        Mean of the noise's precision, in the unit of the ratings; 1 if these are ordinal.
    levels_ : ndarray of float64, shape (n_levels,), or None
        The different training ratings; None if there are more than 256. Their number is ``n_levels_``.
    cut_points_ : ndarray of float64, shape (n_kept, n_levels - 1), or None
        Samples of the cut points of ordinal ratings, and None for others. Biases and factors are then in the
        unit of the latent ratings' noise.
    history_ : dict of str to list of float
        ``train_rmse`` of the draw of each sweep (not of the means), ``log_likelihood`` of the training
        ratings given that draw (natural logarithm, the mean of the chains), and ``validation_rmse`` of the
        means; ``r_hat``, and the sweeps after which it was computed as ``r_hat_sweep``.
    n_factors_, n_samples_, n_epochs_ : int
        Length of the rows; number of sweeps of each chain after the burn-in, and with it.
    diagnostics_ : Diagnostics
        R-hat and effective sample sizes of the predictions of 200 training ratings and of the log-likelihood;
        printed, a table. Their definitions are in its docstring.

    Notes
    -----
    Rows of factors are drawn whole, from their multivariate normal distribution, all users and then all
    items at a time (Salakhutdinov and Mnih, "Bayesian probabilistic matrix factorization using Markov chain
    Monte Carlo", ICML 2008), and overrelaxed from the 30th sweep on (Adler, 1981): on the other side of
    that distribution's mean from where they were, which leaves the distribution as it is, and makes the
    effective sample size of predictions about twice as large (``benchmarks/bayesian.py rhat``). x is drawn
    itself, around its prior mean, and y given all x by a regression (Simm et al., "Macau", 2017): a sweep
    costs little more than one without sets. Both sets together are the "flipped" model of Rendle, Zhang and
    Koren, "On the difficulty of evaluating baselines" (2019). Rows have normal-Wishart priors with
    n_factors + 1 degrees of freedom and inverse scale .02 (n_factors + 1) I in units of the ratings'
    variance, so that nothing depends on the unit of the ratings.

    Biases of users and their sessions are drawn together, from the shortest sessions up and back, and each of
    their precisions with the biases integrated out; that of the noise together with that of the shortest
    sessions. Common factors of the rows of a side, and of the members of its sets, are drawn as well (Liu and
    Sabatti, 2000), and what can be moved between the mean of rows and the biases of the other side without a
    change of predictions: short runs are as good as longer ones without (``benchmarks/bayesian.py race``).

    With ``likelihood="ordinal"`` a rating is at most level l if the latent rating is at most the cut point
    c(l): its probability is Φ(√(α_u) (c_l - f)), f being the sum without noise, and
    α = 1. Latent ratings are drawn from truncated normal distributions by inversion, exactly at
    any distance; before them the cut points, with latent ratings integrated out, by a Metropolis-Hastings
    step from a normal distribution around the mode of their density (a step of Newton's method).

    The factors of users that are kept are the means of their distributions given the sample of the items,
    not draws: the mean of predictions is the same, with less variance.

    Features F(u), with weights a, are a further set in the prior means of rows: x_u has the further term
    ``|F_u|^(-1/2) Σ_{f ∈ F_u} a_uf e_f``, and the prior mean of b_u is Σ_f a_uf c_f;
    items likewise. Effects e and c have normal priors, whose precisions are drawn. Users and items without
    ratings are predicted from their features: they are known, and listed.

    Predictive distributions (``predict(..., return_std=True)``, `predict_interval`) are mixtures over the
    kept samples, around the prediction: the factors' draws, the noise of the user, sessions without training
    ratings at their prior variance, and the variance of the sum of the biases of known ones. Unknown users
    and items are drawn from the priors. On MovieLens 1M intervals of 90% hold 90% of the held-out ratings
    (``benchmarks/bayesian.py coverage``). For users that come with their ratings the noise is that of unknown
    users.

    Without a timestamp, or outside the sessions of training, session biases are left out. An unknown user, or
    item, has the mean of the prior in each sample. Ratings that come with a question (``given=``)
    are answered by the same equations: the user's row is solved for in each sample, exactly. Where they have
    timestamps, the biases of their sessions are integrated out, and predictions for times in these sessions
    have the means of these biases given the user's row; without timestamps, each rating is taken to be of
    sessions of its own.

    Further terms of time were tried within training rows of u1, with random ratings and the ten latest of
    each user held out (``benchmarks/bayesian.py time``). Biases of days common to all users, of weekdays and
    hours (of all, and of each user), of weekdays and of months of items gain .0002 at most. Of processes in
    continuous time (Ornstein-Uhlenbeck) in place of sessions, one of each user gains .0012 on random ratings
    and loses .0009 on the latest; the sum of two gains .0022 and .0003 (one seed), and is not in the model.

    ``benchmarks/bayesian.py choose`` compares numbers of factors, sweeps and kept samples on a part of the
    training rows of MovieLens 100K (u1), 1M and MovieTweetings: 48 factors in place of 32 gain .0006 on 1M.
    The bound of 60 ratings lies between these data sets, and was not searched for.

    Weights given to `fit` multiply the precision of each rating's noise.

    With validation ratings, ``early_stopping`` counts sweeps.

    A fit of 600 samples or more warns (`ConvergenceWarning`) where R-hat of the log-likelihood, or of one of
    200 predictions, is above 1.05 at its end; one of 100 or more where that of a tenth of these is. On u1
    600 to 900 samples suffice (``benchmarks/bayesian.py rhat``). On MovieLens 1M the log-likelihood mixes
    slower: in one fit its R-hat was 1.06 after 1800, that of the worst prediction 1.02. Draws of a chain
    depend on `random_state` and on its number alone: the first of several is that of a fit with one, as far
    as both go.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3])
    >>> model = cf.BayesianSVD(n_factors=2, n_samples=5, burn_in=2, random_state=0).fit(ratings)
    >>> model.predict(["ann", "eve"], ["x", "x"]).shape
    (2,)
    """

    _state_class: ClassVar[type[State]] = BayesianState
    takes_weights: ClassVar[bool] = True

    def __init__(
        self,
        *,
        n_factors: int | None = None,
        n_samples: int | None = None,
        burn_in: int = 100,
        sets: str | None = "both",
        sessions: str | None = "auto",
        user_noise: bool = True,
        likelihood: str = "gaussian",
        n_kept: int = 64,
        n_chains: int = 1,
        stop_at_r_hat: float | None = None,
        random_state: RandomState = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_factors = n_factors
        self.n_samples = n_samples
        self.burn_in = burn_in
        self.sets = sets
        self.sessions = sessions
        self.user_noise = user_noise
        self.likelihood = likelihood
        self.n_kept = n_kept
        self.n_chains = n_chains
        self.stop_at_r_hat = stop_at_r_hat
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose

    def _check_params(self) -> None:
        check_number("n_factors", self.n_factors, 1, 2**16, integer=True, none=True)
        check_number("n_samples", self.n_samples, 1, 2**30, integer=True, none=True)
        check_number("burn_in", self.burn_in, 0, 2**30, integer=True)
        check_number("n_kept", self.n_kept, 1, 2**20, integer=True)
        check_number("n_chains", self.n_chains, 1, 2**10, integer=True)
        if self.n_kept < self.n_chains:
            raise ValueError(
                f"n_kept={self.n_kept} is less than n_chains={self.n_chains}: each chain keeps at least one"
            )
        check_number("stop_at_r_hat", self.stop_at_r_hat, 1, 100, none=True, open_low=True)
        check_choice("sets", self.sets, ("both", "user", "item", None))
        check_choice("sessions", self.sessions, ("auto", None))
        check_flag("user_noise", self.user_noise)
        check_choice("likelihood", self.likelihood, ("gaussian", "ordinal"))

    def _n_epochs_planned(self) -> int:
        return int(self.burn_in + Stopping.of(self).planned)

    def uses_timestamps(self) -> bool:
        """Whether predictions depend on time: where there are sessions, or may be."""
        return self.sessions is not None

    def _untimed(self) -> str | None:
        state: BayesianState | None = self._state
        timed = state is not None and len(state.session_lengths)
        return "leave out the biases of sessions" if timed else None

    # ------------------------------------------------------------------ fitting

    def _fit(self, train: Ratings, context: FitContext) -> BayesianState:
        seconds = None
        if self.sessions is not None and train.timestamps is not None:
            unit = unit_of(train.timestamps)
            if unit > 1:
                warn(
                    f"{type(self).__name__}: by their range, timestamps are read as {UNITS[unit]} since "
                    "1970; those of predictions must have the same unit",
                    DataWarning,
                )
            seconds = as_seconds(np.asarray(train.timestamps), unit, "timestamps")
            context = _in_seconds(context, unit)
        trainer = Chains(self, train, seconds, context)
        state: Any = run_epochs(trainer, context, self.burn_in + trainer.stopping.most, growth=np.inf)
        found: BayesianState = state
        trainer.stopping.warn(type(self).__name__, self.burn_in, found.diagnostics)
        return found

    # ------------------------------------------------------------------ predicting

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        found = predictions(self._state, users, items, self._seconds(timestamps), self.n_threads)
        if self._n_std:
            found += self._n_std * self._deviations(users, items, timestamps, "mean")
        return found

    def _predictive(self, users: Array, items: Array, timestamps: Array | None) -> Predictive:
        return predictive(self._state, users, items, self._seconds(timestamps), self.n_threads)

    def _seconds(self, timestamps: Array | None) -> Array | None:
        """Timestamps in seconds; None without sessions, as predictions do not depend on them then."""
        state: BayesianState = self._state
        if timestamps is None or not len(state.session_lengths):
            return None
        return as_seconds(timestamps, state.time_unit)

    def _probabilities(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        levels = self._state.levels
        if levels is None:
            raise TypeError(
                f"{type(self).__name__}: the training ratings have more than {MOST_LEVELS} different values, "
                "which are no levels: use predict(..., return_std=True) or predict_interval, or fit rounded "
                "ratings"
            )
        found = np.empty((len(users), len(levels)))
        for part, one in self._blocks(users, items, timestamps):
            found[part] = one.probabilities(levels)
        return found

    def _worth(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Chance of a relevant rating: of an ordinal model the sum of the chances of these levels."""
        state: BayesianState = self._state
        if not state.is_ordinal:
            return super()._worth(users, items, timestamps)
        levels = np.asarray(state.levels, dtype=np.float32)
        first = np.searchsorted(levels, np.float32(relevant_from(state.scale)))
        chances = self._probabilities(users, items, timestamps)[:, first:]
        return np.minimum(np.einsum("nl->n", chances), 1.0)

    def _products(self) -> Factors | None:
        state: BayesianState = self._state
        if self._n_std or state.is_ordinal:
            return None
        return state.known_factors

    def _similarity_rows(self, kind: str, codes: Array) -> Array:
        """Cosines of rows of samples; NaN for rows of length 0."""
        rows, lengths = getattr(self._state, f"{kind}_rows")[:-1], getattr(self._state, f"{kind}_norms")
        products = np.empty((len(codes), len(rows)), dtype=rows.dtype)
        for product, code in zip(products, codes, strict=True):
            np.matmul(rows, rows[code], out=product)
        both = np.outer(lengths[codes], lengths)
        return np.divide(products, both, out=np.full(both.shape, np.nan), where=lengths > 0)

    def _error_variance(self) -> float:
        return float(1 / self._state.noise_precision)

    def _state_of_users(self, given: Ratings) -> State:
        state: BayesianState = self._state
        fields: dict[str, Any] = users_of(state, given, self.n_threads) | user_fields(given)
        # What only `partial_fit` reads is of the users of the fit.
        nothing = dict.fromkeys(
            ("seen_times", "seen_weights", "item_members", "item_precisions", "chain_scalars")
        )
        found = dataclasses.replace(state, **{**fields, **nothing})
        for name in ("item_rows", "items", "item_layouts"):  # of the same items
            vars(found)[name] = getattr(state, name)
        return found

    def _session_scores(self, session: Session) -> Array | None:
        state: BayesianState = self._state
        if state.is_ordinal or self._n_std:
            return None
        indptr = np.array([0, len(session.items)])
        fields = solved(state, (indptr, session.items, session.values), None, self.n_threads)
        n = len(state.item_ids)
        factors = Factors(
            padded(fields["user_factors"][:1]), state.item_rows[:-1], fields["user_bias"][:1],
            state.item_bias[:-1], state.mean,
        )  # fmt: skip
        items = np.arange(n, dtype=np.int32)
        found = predicted(np.zeros(n, dtype=np.int32), items, factors, self.n_threads)
        found[
            state.item_counts == 0
            if state.item_featured is None
            else (state.item_counts == 0) & ~state.item_featured
        ] = np.nan
        return found


def _in_seconds(context: FitContext, unit: int) -> FitContext:
    """The context of a fit with validation ratings in seconds, after a check of their unit."""
    held_out = context.validation
    if held_out is not None and held_out.timestamps is not None:
        seconds = as_seconds(held_out.timestamps, unit, "timestamps of validation")
        held_out = held_out.with_timestamps(seconds)
    return replace(context, validation=held_out, side={**context.side, "time_unit": unit})
