"""`run_epochs`: the loop over epochs of all models that have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cfcore.data import Ratings
from cfcore.errors import ConvergenceWarning, DivergenceError, warn
from cfcore.models.core.checkpoint import Checkpoint
from cfcore.models.core.engine import current_engine
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
#: Parameters that are added, and not multiplied with each other.
BIASES = ("user_bias", "item_bias")
#: Training ratings on which the parameters of a fit that may have diverged are checked.
CHECKED = 50_000


def run_epochs(
    trainer: Trainer,
    context: FitContext,
    n_epochs: int,
    lr: float | None = None,
    *,
    remedy: str | None = None,
    start: float | None = None,
    growth: float = GROWTH,
) -> State:
    """Train for some epochs, with history, early stopping, a check for divergence, and checkpoints.

    Parameters
    ----------
    trainer : Trainer
    context : FitContext
    n_epochs : int
    lr : float, optional
        The learning rate, for the advice where training diverged.
    remedy : str, optional
        That advice, in place of one about the learning rate: "Try reg=0.1".
    start : float, optional
        Training error of the parameters that training starts from; by default that of the mean rating.
    growth : float
        Training diverges when the training error exceeds the lowest so far times this factor, and a small
        part of the scale. Infinite for samplers, which have no rates, and whose errors vary.

    Returns
    -------
    State
        With early stopping, that of the epoch with the lowest validation error; if training diverged, that of
        the last epoch before; otherwise that of the last epoch. Its ``history`` has ``train_rmse`` and, with
        validation, ``validation_rmse``; its ``n_epochs`` is the number of that epoch. All its parameters are
        finite.

    Raises
    ------
    DivergenceError
        Training diverged in the first epoch, or the parameters to keep predict no finite numbers.

    Warns
    -----
    ConvergenceWarning
        Training diverged later, or the training error at its end is above that at its start.

    Notes
    -----
    With a checkpoint, the progress is written after each epoch, and the loop resumes after the last epoch in
    the file. This requires that ``trainer.arrays()`` and ``trainer.carried()`` hold all arrays that an epoch
    changes, that all draws come from ``context.rng``, and that rates depend on the number of the epoch alone.
    The arrays are restored in place.
    """
    if remedy is None:
        remedy = f"Try lr={lr / 4:.2g}" if lr else "Try a smaller lr"
    engine = current_engine()
    if engine is not None:
        trainer = engine.trainer(trainer, context, n_epochs)
    return _Loop(trainer, context, n_epochs, remedy, start, growth).run()


class _Loop:
    """The variables of the loop over epochs."""

    def __init__(
        self,
        trainer: Trainer,
        context: FitContext,
        n_epochs: int,
        remedy: str,
        start: float | None,
        growth: float,
    ) -> None:
        self.trainer, self.context = trainer, context
        self.n_epochs, self.remedy, self.start, self.growth = n_epochs, remedy, start, growth
        low, high = context.scale
        self.width = (high - low) or 1.0
        self.most = max(self.width, abs(low), abs(high))
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
        figures = getattr(self.trainer, "figures", None)
        return history if figures is None else history | figures()

    def run(self) -> State:
        """Run the epochs, and return the state to keep."""
        context = self.context
        if context.checkpoint is not None:
            self._resume(context.checkpoint)
        planned = getattr(self.trainer, "planned", lambda: self.n_epochs)
        with progress_bar(planned(), context.name, context.verbose) as bar:
            bar.update(len(self.train))
            while len(self.train) < self.n_epochs and not self.stop:
                self._record(float(self.trainer.epoch(len(self.train))))
                finished = getattr(self.trainer, "finished", None)
                self.stop |= finished is not None and finished()
                if context.checkpoint is not None:
                    self._save(context.checkpoint)
                bar.set(**{name: f"{one[-1]:.4f}" for name, one in self.history.items() if one})
                bar.expect(planned())
                bar.update(1)
        self._check_result()
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
        # In the first epoch there is no error to compare with but the largest of a prediction in the scale.
        most = before * self.growth + SLACK * self.width if before < math.inf else 2 * self.most
        most = math.inf if math.isinf(self.growth) else most
        if not (train_rmse <= most and math.isfinite(error) and self._is_finite()):
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

    def _is_finite(self) -> bool:
        """Whether all parameters are within the bounds in which no prediction overflows."""
        for name, array in self.trainer.arrays().items():
            most = SUM if name in BIASES else PRODUCT
            if not (_is_short(_span(array), most) or _is_within(array, most)):
                return False
        return True

    def _diverged(self, before: float) -> None:
        self.stop = True
        after = f" after {before:.4g}" if math.isfinite(before) else ""
        self.advice = (
            f"{self.context.name} diverged in epoch {len(self.train)}: training RMSE {self.train[-1]:.4g}"
            f"{after}"
        )
        # Neither callbacks nor checkpoints are given the parameters that diverged.
        self._restore()
        for array in self.trainer.carried().values():
            if array.dtype.kind == "f":
                np.nan_to_num(array, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    def _restore(self) -> None:
        """Make the parameters to keep the live ones."""
        clear = getattr(self.trainer, "clear", None)
        if clear is not None:
            clear()
        for name, array in self.trainer.arrays().items():
            np.copyto(array, self.kept[name])

    def _check_result(self) -> None:
        """Warn about divergence, or raise if there is nothing to keep."""
        name, remedy = self.context.name, self.remedy
        if self.advice and not self.kept_epoch:
            raise DivergenceError(f"{self.advice}. {remedy}")
        if self.context.train is None or not self.train:
            error, of_mean = 0.0, math.inf
        else:
            error, of_mean = self._errors_of_kept(self.context.train)
        if not math.isfinite(error):
            told = f"{self.advice}; before" if self.advice else f"{name} diverged:"
            raise DivergenceError(f"{told} its predictions are not finite. {remedy}")
        if self.advice:
            warn(f"{self.advice}; the parameters of epoch {self.kept_epoch} are kept. {remedy}",
                 ConvergenceWarning)  # fmt: skip
        elif math.isfinite(self.growth) and error > of_mean * self.growth + SLACK * self.width:
            warn(
                f"{name}: after {self.kept_epoch} epochs the RMSE of the training ratings is {error:.4g}, "
                f"and that of predicting their mean {of_mean:.4g}. {remedy}",
                ConvergenceWarning,
            )

    def _errors_of_kept(self, train: Ratings) -> tuple[float, float]:
        """RMSE of the parameters to keep, and of the mean, on some training ratings.

        The RMSE is 0, without any prediction, where the errors of the last epoch show that it is not larger
        than that at the start.
        """
        rows = np.linspace(0, len(train) - 1, min(CHECKED, len(train))).astype(np.int64)
        values = train.values[rows].astype(np.float64)
        of_mean = float(np.std(values))
        start = of_mean if self.start is None else self.start
        most = start * self.growth + SLACK * self.width if start else SLACK * self.width
        if not self.advice and self.train[-1] <= most:
            return 0.0, of_mean
        if self.kept_epoch < len(self.train):
            self._restore()
        times = None if train.timestamps is None else train.timestamps[rows]
        with np.errstate(over="ignore", invalid="ignore"):
            predictions = self.trainer.predict(train.user_codes[rows], train.item_codes[rows], times)
        errors = np.clip(predictions, *self.context.scale) - values
        return float(np.sqrt(np.mean(errors * errors))), of_mean

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
        # After an epoch that diverged, the live arrays may hold anything, and are not used: those kept are.
        for name, array in {**({} if progress["stop"] and kept else live), **kept}.items():
            limit = PRODUCT if array.ndim > 1 else SUM
            if array.dtype.kind == "f" and not (np.abs(array) <= limit).all():
                raise checkpoint.refuse(name, f"holds numbers that are not finite, or above {limit:g}")

    def _validation_rmse(self) -> float:
        assert self.context.held_out is not None
        users, items, timestamps, values = self.context.held_out
        predictions = self.trainer.predict(users, items, timestamps)
        errors = np.clip(predictions, *self.context.scale) - values
        return float(np.sqrt(np.mean(errors * errors)))


def _is_short(array: Array, most: float) -> bool:
    """Whether the Euclidean length is within `most`, and so every number; in one pass."""
    if array.ndim != 1:
        return False
    with np.errstate(over="ignore", invalid="ignore"):  # the answer is False then, and for NaN
        # Not by BLAS, whose threads take longer to start than the sum.
        return float(np.einsum("i,i->", array, array)) <= most * most


def _is_within(array: Array, most: float) -> bool:
    # NaN fails both comparisons.
    return not array.size or (float(array.min()) >= -most and float(array.max()) <= most)


def _span(array: Array) -> Array:
    """All numbers from the first of an array to its last: of padded rows with the zeros between them.

    Reductions of it take a fraction of the time of those of rows that are apart.
    """
    rows_apart = array.ndim == 2 and array.size and array.strides[1] == array.itemsize < array.strides[0]
    if not rows_apart:
        return array
    length = (len(array) - 1) * array.strides[0] // array.itemsize + array.shape[1]
    return as_strided(array, (length,), (array.itemsize,), writeable=False)


def _shown(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{name}_": array for name, array in arrays.items()}
