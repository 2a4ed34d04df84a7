"""R-hat of `BayesianSVD` with its defaults, for ``bayesian.py rhat``.

Of the predictions of 200 training ratings and of the log-likelihood of all: split R-hat of a single chain, by
which a fit warns, without overrelaxation as well, and of four chains. The largest of the seeds counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import mock

import numpy as np
from bayesian_accuracy import split_of

import cfcore as cf
from cfcore.models.factorization import bayesian_side

Row = dict[str, Any]

NAMES = ("r_hat", "r_hat_max", "r_hat_log_likelihood")
SIZES = ("ess_median", "ess_min", "ess_log_likelihood")


def rhat(data: str, n_seeds: int, params: Mapping[str, Any]) -> list[Row]:
    """Print R-hat and effective sample sizes, with times and without, of one chain and of four."""
    train, test = split_of(data, 0)
    rows: list[Row] = []
    for sessions in ("auto", None):
        default = bayesian_side.OVERRELAXED
        for n_chains, correlation in ((1, default), (1, 0.0), (4, default)):
            found, errors = [], []
            for seed in range(n_seeds):
                model = cf.BayesianSVD(sessions=sessions, n_chains=n_chains, random_state=seed, **params)
                with mock.patch.object(bayesian_side, "OVERRELAXED", correlation):
                    model.fit(train)
                predicted = model.predict(test) if sessions else model.predict(test, timestamps=False)
                errors.append(float(cf.metrics.rmse(test.values, predicted)))
                found.append({name: getattr(model.diagnostics_, name) for name in (*NAMES, *SIZES)})
            row = {"data": data, "sessions": sessions, "n_chains": n_chains, "correlation": correlation}
            row |= {"rmse": errors, "seeds": found}
            rows.append(row)
            most = [max(one[name] for one in found) for name in NAMES]
            least = [min(one[name] for one in found) for name in SIZES]
            print(
                f"{data}, sessions={sessions!r}, n_chains={n_chains}, rows' correlation {correlation}, "
                f"{n_seeds} seeds: RMSE {np.mean(errors):.4f}\n  largest R-hat: nine tenths of 200 "
                f"predictions {most[0]:.3f}, the worst {most[1]:.3f}, log-likelihood {most[2]:.3f}\n"
                "  least effective sample size of the "
                f"predictions: median {least[0]:.0f}, worst {least[1]:.0f}; of the log-likelihood "
                f"{least[2]:.0f}",
                flush=True,
            )
    return rows
