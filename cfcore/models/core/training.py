"""`run_epochs`: the loop over epochs of all models that have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cfcore.errors import ConvergenceWarning, warn
from cfcore.models.core.checkpoint import Checkpoint
from cfcore.models.core.fields import PRODUCT, SUM
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import State
from cfcore.models.core.trainer import Trainer
from cfcore.progress import progress_bar

__all__ = ["run_epochs"]

Array = np.ndarray[Any, Any]

#: Training diverges when the training error exceeds the lowest so far times this factor, plus this part of
#: the scale's width (errors near 0 may double by rounding).
GROWTH, SLACK = 1.1, 0.01


def run_epochs(trainer: Trainer, context: FitContext, n_epochs: int, lr: float | None = None) -> State:
    """Train for some epochs, with history, early stopping, a check for divergence, and checkpoints.

    Parameters
    ----------
    trainer : Trainer
    context : FitContext
    n_epochs : int
    lr : float, optional
        The learning rate, for the advice in the warning about divergence.

    Returns
    -------
    State
        With early stopping, that of the epoch with the lowest validation error; if training diverged, that of
        the last epoch before; otherwise that of the last epoch. Its ``history`` has ``train_rmse`` and, with
        validation, ``validation_rmse``; its ``n_epochs`` is the number of that epoch.

    Notes
    -----
    With a checkpoint, the progress is written after each epoch, and the loop resumes after the last epoch in
    the file. This requires that ``trainer.arrays()`` and ``trainer.carried()`` hold all arrays that an epoch
    changes, that all draws come from ``context.rng``, and that rates depend on the number of the epoch alone.
    The arrays are restored in place.
    """
    return _Loop(trainer, context, n_epochs, lr).run()


class _Loop:
    """The variables of the loop over epochs."""

    def __init__(self, trainer: Trainer, context: FitContext, n_epochs: int, lr: float | None) -> None:
        self.trainer, self.context = trainer, context
        self.n_epochs, self.lr = n_epochs, lr
        self.train: list[float] = []
        self.validation: list[float] = []
        self.kept = self._copies()
        self.may_overwrite = True  # no state, and no file, holds the arrays of `kept`
        self.kept_epoch = 0
        self.lowest = math.inf  # validation error of the best epoch
        self.stop = False
        self.advice = ""  # the warning about divergence, repeated by a fit that resumes

    @property
    def history(self) -> dict[str, list[float]]:
        """Errors so far, in copies that later epochs do not change."""
        history = {"train_rmse": list(self.train)}
        if self.context.validation is not None:
            history["validation_rmse"] = list(self.validation)
        return history

    def run(self) -> State:
        """Run the epochs, and return the state to keep."""
        context = self.context
        if context.checkpoint is not None:
            self._resume(context.checkpoint)
        with progress_bar(self.n_epochs, context.name, context.verbose) as bar:
            bar.update(len(self.train))
            while len(self.train) < self.n_epochs and not self.stop:
                self._record(float(self.trainer.epoch(len(self.train))))
                if context.checkpoint is not None:
                    self._save(context.checkpoint)
                bar.set(**{name: f"{errors[-1]:.4f}" for name, errors in self.history.items()})
                bar.update(1)
        arrays = self.kept if self.kept_epoch < len(self.train) else self.trainer.arrays()
        return self.trainer.state(arrays, self.history, self.kept_epoch)

    def _record(self, train_rmse: float) -> None:
        """Record the errors of the last epoch; decide whether to keep its parameters, and whether to stop."""
        before = min(self.train, default=math.inf)
        self.train.append(train_rmse)
        error = train_rmse
        if self.context.validation is not None:
            error = self._validation_rmse()
            self.validation.append(error)
        low, high = self.context.scale
        grown = train_rmse > before * GROWTH + SLACK * ((high - low) or 1.0)
        if grown or not math.isfinite(train_rmse) or not math.isfinite(error):
            self._diverged(before)
        elif self.context.patience is None:
            self._keep()
        elif error < self.lowest:
            self.lowest = error
            self._keep()
        elif len(self.train) - self.kept_epoch >= self.context.patience:
            self.stop = True
        self._call_back()

    def _call_back(self) -> None:
        context = self.context
        if context.callback is None:
            return
        if context.publish is not None:
            n_epochs = len(self.train)
            is_kept = self.kept_epoch == n_epochs
            arrays = self.kept if is_kept else self._copies()
            self.may_overwrite &= not is_kept
            context.publish(self.trainer.state(arrays, self.history, n_epochs))
        if context.callback(len(self.train), self.history):
            self.stop = True

    def _copies(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self.trainer.arrays().items()}

    def _keep(self) -> None:
        self.kept_epoch = len(self.train)
        if not self.may_overwrite:
            self.kept = {}  # freed first: never two copies beside the live arrays
            self.kept, self.may_overwrite = self._copies(), True
            return
        for name, array in self.trainer.arrays().items():
            np.copyto(self.kept[name], array)  # new memory in each epoch would cost page faults

    def _diverged(self, before: float) -> None:
        self.stop = True
        message = (
            f"{self.context.name} diverged in epoch {len(self.train)}: training RMSE {self.train[-1]:.4g}"
            + (f" after {before:.4g}" if math.isfinite(before) else "")
            + f"; the parameters of epoch {self.kept_epoch} are kept"
            + (f". Try lr={self.lr / 4:.2g}" if self.lr else ". Try a smaller lr")
        )
        self.advice = message
        warn(message, ConvergenceWarning)

    def _groups(self) -> dict[str, dict[str, Array]]:
        """Arrays that the next epoch starts from; in files they have the names of fitted attributes."""
        return {"state": _shown(self.trainer.arrays()), "carried": self.trainer.carried()}

    def _save(self, checkpoint: Checkpoint) -> None:
        groups = self._groups()
        if self.kept_epoch < len(self.train):
            groups["kept"] = _shown(self.kept)
        progress = {
            "train": self.train, "validation": self.validation, "kept_epoch": self.kept_epoch,
            "lowest": self.lowest, "stop": self.stop, "advice": self.advice,
        }  # fmt: skip
        checkpoint.write(progress, groups)

    def _resume(self, checkpoint: Checkpoint) -> None:
        restored = checkpoint.restore(self._groups())
        if restored is None:
            return
        progress, kept = restored
        self._check(checkpoint, progress, kept)
        self.train[:], self.validation[:] = progress["train"], progress["validation"]
        self.kept_epoch, self.lowest = progress["kept_epoch"], progress["lowest"]
        self.stop, self.advice = progress["stop"], progress["advice"]
        if self.kept_epoch < len(self.train):
            self.kept = {name.removesuffix("_"): array for name, array in kept.items()}
            self.may_overwrite = False
        else:
            self.kept = self._copies()
        if self.advice:
            warn(self.advice, ConvergenceWarning)

    def _check(self, checkpoint: Checkpoint, progress: dict[str, Any], kept: dict[str, Array]) -> None:
        """Raise FileFormatError, naming the field, unless a fit can go on from what a file holds."""
        for name in ("train", "validation", "kept_epoch", "lowest", "stop", "advice"):
            if name not in progress:
                raise checkpoint.refuse(name, "is missing")
        for name in ("train", "validation"):
            errors = progress[name]
            if not isinstance(errors, list) or not all(isinstance(one, (int, float)) for one in errors):
                raise checkpoint.refuse(name, "must be a list of numbers")
        n_epochs = len(progress["train"])
        if n_epochs > self.n_epochs:
            raise checkpoint.refuse("train", f"has {n_epochs} epochs, more than n_epochs={self.n_epochs}")
        if len(progress["validation"]) != (n_epochs if self.context.validation is not None else 0):
            raise checkpoint.refuse("validation", f"has {len(progress['validation'])} epochs, not {n_epochs}")
        epoch = progress["kept_epoch"]
        if type(epoch) is not int or not 0 <= epoch <= n_epochs:
            raise checkpoint.refuse("kept_epoch", f"must be in [0, {n_epochs}], not {epoch!r}")
        for name, kind in (("lowest", float), ("stop", bool), ("advice", str)):
            if not isinstance(progress[name], kind):
                raise checkpoint.refuse(name, f"must be a {kind.__name__}, not {progress[name]!r}")
        live = self.trainer.arrays()
        if epoch < n_epochs:
            wanted = {f"{name}_": (array.shape, array.dtype) for name, array in live.items()}
            if {name: (array.shape, array.dtype) for name, array in kept.items()} != wanted:
                raise checkpoint.refuse("kept", "is not of the shapes and dtypes of this fit")
        elif kept:
            raise checkpoint.refuse("kept", f"belongs to no epoch: kept_epoch is {epoch}")
        # After an epoch that diverged, the live arrays may hold anything, and are not used.
        for name, array in {**({} if progress["stop"] else live), **kept}.items():
            limit = PRODUCT if array.ndim > 1 else SUM
            if array.dtype.kind == "f" and not (np.abs(array) <= limit).all():
                raise checkpoint.refuse(name, f"holds numbers that are not finite, or above {limit:g}")

    def _validation_rmse(self) -> float:
        assert self.context.held_out is not None
        users, items, timestamps, values = self.context.held_out
        predictions = self.trainer.predict(users, items, timestamps)
        errors = np.clip(predictions, *self.context.scale) - values
        return float(np.sqrt(np.mean(errors * errors)))


def _shown(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{name}_": array for name, array in arrays.items()}
