"""Trials in an Optuna study, which a file may keep, so that a search goes on after a kill."""

from __future__ import annotations

import os
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.errors import FileFormatError

__all__ = ["fingerprint", "import_optuna", "open_study", "recover", "seconds_spent"]

#: Attributes of trials, beside their parameters.
WORKER, START, STOPPED, ERROR, REASON = "worker", "start", "stopped", "error", "reason"


def import_optuna() -> Any:
    """The library, or an ImportError that names the package to install."""
    try:
        import optuna
    except ImportError as error:
        raise ImportError("search needs Optuna: pip install 'cfcore[tune]'") from error
    return optuna


def fingerprint(ratings: Ratings, **facts: Any) -> dict[str, str]:
    """The facts that must be equal for trials to be comparable, as strings."""
    crc = 0
    for column in (ratings.user_codes, ratings.item_codes, ratings.values):
        crc = zlib.crc32(np.ascontiguousarray(column).view(np.uint8).data, crc)
    return {"ratings": f"{len(ratings)} {crc:08x}", **{name: repr(fact) for name, fact in facts.items()}}


def open_study(path: str | os.PathLike[str] | None, facts: Mapping[str, str], seed: int) -> Any:
    """The study in a file, or a new one; in memory if there is no path.

    Raises
    ------
    ValueError
        The study in the file is of another search; the message says in what they differ.
    FileFormatError
        The file is damaged, or no study.
    """
    optuna = import_optuna()
    from sqlalchemy.exc import SQLAlchemyError  # Optuna is built on it

    storage = None
    if path is not None:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"study must be a path or None, not {type(path).__name__}")
        path = os.path.expanduser(path)
        storage = f"sqlite:///{os.path.abspath(path)}"
    # After a quarter of the epochs, a high learning rate that ends badly may be ahead of a low one.
    pruner = optuna.pruners.MedianPruner(n_startup_trials=6, n_warmup_steps=1)
    try:
        study = optuna.create_study(storage=storage, pruner=pruner, study_name="cfcore", load_if_exists=True)
        known, trials = study.user_attrs.get("facts"), study.trials
    except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError, ValueError) as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise FileFormatError(
            f"study={os.fspath(path or '')!r} cannot be read: it is damaged or no study ({reason}); "
            "name another file"
        ) from error
    # The first settings are random, different ones where a study goes on; later ones are near good ones.
    study.sampler = optuna.samplers.TPESampler(
        seed=(seed + len(trials)) % 2**32, n_startup_trials=12, multivariate=True, constant_liar=True
    )
    if known is None:
        if trials:
            raise ValueError(f"study={os.fspath(path or '')!r} was not written by cfcore's search")
        study.set_user_attr("facts", dict(facts))
        return study
    for name in {**facts, **known}:
        was, is_ = known.get(name), facts.get(name)
        if was != is_:
            raise ValueError(
                f"study={os.fspath(path or '')!r} holds another search: {name} was {was or 'not given'}, "
                f"and is {is_ or 'not given'}; go on with the same, or name another file"
            )
    return study


def worker() -> str:
    """Name of this process, noted in the trials that it runs."""
    return f"{socket.gethostname()}:{os.getpid()}"


def recover(study: Any) -> int:
    """Queue trials that a killed process left running again. Returns their number."""
    state = import_optuna().trial.TrialState
    left = [trial for trial in study.get_trials(states=(state.RUNNING,)) if not _alive(trial)]
    for trial in left:
        study.tell(trial.number, state=state.FAIL)
        start = {name: trial.user_attrs[name] for name in (START,) if name in trial.user_attrs}
        if trial.params or start:
            study.enqueue_trial(trial.params, user_attrs=start)
    return len(left)


def _alive(trial: Any) -> bool:
    host, _, pid = str(trial.user_attrs.get(WORKER, "")).rpartition(":")
    if host != socket.gethostname():
        return bool(host)  # of another computer, whose processes are not seen from here
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def finished(study: Any) -> list[Any]:
    """Trials that are complete, or pruned."""
    state = import_optuna().trial.TrialState
    return study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED))


def seconds_spent(study: Any) -> float:
    """Seconds that finished trials took, one after the other."""
    return sum((trial.duration.total_seconds() for trial in finished(study)), 0.0)


class Asked:
    """An iterator over trials to run, until the budget is used up.

    Parameters
    ----------
    study : optuna.Study
    n_trials : int or None
        Finished trials, those of earlier calls included. The same number of failed trials ends it, too.
    deadline : float or None
        On `time.monotonic`.
    grid : list of dict, optional
        All points to try, as Optuna stores them; the iterator ends with the last that the study has not.
    """

    def __init__(
        self,
        study: Any,
        n_trials: int | None,
        deadline: float | None,
        grid: list[dict[str, Any]] | None = None,
    ) -> None:
        self._study, self._n_trials, self._deadline = study, n_trials, deadline
        self._grid = grid
        self._lock = threading.Lock()
        self._running = 0
        self._failed = 0

    def __iter__(self) -> Iterator[Any]:
        while self._deadline is None or time.monotonic() < self._deadline:
            with self._lock:
                known = len(finished(self._study)) + self._running
                if self._n_trials is not None and max(known, self._failed) >= self._n_trials:
                    return
                if self._grid is not None and not self._enqueued():
                    return
                self._running += 1
                trial = self._study.ask()
            trial.set_user_attr(WORKER, worker())
            yield trial

    def _enqueued(self) -> bool:
        """Whether a trial of the grid is waiting; the next point that was not tried is made one."""
        trials = self._study.get_trials(deepcopy=False)
        if any(trial.state.name == "WAITING" for trial in trials):
            return True
        tried = {
            tuple(sorted((trial.system_attrs.get("fixed_params") or trial.params).items()))
            for trial in trials
            if STOPPED not in trial.user_attrs
        }
        assert self._grid is not None
        point = next((one for one in self._grid if tuple(sorted(one.items())) not in tried), None)
        if point is None:
            return False
        self._study.enqueue_trial(point)
        return True

    def done(self, failed: bool = False) -> None:
        """Note that one of the trials has ended."""
        with self._lock:
            self._running -= 1
            self._failed += failed


def nothing_finished(study: Any) -> ValueError:
    """The error of a search without any complete trial: its trials failed, or its time was too short."""
    reasons = [trial.user_attrs[REASON] for trial in study.trials if REASON in trial.user_attrs]
    if not reasons:
        return ValueError("budget: no trial was finished; give search more time")
    return ValueError(f"space: no trial was finished, and {len(reasons)} failed; the last: {reasons[-1]}")
