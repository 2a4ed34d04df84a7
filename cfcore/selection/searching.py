"""`search`: better hyper-parameters within a budget."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore.data import Duplicates, as_ratings, needs_times, split
from cfcore.errors import ConvergenceWarning, shown, warn
from cfcore.metrics.judging import check_threshold
from cfcore.metrics.measuring import larger_is_better, parse
from cfcore.metrics.names import OF_RATINGS, MetricLike
from cfcore.metrics.options import ListOptions
from cfcore.metrics.result import warn_of_differences
from cfcore.models.core.model import Model
from cfcore.models.core.params import as_python, check_flag
from cfcore.models.core.side_tables import digests, given_features
from cfcore.progress import progress_bar
from cfcore.random import RandomState, generator
from cfcore.selection import spaces
from cfcore.selection import study as studies
from cfcore.selection.fold_weights import FoldWeights
from cfcore.selection.folds import Folds, folds
from cfcore.selection.table import Table
from cfcore.selection.trials import Goal, Judge
from cfcore.selection.workers import prepared, share, side_by_side

__all__ = ["Search", "search"]

#: Up to so many ratings, settings are judged by five folds; beyond, by a tenth of the ratings.
FEW = 300_000


@dataclass(frozen=True)
class Search:
    """What `search` found.

    Attributes
    ----------
    model : Model
        With the best hyper-parameters; fitted to all ratings with ``refit=True``.
    params : dict
        Those that were varied, and their best values; as given, if nothing better was found.
    value : float
        The metric on held-out ratings, mean over the folds.
    table : Table
        A row for each trial: ``trial``, ``state`` ("complete", "pruned", "failed"; "stopped": cut off by the
        end of the budget), the metric (of pruned trials: at that moment), ``seconds``, and the
        hyper-parameters.
    study : optuna.Study
    """

    model: Model
    params: dict[str, Any]
    value: float
    table: Table
    study: Any

    def __repr__(self) -> str:
        states = list(self.table["state"])
        counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        return f"Search({self.value:.5f} with {self.model!r}; trials: {counted})"


def search(
    model: Model,
    ratings: Any = None,
    space: Any = None,
    *,
    budget: str | float | int = "5m",
    cv: Folds | None = None,
    metric: MetricLike | None = None,
    maximize: bool | None = None,
    n_jobs: int | None = 1,
    study: str | os.PathLike[str] | None = None,
    random_state: RandomState = 0,
    refit: bool = True,
    verbose: int = 0,
    duplicates: Duplicates = "error",
    threshold: float | None = None,
    by: str | None = None,
    min_support: int = 0,
    exclude_seen: bool = True,
    items: Any = None,
    exclude: Any = None,
    timestamps: Any = None,
    candidates: str = "all",
    user_features: Any = None,
    item_features: Any = None,
    weights: Any = None,
) -> Search:
    """Search better hyper-parameters, judged by ratings held out within those given.

    Parameters
    ----------
    model : Model
        The first setting, unless a grid is without it. Hyper-parameters that are not in `space` keep their
        values in this model.
    ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
        Training ratings; test ratings are not among them.
    space : dict, optional
        For each hyper-parameter to vary: ``(low, high)``, of ints or floats, ``(low, high, "log")``, or a
        list of values. Members of a `Blend` have theirs as ``name__parameter``. By default ranges that
        fit the class and the ratings. If all are lists, they are a grid: each combination is tried once, and
        the search ends with the last.
    budget : str or int, default "5m"
        "90s", "5m", "2h": seconds in which trials are made, the last trial being ended unfinished. Or the
        number of trials. With `study`, the trials of earlier calls count.
    cv : optional
        As for `cross_validate`. By default five folds, and of more than 300,000 ratings a tenth held out.
    metric : str or function, optional
        One of `cf.metrics.evaluate`, such as "ndcg@10", or a function of test ratings and predictions. By
        default "rmse", and "ndcg@10" for models that are for lists (``ranks_by = "preference"``).
    maximize : bool, optional
        Whether larger values of a function are better. By default they are if its value for perfect
        predictions is larger than for wrong ones.
    n_jobs : int or None, default 1
        Trials at a time, on shared cores; with more than one, results depend on what is finished first.
    study : path-like, optional
        SQLite file that keeps the trials. If it is there, the search goes on: after a kill, or with a larger
        budget.
    random_state : None, int, SeedSequence or Generator, default 0
        For folds and trials, and for models that have None. To go on with a `study`, pass the same int.
    refit : bool, default True
        Fit the best model to all ratings; that comes on top of the budget.
    verbose : int, default 0
        1 shows a progress bar.
    duplicates : {"error", "last", "first", "mean"}, default "error"
        What to do when a user rated an item more than once, as in `Ratings`.
    threshold, by, min_support, exclude_seen, items, exclude, timestamps, candidates
        For a metric of lists, as for `cross_validate`.
    user_features, item_features : DataFrame, dict, (sparse matrix, ids) or Features, optional
        Tables for the fits of models that take features, as `BayesianSVD.fit`.
    weights : array_like of float, shape (n_ratings,), optional
        Weights of `ratings`, for models that take them, as `ALS` and `BayesianSVD`: each fit has those of its
        training part. Test ratings count alike.

    Returns
    -------
    Search
        ``.model``, ``.params``, ``.value``, ``.table``.

    Raises
    ------
    ImportError
        Optuna is missing: ``pip install 'cfcore[tune]'``.
    ValueError, TypeError, DataError
        An argument that cannot be used, by name; also a `study` of another search.
    FileFormatError
        A file given as `study` that is damaged or no study.

    Notes
    -----
    The first trial is the model as given, the second has the defaults of its class, others are drawn by
    Optuna's TPE. The combinations of a grid are tried in their order if `budget` is enough trials for all,
    and in random order otherwise. A trial is pruned when, in the first fold at half of its epochs or later,
    or after any fold, it does worse than the median of the trials before. The value found is somewhat
    optimistic, because the best of many settings is chosen on the same held-out ratings.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.datasets.synthetic(50, 40, 600, random_state=0)
    >>> found = cf.selection.search(cf.Baseline(), ratings, budget=4)
    >>> sorted(found.params)
    ['reg_item', 'reg_user']
    """
    optuna = studies.import_optuna()
    if not isinstance(model, Model):
        raise TypeError(f"model must be a model of cfcore, not {type(model).__name__}")
    if isinstance(ratings, Mapping) and space is not None and not isinstance(space, Mapping):
        warn(
            "search(model, space, ratings) is deprecated: ratings come second, as in cross_validate; call "
            "search(model, ratings, space)",
            DeprecationWarning,
        )
        ratings, space = space, ratings
    if ratings is None:
        raise ValueError("ratings are needed: search(model, train)")
    wanted = parse(usual_metric(model) if metric is None else metric)
    if len(wanted) != 1:
        raise TypeError(f"metric must be one name or function, not {shown(metric)}")
    judged_by = wanted[0]
    if maximize is not None:
        check_flag("maximize", maximize)
    random_state = seed_of(random_state)
    check_flag("refit", refit)
    seconds, n_trials = parse_budget(budget)
    train = as_ratings(ratings, duplicates=duplicates, timed=needs_times(model))
    built_in, defaults = ({}, {}) if space is not None else spaces.default_space(model, train)
    space = spaces.check_space(built_in if space is None else space, model)
    side = given_features(model, user_features, item_features, train.column_names)
    weighted = FoldWeights(model, train, weights, duplicates)
    workers, threads = share(n_jobs)
    if cv is None:
        cv = 5 if len(train) <= FEW else [split.holdout(train, 0.1, random_state)]
    pairs = list(folds(train, cv, random_state))
    if maximize is None or judged_by.function is None:
        maximize = larger_is_better(judged_by, pairs[0][1].values)
    grid = spaces.Grid(space, model) if spaces.is_grid(space) else None
    check_threshold(threshold)
    options = ListOptions(by, min_support, exclude_seen, items, exclude, timestamps, candidates)
    of_ratings = judged_by.name in OF_RATINGS  # which no option of lists changes
    facts = studies.fingerprint(
        train, model=model, space=space, metric=judged_by.label, folds=[len(held) for _, held in pairs],
        random_state=random_state, **({} if of_ratings else options.facts(threshold)), **digests(side),
        **weighted.facts(),
    )  # fmt: skip
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)  # some settings diverge
            kept = studies.open_study(study, facts, random_state)
            if "started" not in kept.user_attrs:
                kept.set_user_attr("started", True)
                if grid is None:
                    kept.enqueue_trial({}, user_attrs={studies.START: "given"})
                if grid is None and spaces.inside(space, defaults):
                    kept.enqueue_trial(spaces.coordinates(space, defaults))
            studies.recover(kept)
            deadline = None
            if seconds is not None:
                deadline = time.monotonic() + seconds - studies.seconds_spent(kept) / workers
            left = None
            if grid is not None:
                left = grid.order(None if n_trials is None or n_trials >= len(grid) else random_state)
            asked = studies.Asked(kept, n_trials, deadline, left)
            goal = Goal(judged_by, maximize, threshold, options, side, weighted)
            start = seeded(prepared(model, threads), random_state)
            judge = Judge(start, space, pairs, goal, kept, asked, deadline)
            title = "search" if n_trials else f"search, {budget} at most"
            with progress_bar(n_trials, title, verbose) as bar:
                for value in side_by_side(judge, asked, workers):
                    bar.update(1)
                    bar.set(**{judged_by.label: f"{value:.5f}"})
    finally:
        optuna.logging.set_verbosity(level)
    warn_of_differences("search", judge.facts.values())
    return report(
        model,
        kept,
        space,
        judged_by.label,
        maximize,
        (train, {**side, **weighted.of(train)}) if refit else None,
    )


def seeded(model: Model, seed: int) -> Model:
    """The model, with the seed where its own is None."""
    if model.get_params(deep=False).get("random_state", seed) is None:
        model.set_params(random_state=seed)
    return model


def usual_metric(model: Model) -> str:
    """What a search judges by unless it is told."""
    return "ndcg@10" if model.ranks_by == "preference" else "rmse"


def report(model: Model, study: Any, space: spaces.Space, metric: str, maximize: bool, data: Any) -> Search:
    """The best trial, and a table of all of them."""
    sign = -1.0 if maximize else 1.0
    try:
        best = study.best_trial
    except ValueError:
        raise studies.nothing_finished(study) from None
    trials = [trial for trial in study.trials if trial.state.is_finished()]
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    columns: dict[str, Any] = {
        "trial": [trial.number for trial in trials],
        "state": [
            "stopped" if studies.STOPPED in trial.user_attrs else states[trial.state.name] for trial in trials
        ],
        metric: [np.nan if trial.value is None else sign * trial.value for trial in trials],
        "seconds": [trial.duration.total_seconds() if trial.duration else 0.0 for trial in trials],
    }
    points = [point_of(trial, model, space) for trial in trials]
    for name in space:
        values = [point[name] for point in points]
        numeric = all(isinstance(value, (int, float)) for value in values)
        columns[name] = values if numeric else np.array([*values, None], dtype=object)[:-1]
    params = point_of(best, model, space)
    found = model.clone().set_params(**params)
    if data is not None:
        found.fit(data[0], **data[1])
    table = Table(columns, errors={metric: best.user_attrs.get(studies.ERROR, float("nan"))})
    return Search(found, params, sign * float(best.value), table, study)


def point_of(trial: Any, model: Model, space: spaces.Space) -> dict[str, Any]:
    """A trial's values of the hyper-parameters that are varied."""
    given = model.get_params()
    return {
        name: given[name]
        if name not in trial.params
        else values[trial.params[name]]
        if isinstance(values, list)
        else trial.params[name]
        for name, values in space.items()
    }


