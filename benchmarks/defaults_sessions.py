"""Rates of the session biases of `TimeSVDpp` by cross-validation: ``defaults.py --sessions``.

Data are training rows of u1 and of a random 90/10 split of MovieTweetings; test parts are dropped. A row of
the table changes the learning rate or the regularisation of one length; the last two columns hold out random
ratings (five folds, two of MovieTweetings) and the ten latest of each user.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any
from unittest import mock

import cfcore as cf
from cfcore.models.factorization import time_terms

DATA = ("ml-100k", "movietweetings")
#: Factors on the learning rate of each length, and values of its regularisation.
FACTORS = (0.5, 1.5, 2.0)
REGS = (0.02, 0.6)


def error(folds: list[tuple[cf.Ratings, cf.Ratings]], **params: Any) -> float:
    """Mean RMSE over folds."""
    return statistics.fmean(
        float(cf.metrics.rmse(test.values, cf.TimeSVDpp(random_state=0, **params).fit(train).predict(test)))
        for train, test in folds
    )


def settings(quick: bool) -> Iterator[tuple[str, dict[int, time_terms.Term]]]:
    """Names of settings, and the rules that they are made of."""
    usual = time_terms.SESSIONS
    yield "the defaults in the code", {}
    for length, term in list(usual.items())[: 1 if quick else None]:
        for factor in FACTORS:
            part = round(factor * term.part, 3)
            yield f"{length} s: lr {part} lr_bias", {length: term._replace(part=part)}
        for reg in REGS:
            yield f"{length} s: reg {reg}", {length: term._replace(reg=reg)}
    for factor in FACTORS:
        changed = {length: term._replace(part=factor * term.part) for length, term in usual.items()}
        yield f"all: lr x {factor}", changed


def sessions_table(options: Any, rows_of: Any) -> list[dict[str, Any]]:
    """Rows of the table.

    Parameters
    ----------
    options : namespace
        ``quick`` of the command.
    rows_of : callable
        ``training_rows`` of ``defaults.py``.
    """
    found = []
    for name in DATA[:1] if options.quick else DATA:
        rows = rows_of(name)
        if options.quick:
            rows = rows.subset(slice(None, None, 10))
        n_folds = 1 if options.quick else 5 if name == "ml-100k" else 2
        random = list(cf.split.kfold(rows, k=5, random_state=1))[:n_folds]
        latest = [cf.split.leave_k_out(rows, 10, latest=True)]
        plain = {"setting": "sessions=None", "random": error(random, sessions=None)}
        found.append({"data": name, **plain, "ten latest": error(latest, sessions=None)})
        for setting, changed in settings(options.quick):
            with mock.patch.dict(time_terms.SESSIONS, changed):
                row = {"setting": setting, "random": error(random), "ten latest": error(latest)}
            found.append({"data": name, **row})
            print(".", end="", flush=True)
    return found
