"""Convergence of chains: rank-normalised split R-hat and effective sample size of draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy.special import ndtri

__all__ = ["NO_DRAWS", "Diagnostics", "Trace", "diagnose", "effective_sizes", "r_hats"]

Array = np.ndarray[Any, Any]

#: Training ratings whose predictions are followed, and the most draws of a chain that are kept of them.
N_PAIRS, MOST_DRAWS = 200, 2000
#: Of the R-hats of these predictions, so large a part is at most the one that is reported.
PART = 0.9
#: Fewest samples from which R-hat is computed: those of fewer say little.
FEWEST = 40


@dataclass(frozen=True)
class Diagnostics:
    """How far the chains of a sampler have converged; printed, a table.

    Attributes
    ----------
    n_chains, n_draws : int
        Chains, and the draws of each that the figures are of: those after the burn-in, at most 2000, evenly
        spaced.
    n_pairs : int
        Training ratings whose predictions are followed, evenly spaced among them.
    r_hat : float
        Nine tenths of the predictions have an R-hat of at most this; 1 where chains, and their first and
        second halves, agree. NaN with fewer than 4 draws.
    r_hat_median, r_hat_max : float
        Median and largest of the predictions.
    r_hat_log_likelihood : float
        Of the log-likelihood of all training ratings, which mixes slower than predictions: it depends on all
        precisions.
    r_hat_all : float
        The largest of all predictions and of the log-likelihood, by which sampling ends.
    ess_median, ess_min : float
        Effective sample sizes of the predictions, of the draws of all chains: so many independent draws have
        a mean as exact. Of thinned draws where there were more than 2000.
    ess_log_likelihood : float

    Notes
    -----
    R-hat is the rank-normalised split one of Vehtari et al. (2021), the larger of bulk and folded, and the
    effective sample size that of the bulk. Halves of a single chain are compared likewise; they tell less
    than several chains, which start apart.
    """

    n_chains: int
    n_draws: int
    n_pairs: int
    r_hat: float
    r_hat_median: float
    r_hat_max: float
    r_hat_log_likelihood: float
    ess_median: float
    ess_min: float
    ess_log_likelihood: float

    @property
    def r_hat_all(self) -> float:
        """The largest R-hat of all predictions and of the log-likelihood."""
        return float(np.maximum(self.r_hat_max, self.r_hat_log_likelihood))

    @classmethod
    def of(cls, held: Any) -> Self:
        """The diagnostics of a dict that `as_dict` made.

        Raises
        ------
        ValueError
            It is another one; the message names the entry.
        """
        names = list(cls.__dataclass_fields__)
        if not isinstance(held, Mapping) or sorted(held) != sorted(names):
            raise ValueError(f"diagnostics_ must have the entries {', '.join(names)}, not {held!r}")
        for name in names:
            wanted = int if name.startswith("n_") else float
            if type(held[name]) is not wanted or (wanted is int and held[name] < 0):
                raise ValueError(f"diagnostics_: {name} must be a {wanted.__name__}, not {held[name]!r}")
        return cls(**held)

    def as_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    def __str__(self) -> str:
        chains = "1 chain" if self.n_chains == 1 else f"{self.n_chains} chains"
        ninth = f"predictions, {PART:.0%} of {self.n_pairs}"
        rows = [
            (f"{chains} of {self.n_draws} draws", "R-hat", "ESS"),
            ("log-likelihood", _number(self.r_hat_log_likelihood, 3), _number(self.ess_log_likelihood, 0)),
            ("predictions, median", _number(self.r_hat_median, 3), _number(self.ess_median, 0)),
            (ninth, _number(self.r_hat, 3), ""),
            ("predictions, worst", _number(self.r_hat_max, 3), _number(self.ess_min, 0)),
        ]
        width = max(len(row[0]) for row in rows)
        return "\n".join(f"{row[0]:<{width}} {row[1]:>7} {row[2]:>7}".rstrip() for row in rows)


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


class Trace:
    """Draws of a chain that are followed: predictions of some training ratings, and the log-likelihood.

    Parameters
    ----------
    n : int
        Number of training ratings.
    burn_in, n_samples : int
        The most that there may be.

    Attributes
    ----------
    rows : int64[n_pairs]
        The training ratings.
    draws : float32[n_stored, n_pairs]
        Of every `step`-th sweep after the burn-in.
    log_likelihood : float64[n_sweeps]
        Of all sweeps.
    """

    def __init__(self, n: int, burn_in: int, n_samples: int) -> None:
        self.burn_in = burn_in
        self.rows = np.linspace(0, n - 1, min(n, N_PAIRS)).astype(np.int64)
        self.step = -(-n_samples // MOST_DRAWS)
        self.draws = np.zeros((-(-n_samples // self.step), len(self.rows)), dtype=np.float32)
        self.log_likelihood = np.zeros(burn_in + n_samples)

    def add(self, k: int, predictions: Array, log_likelihood: float) -> None:
        """Add sweep `k`: predictions of the rows (float[n_pairs]), and the log-likelihood of all ratings."""
        self.log_likelihood[k] = log_likelihood
        at, rest = divmod(k - self.burn_in, self.step)
        if at >= 0 and rest == 0:
            self.draws[at] = predictions

    def drawn(self, n_sweeps: int) -> Array:
        """The draws after so many sweeps, the log-likelihood last: float64[n_draws, n_pairs + 1]."""
        n = max(-(-(n_sweeps - self.burn_in) // self.step), 0)
        sums = self.log_likelihood[self.burn_in : n_sweeps : self.step]
        return np.column_stack([self.draws[:n].astype(np.float64), sums])

    def arrays(self) -> dict[str, Array]:
        """Live arrays."""
        return {"trace_draws": self.draws, "trace_log_likelihood": self.log_likelihood}


def diagnose(traces: Sequence[Trace], n_sweeps: int) -> Diagnostics:
    """The diagnostics of chains after so many sweeps each."""
    draws = np.array([trace.drawn(n_sweeps) for trace in traces])
    n_chains, n_draws, n = draws.shape if len(draws) else (0, 0, 1)
    if n_draws < 4:
        nothing = dict.fromkeys(
            (name for name in Diagnostics.__dataclass_fields__ if name[0] != "n"), math.nan
        )
        return Diagnostics(n_chains=n_chains, n_draws=n_draws, n_pairs=n - 1, **nothing)
    found, sizes = r_hats(draws), effective_sizes(draws)
    return Diagnostics(
        n_chains, n_draws, n - 1,
        r_hat=float(np.quantile(found[:-1], PART, method="higher")),
        r_hat_median=float(np.median(found[:-1])), r_hat_max=float(found[:-1].max()),
        r_hat_log_likelihood=float(found[-1]), ess_median=float(np.median(sizes[:-1])),
        ess_min=float(sizes[:-1].min()), ess_log_likelihood=float(sizes[-1]),
    )  # fmt: skip


def r_hat_of(traces: Sequence[Trace], n_sweeps: int) -> float:
    """`Diagnostics.r_hat_all` alone, which takes half the time."""
    return float(r_hats(np.array([trace.drawn(n_sweeps) for trace in traces])).max())


def r_hats(draws: Array) -> Array:
    r"""Rank-normalised split :math:`\hat R` of several quantities: the larger of bulk and folded.

    .. math:: \hat R = \sqrt{\frac{(n - 1) / n\, W + B / n}{W}}

    with B / n the variance of the means of half chains of n draws, and W the mean of their variances, of
    normal scores of the ranks of all draws, and of those of the distances from the median. Vehtari, Gelman,
    Simpson, Carpenter and Bürkner, "Rank-normalization, folding, and localization: an improved R-hat for
    assessing convergence of MCMC", Bayesian Analysis 16 (2021).

    Parameters
    ----------
    draws : ndarray of float, shape (n_chains, n_draws, n_quantities)

    Returns
    -------
    ndarray of float64, shape (n_quantities,)
        NaN with fewer than 4 draws a chain, and infinite where halves of chains are constant and differ. 1
        where all draws are the same.
    """
    halves = _halves(draws)
    if halves.shape[1] < 2:
        return np.full(draws.shape[-1], np.nan)
    folded = np.abs(halves - np.median(halves, axis=(0, 1)))
    return np.maximum(_ratio(_scores(halves)), _ratio(_scores(folded)))


def effective_sizes(draws: Array) -> Array:
    """Bulk effective sample size of several quantities: independent draws with as exact a mean.

    Of normal scores of the ranks of half chains, with Geyer's initial monotone sequence of sums of
    autocorrelations (the paper of `r_hats`); at most n log10(n) for n draws in all.

    Parameters
    ----------
    draws : ndarray of float, shape (n_chains, n_draws, n_quantities)

    Returns
    -------
    ndarray of float64, shape (n_quantities,)
        NaN with fewer than 4 draws a chain.
    """
    halves = _halves(draws)
    m, n = halves.shape[:2]
    if n < 2:
        return np.full(draws.shape[-1], np.nan)
    scores = _scores(halves)
    covariances = _autocovariances(scores)
    within = covariances[0] * n / (n - 1)
    total = within * (n - 1) / n + scores.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlations = 1 - (within - covariances) / total
    correlations[0] = 1
    # Sums of neighbours, as long as they are positive, and no larger than those before.
    pairs = correlations[: n // 2 * 2].reshape(n // 2, 2, -1).sum(axis=1)
    positive = np.cumprod(pairs > 0, axis=0).astype(bool)
    sums = np.where(positive, np.minimum.accumulate(np.where(positive, pairs, np.inf), axis=0), 0).sum(axis=0)
    time = np.maximum(2 * sums - 1, 1 / np.log10(m * n))
    return np.where(total > 0, m * n / time, float(m * n))


def _halves(draws: Array) -> Array:
    """Halves of chains as chains, without the draw in the middle of an odd number."""
    n = draws.shape[1] // 2
    return np.concatenate([draws[:, :n], draws[:, draws.shape[1] - n :]]).astype(np.float64)


def _scores(draws: Array) -> Array:
    """Normal scores of the ranks of all draws of a quantity; those of ties are of their mean rank."""
    flat = draws.reshape(-1, draws.shape[-1])
    n = len(flat)
    order = np.argsort(flat, axis=0, kind="stable")
    ascending = np.take_along_axis(flat, order, axis=0)
    # The first and the last place of the ties that each place is among.
    places = np.arange(n)[:, np.newaxis]
    differs = ascending[1:] != ascending[:-1]
    ends = np.ones((1, flat.shape[1]), dtype=bool)
    first = np.maximum.accumulate(np.where(np.concatenate([ends, differs]), places, 0), axis=0)
    last = np.where(np.concatenate([differs, ends]), places, n)
    last = np.minimum.accumulate(last[::-1], axis=0)[::-1]
    scores = np.empty(flat.shape)
    np.put_along_axis(scores, order, ndtri(((first + last) / 2 + 1 - 0.375) / (n + 0.25)), axis=0)
    return scores.reshape(draws.shape)


def _ratio(draws: Array) -> Array:
    """R-hat of draws as they are."""
    n = draws.shape[1]
    within = draws.var(axis=1, ddof=1).mean(axis=0)
    between = draws.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt((n - 1) / n + between / within)
    constant = np.where(between > 0, np.inf, 1.0)
    return np.where(within > 0, found, constant)


def _autocovariances(draws: Array) -> Array:
    """Means over the chains of autocovariances: float64[n_draws, n_quantities], lag by lag."""
    n = draws.shape[1]
    apart = draws - draws.mean(axis=1, keepdims=True)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(apart, size, axis=1)
    return np.fft.irfft(np.abs(spectrum) ** 2, size, axis=1)[:, :n].mean(axis=0) / n


#: The diagnostics of no draws.
NO_DRAWS = diagnose((), 0)
