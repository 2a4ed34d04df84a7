"""`Judge`: runs the trials of a search, one a call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.errors import DataError
from cfcore.metrics.measured import measured
from cfcore.metrics.names import Metric
from cfcore.metrics.options import ListOptions
from cfcore.metrics.result import Facts
from cfcore.models.core.model import Model
from cfcore.selection import spaces
from cfcore.selection import study as studies
from cfcore.selection.fold_weights import FoldWeights
from cfcore.selection.folds import Pair
from cfcore.selection.workers import Stop, elsewhere

__all__ = ["Goal", "Judge"]

#: Reports from the first fold, at equal parts of the epochs.
PARTS = 4


class OutOfTime(Exception):
    """The budget was used up during a trial."""


@dataclass(frozen=True)
class Goal:
    """What trials are judged by.

    Attributes
    ----------
    metric : Metric
    maximize : bool
        Whether larger values are better.
    threshold : float or None
        The least relevant rating, for metrics of lists.
    options : ListOptions or None
        How lists are made.
    side : mapping of str to Features
        Further arguments of the fits.
    weights : FoldWeights, optional
        Of the training ratings.
    """

    metric: Metric
    maximize: bool = False
    threshold: float | None = None
    options: ListOptions | None = None
    side: Mapping[str, Any] = field(default_factory=dict)
    weights: FoldWeights | None = None

    def of(self, train: Ratings) -> Goal:
        """The goal with the weights of some of the ratings among the arguments of the fit."""
        if self.weights is None:
            return self
        return replace(self, side={**self.side, **self.weights.of(train)}, weights=None)


class Judge:
    """Runs one trial a call.

    Parameters
    ----------
    model : Model
        With its number of threads and its seed.
    space : dict
        As from `spaces.check_space`.
    pairs : list of (train, test)
    goal : Goal
    study : optuna.Study
    asked : studies.Asked
        The trials to run.
    deadline : float, optional
        By `time.monotonic`.
    """

    def __init__(
        self,
        model: Model,
        space: spaces.Space,
        pairs: list[Pair],
        goal: Goal,
        study: Any,
        asked: studies.Asked,
        deadline: float | None = None,
    ) -> None:
        self.model, self.space, self.pairs, self.goal = model, space, pairs, goal
        self.study, self.asked, self.deadline = study, asked, deadline
        self.facts: dict[int, Facts] = {}
        self.sign = -1.0 if goal.maximize else 1.0

    def __call__(self, trial: Any, stop: Stop) -> float:
        optuna = studies.import_optuna()
        state, failed = optuna.trial.TrialState, False
        try:
            value = self.measure(trial, stop)
            self.study.tell(trial, value)
        except optuna.TrialPruned:
            self.study.tell(trial, state=state.PRUNED)
        except OutOfTime:
            trial.set_user_attr(studies.STOPPED, True)
            failed = True
            self.study.tell(trial, state=state.FAIL)
        except (FloatingPointError, np.linalg.LinAlgError, MemoryError) as error:
            trial.set_user_attr(studies.REASON, str(error))
            failed = True
            self.study.tell(trial, state=state.FAIL)
        except BaseException:
            self.study.tell(trial, state=state.FAIL)
            raise
        finally:
            self.asked.done(failed)
        try:
            return float(self.study.best_value) * self.sign
        except ValueError:  # no trial is complete yet
            return float("nan")

    def measure(self, trial: Any, stop: Stop) -> float:
        """Mean of the metric over the folds (its negative, where larger is better)."""
        model, metric = self.model.clone(), self.goal.metric
        if trial.user_attrs.get(studies.START) != "given":
            model.set_params(**spaces.suggest(trial, self.space))
        n_epochs = model._n_epochs_planned()
        errors = []
        for fold, pair in enumerate(self.pairs):

            def watch(epochs: int, history: dict[str, list[float]], first: bool = fold == 0) -> None:
                stop(epochs, history)
                self.check_time()
                part, whole = divmod(epochs * PARTS, n_epochs)
                if first and metric.name == "rmse" and whole < PARTS and 0 < part < PARTS:
                    self.report(trial, history["validation_rmse"][-1], part)

            other, task = elsewhere.get(), (model.clone(), fold, pair, self.goal.of(pair[0]))
            if other is None:
                found, facts, _ = measure_fold(*task, watch)
            else:  # another process reports at its end
                found, facts, history = other.run(measure_fold, (*task, None), stop)
                for epochs in range(1, 1 + max(map(len, history.values()), default=0)):
                    watch(epochs, {name: values[:epochs] for name, values in history.items()})
            self.check_time()
            if facts is not None:
                self.facts[fold] = facts
            value = found[metric.label]
            if np.isnan(value):
                raise DataError(f"{metric.label}: it has no value for the ratings held out in fold {fold}")
            errors.append(self.sign * value)
            if fold + 1 < len(self.pairs):
                self.report(trial, float(np.mean(errors)), PARTS + fold)
        if len(errors) > 1:
            trial.set_user_attr(studies.ERROR, float(np.std(errors, ddof=1) / len(errors) ** 0.5))
        return float(np.mean(errors))

    def report(self, trial: Any, value: float, step: int) -> None:
        trial.report(value, step)
        if trial.should_prune():
            raise studies.import_optuna().TrialPruned

    def check_time(self) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime


def measure_fold(
    model: Model, fold: int, pair: Pair, goal: Goal, callback: Any
) -> tuple[Mapping[str, float], Facts | None, Mapping[str, list[float]]]:
    """Fit and measure one fold: values by the labels of metrics, facts of them, and errors by epoch."""
    train, held = pair
    fitted = model.fit(train, validation=held, callback=callback, **goal.side)
    try:
        found, facts = measured(fitted, held, [goal.metric], goal.threshold, goal.options, popularity=False)
    except DataError as error:
        raise DataError(f"fold {fold}: {error}") from error
    return found, facts, fitted.history_
