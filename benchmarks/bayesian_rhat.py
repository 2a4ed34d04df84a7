"""R-hat of `BayesianSVD` with its defaults, for ``bayesian.py rhat``.

Of the predictions of 200 training ratings and of the log-likelihood of all: split R-hat of a single chain, by
which sampling ends and a fit warns, without overrelaxation as well, and of two chains. The largest of the
seeds counts. R-hat of a single chain compares its halves; that of two chains after as many samples as the
single one took tells whether it ended by chance.
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

NAMES = ("r_hat_median", "r_hat_max", "r_hat_log_likelihood")
SIZES = ("ess_median", "ess_min", "ess_log_likelihood")


def rhat(data: str, n_seeds: int, params: Mapping[str, Any]) -> list[Row]:
    """Print R-hat and effective sample sizes, with times and without, of one chain and of two."""
    train, test = split_of(data, 0)
    rows: list[Row] = []
    for sessions in ("auto", None):
        default, singles = bayesian_side.OVERRELAXED, {}
        for n_chains, correlation in ((1, default), (1, 0.0), (2, default)):
            found, errors, early = [], [], []
            for seed in range(n_seeds):
                model = cf.BayesianSVD(sessions=sessions, n_chains=n_chains, random_state=seed, **params)
                with mock.patch.object(bayesian_side, "OVERRELAXED", correlation):
                    model.fit(train)
                predicted = model.predict(test) if sessions else model.predict(test, timestamps=False)
                errors.append(float(cf.metrics.rmse(test.values, predicted)))
                one = {name: getattr(model.diagnostics_, name) for name in (*NAMES, *SIZES)}
                found.append({**one, "n_samples": model.n_samples_})
                if n_chains == 1 and correlation == default:
                    singles[seed] = model.n_epochs_
                held = zip(model.history_["r_hat_sweep"], model.history_["r_hat"], strict=True)
                early += [r_hat for sweep, r_hat in held if n_chains > 1 and sweep == singles[seed]]
            row = {"data": data, "sessions": sessions, "n_chains": n_chains, "correlation": correlation}
            row |= {"rmse": errors, "seeds": found, "r_hat_after_samples_of_one": early}
            rows.append(row)
            most = [max(one[name] for one in found) for name in NAMES]
            least = [min(one[name] for one in found) for name in SIZES]
            numbers = ", ".join(str(one["n_samples"]) for one in found)
            print(
                f"{data}, sessions={sessions!r}, n_chains={n_chains}, rows' correlation {correlation}, "
                f"{n_seeds} seeds: {numbers} samples, RMSE {np.mean(errors):.4f}\n"
                f"  largest R-hat: median of 200 predictions {most[0]:.3f}, the worst {most[1]:.3f}, "
                f"log-likelihood {most[2]:.3f}\n"
                "  least effective sample size of the "
                f"predictions: median {least[0]:.0f}, worst {least[1]:.0f}; of the log-likelihood "
                f"{least[2]:.0f}",
                flush=True,
            )
            if early:
                named = ", ".join(f"{r_hat:.3f}" for r_hat in early)
                print(f"  R-hat after as many samples as one chain took: {named}", flush=True)
    return rows
