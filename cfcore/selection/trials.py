"""`Judge`: runs the trials of a search, one a call."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from cfcore.errors import DataError
from cfcore.metrics.measuring import Metric, larger_is_better, measured
from cfcore.metrics.options import ListOptions
from cfcore.metrics.result import Facts
from cfcore.models.core.model import Model
from cfcore.selection import spaces
from cfcore.selection import study as studies
from cfcore.selection.folds import Pair
from cfcore.selection.workers import Stop, prepared

__all__ = ["Judge"]

#: Reports from the first fold, at equal parts of the epochs.
PARTS = 4


class OutOfTime(Exception):
    """The budget was used up during a trial."""


class Judge:
    """Runs one trial a call; `threshold` and `options` are for metrics of lists."""

    def __init__(
        self,
        model: Model,
        space: spaces.Space,
        pairs: list[Pair],
        metric: Metric,
        threads: int,
        seed: int,
        deadline: float | None,
        study: Any,
        asked: studies.Asked,
        maximize: bool | None = None,
        threshold: float | None = None,
        options: ListOptions | None = None,
    ) -> None:
        self.space, self.pairs, self.metric = space, pairs, metric
        self.threshold, self.options = threshold, options
        self.facts: dict[int, Facts] = {}
        self.deadline, self.study, self.asked = deadline, study, asked
        larger = larger_is_better(metric, pairs[0][1].values) if maximize is None else maximize
        self.sign = -1.0 if larger else 1.0
        self.model = prepared(model, threads)
        if self.model.get_params(deep=False).get("random_state", seed) is None:
            self.model.set_params(random_state=seed)

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
        model = self.model.clone()
        if trial.user_attrs.get(studies.START) != "given":
            model.set_params(**spaces.suggest(trial, self.space))
        n_epochs = model.get_params(deep=False).get("n_epochs") or 30
        errors = []
        for fold, (train, held) in enumerate(self.pairs):

            def watch(epochs: int, history: dict[str, list[float]], first: bool = fold == 0) -> None:
                stop(epochs, history)
                self.check_time()
                part, whole = divmod(epochs * PARTS, n_epochs)
                if first and self.metric.name == "rmse" and whole < PARTS and 0 < part < PARTS:
                    self.report(trial, history["validation_rmse"][-1], part)

            fitted = model.clone().fit(train, validation=held, callback=watch)
            self.check_time()
            try:
                found, facts = measured(
                    fitted, held, [self.metric], self.threshold, self.options, popularity=False
                )
            except DataError as error:
                raise DataError(f"fold {fold}: {error}") from error
            if facts is not None:
                self.facts[fold] = facts
            value = found[self.metric.label]
            if np.isnan(value):
                raise DataError(
                    f"{self.metric.label}: it has no value for the ratings held out in fold {fold}"
                )
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
