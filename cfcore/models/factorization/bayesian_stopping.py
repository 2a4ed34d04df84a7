"""`Stopping`: after how many samples the sampler of `BayesianSVD` ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from cfcore.errors import ConvergenceWarning, warn
from cfcore.models.factorization.bayesian_diagnostics import FEWEST, Diagnostics

__all__ = ["Stopping"]

#: Samples of a fit that finds their number: first, further ones at a time, and at most.
SAMPLES, MORE, MOST_SAMPLES = 600, 150, 900
#: R-hat above which samples have not converged, and draws of all chains from which on a fit warns of it:
#: R-hat of few varies too much. The largest varies most: it counts where a chain has as many samples as by
#: default.
LARGE, ENOUGH = 1.05, 100


@dataclass(frozen=True)
class Stopping:
    """Where sampling ends: at the first R-hat at most `limit` from `least` samples on, or after `most`.

    Attributes
    ----------
    planned : int
        Samples of a chain that are planned at first, over which those to keep are spread.
    most : int
    least, every : int
        R-hat may end sampling after `least` samples, and each `every` more.
    limit : float
        0: R-hat does not end it.
    """

    planned: int
    most: int
    least: int
    every: int
    limit: float

    @classmethod
    def of(cls, model: Any) -> Self:
        """That of the hyper-parameters of a `BayesianSVD`."""
        n_samples, limit = model.n_samples, model.stop_at_r_hat
        if n_samples is not None:
            return cls(n_samples, n_samples, 0, 1, limit or 0.0)
        if limit is not None:
            return cls(SAMPLES, MOST_SAMPLES, 0, 1, limit)
        return cls(SAMPLES, MOST_SAMPLES, SAMPLES, MORE, LARGE)

    def is_checked(self, n: int) -> bool:
        """Whether R-hat is computed after `n` samples: about 20 times in those planned, and at the end."""
        each = max(FEWEST // 2, self.planned // 20)
        return n == self.most or (n >= FEWEST and n % each == 0)

    def ends(self, n: int, r_hat: float) -> bool:
        """Whether sampling ends after `n` samples with this R-hat."""
        may_end = n >= self.least and (n - self.least) % self.every == 0
        return n >= self.most or (may_end and r_hat <= self.limit)

    def more(self, n: int) -> int:
        """How many samples are planned where `n`, which were, are not enough."""
        return min(n + MORE, self.most)

    def warn(self, name: str, burn_in: int, found: Diagnostics) -> None:
        """Warn if samples have not converged, and say what to change."""
        n_draws = found.n_chains * found.n_draws
        r_hat = found.r_hat_all if found.n_draws >= SAMPLES else found.r_hat
        if n_draws < ENOUGH or not r_hat > LARGE or found.r_hat_all <= self.limit:
            return
        more = [f"n_samples={2 * self.most}", f"burn_in={max(2 * burn_in, 100)}"]
        if found.n_chains == 1:
            more.append("n_chains=4, whose predictions are means over the chains")
        what = "the log-likelihood" if r_hat == found.r_hat_log_likelihood else "predictions"
        warn(
            f"{name}: the draws have not converged: R-hat of {what} is {r_hat:.3f}, and should be "
            f"below {LARGE}. Try {', '.join(more[:-1])} or {more[-1]}; diagnostics_ has more",
            ConvergenceWarning,
        )


def kept_sweeps(burn_in: int, n_samples: int, most: int) -> np.ndarray[Any, Any]:
    """The sweeps whose samples are kept: at most so many, evenly spaced, the last among them."""
    n_kept = min(n_samples, most)
    return burn_in + (np.arange(1, n_kept + 1) * n_samples) // max(n_kept, 1) - 1