def seed_of(random_state: RandomState) -> int:
    """The number itself, or one that is drawn."""
    random_state = as_python(random_state)
    rng = generator(random_state)  # raises for what is no random state
    return random_state if isinstance(random_state, int) else int(rng.integers(2**32))


def parse_budget(budget: str | float | int) -> tuple[float | None, int | None]:
    """Seconds, or number of trials.

    Raises
    ------
    ValueError
        Anything but a positive whole number or a time such as "90s", "5m" or "2h".
    """
    budget = as_python(budget)
    if isinstance(budget, str):
        given = budget.strip()
        text, unit = given[:-1], given[-1:]
        try:
            seconds = float(text) * {"s": 1, "m": 60, "h": 3600}[unit]
        except (KeyError, ValueError):
            seconds = 0.0
        if 0 < seconds < float("inf"):
            return seconds, None
    elif isinstance(budget, int) and not isinstance(budget, bool) and budget > 0:
        return None, budget
    number, hint = str(budget).strip(), ""
    if number.replace(".", "", 1).isdecimal() and float(number) > 0:
        trials = max(1, round(float(number)))
        hint = f': budget={trials} is for {trials} trials, "{number}s", "{number}m" and "{number}h" are times'
    raise ValueError(
        f'budget must be a number of trials or a time such as "90s" or "5m", got {shown(budget)}{hint}'
    )
