"""`Training`: what all models with epochs do around their kernel."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.errors import ConvergenceWarning
from cfcore.progress import progress_bar

if TYPE_CHECKING:
    from cfcore.data import Ratings
    from cfcore.models.core.model import Model
    from cfcore.models.core.checkpoint import Checkpoint

Array = np.ndarray[Any, Any]
Snapshot = Callable[[], dict[str, Array]]

#: An epoch's training error has grown when it exceeds the lowest so far by this factor, and by this part of
#: the scale's width beside (errors near 0 double for no reason).
GROWTH, SLACK = 1.1, 0.01


def _caller() -> int:
    """The `stacklevel` at which a warning points at the line that called cfcore, however deep it is."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "cfcore":
        level, frame = level + 1, frame.f_back
    return level


class Training:
    """Loop over epochs: errors into ``history_``, early stopping, divergence, the progress bar.

    ::

        model.user_factors_, model.item_factors_ = p, q      # the kernel changes these in place
        training = Training(model, n_epochs, validation, early_stopping, snapshot=copies)
        for epoch in training:
            ...                                              # one pass of the kernel
            training.record(train_rmse)

    When the loop ends, the model's attributes named by `snapshot` are those of the epoch to keep: the best
    one by validation error with early stopping, the last good one if training diverged, the last one
    otherwise. They are other arrays then, unless it is the last one, so read them from the model after the
    loop.

    Parameters
    ----------
    model : Model
        Gets ``history_`` (``train_rmse`` and, with validation, ``validation_rmse``) and ``n_epochs_``, the
        number of epochs its final state has seen.
    n_epochs : int
    validation : Ratings, optional
    early_stopping : int, optional
        Epochs without a lower validation error to wait for.
    predict : callable (users, items) -> float64 array, optional
        Predictions for codes; the model's own ``_predict_codes`` if not given.
    snapshot : callable () -> dict of str to ndarray, optional
        Copies of the model attributes that training changes. Taken before the first epoch, and after each
        epoch worth coming back to.
    lr : float, optional
        The learning rate in use, for the advice given when training diverges.
    carried : dict of str to ndarray, optional
        Further arrays that an epoch hands on to the next, such as velocities; changed in place.

    Notes
    -----
    With ``fit(..., checkpoint=path)``, where the training stands is written after each epoch, and the loop
    begins at the first epoch that the file has not seen. For that `snapshot` and `carried` must name all
    that an epoch changes, every draw must come from ``model._generator()``, and rates must follow from the
    number of the epoch. Attributes and arrays are filled in place, so all must be set up when the loop
    begins.
    """

    def __init__(
        self,
        model: Model,
        n_epochs: int,
        validation: Ratings | None = None,
        early_stopping: int | None = None,
        predict: Callable[[Array, Array], Array] | None = None,
        *,
        snapshot: Snapshot | None = None,
        lr: float | None = None,
        carried: dict[str, Array] | None = None,
    ) -> None:
        self._model = model
        self._n_epochs = n_epochs
        self._patience = early_stopping
        self._predict = predict
        self._snapshot = snapshot
        self._lr = lr
        self._kept = None if snapshot is None else snapshot()
        self._kept_epoch = 0
        self._lowest = math.inf  # the error that the next kept epoch must beat: validation, or training
        self._stop = False
        self._advice = ""  # what to do about training that diverged
        self._train: list[float] = []
        self._validation: list[float] = []
        model.history_ = {"train_rmse": self._train}
        model.n_epochs_ = 0
        if validation is not None:
            model.history_["validation_rmse"] = self._validation
            self._users = model._codes_of(validation.user_ids, validation.user_codes, "user")
            self._items = model._codes_of(validation.item_ids, validation.item_codes, "item")
            self._times = validation.timestamps
            self._values = validation.values.astype(np.float64)
        self._validates = validation is not None
        self._carried = carried or {}

    def __iter__(self) -> Iterator[int]:
        model = self._model
        if model._checkpoint is not None:
            self._resume(model._checkpoint)
        name = type(model).__name__
        with progress_bar(self._n_epochs, name, bool(getattr(model, "verbose", False))) as bar:
            bar.update(len(self._train))
            while len(self._train) < self._n_epochs and not self._stop:
                recorded = len(self._train)
                yield recorded
                if len(self._train) != recorded + 1:
                    raise RuntimeError("an epoch must call Training.record once")
                if model._checkpoint is not None:
                    self._save(model._checkpoint)
                bar.set(**{name: f"{errors[-1]:.4f}" for name, errors in model.history_.items()})
                bar.update(1)
        if self._kept is not None and self._kept_epoch < len(self._train):
            for attribute, array in self._kept.items():
                setattr(model, attribute, array)
            model.n_epochs_ = self._kept_epoch
        else:
            model.n_epochs_ = len(self._train)
        self._kept = None

    def record(self, train_rmse: float) -> None:
        """Note the error of the epoch that just ended, and decide whether to go on and what to keep.

        Parameters
        ----------
        train_rmse : float
            Root mean square error over the epoch.
        """
        train_rmse = float(train_rmse)
        before = min(self._train, default=math.inf)
        self._train.append(train_rmse)
        if self._validates:
            self._validation.append(self._validation_rmse())
        low, high = self._model.scale_
        grown = train_rmse > before * GROWTH + SLACK * ((high - low) or 1.0)
        error = self._validation[-1] if self._validates else train_rmse
        if grown or not math.isfinite(train_rmse) or not math.isfinite(error):
            self._diverged(before)
        elif self._patience is None:
            self._keep()
        elif error < self._lowest:
            self._lowest = error
            self._keep()
        elif len(self._train) - self._kept_epoch >= self._patience:
            self._stop = True
        callback = self._model._cache.get("callback")
        if callback is not None and callback(len(self._train), self._model.history_):
            self._stop = True

    def _keep(self) -> None:
        self._kept_epoch = len(self._train)
        if self._snapshot is not None:
            self._kept = None  # freed first: never two copies beside the original
            self._kept = self._snapshot()

    def _diverged(self, before: float) -> None:
        self._stop = True
        message = (
            f"{type(self._model).__name__} diverged in epoch {len(self._train)}: training RMSE "
            f"{self._train[-1]:.4g}" + (f" after {before:.4g}" if math.isfinite(before) else "")
        )
        if self._kept is not None:
            message += f"; the parameters of epoch {self._kept_epoch} are kept"
        message += f". Try lr={self._lr / 4:.2g}" if self._lr else ". Try a smaller lr"
        self._advice = message
        warnings.warn(message, ConvergenceWarning, stacklevel=_caller())

    def _groups(self) -> dict[str, dict[str, Array]]:
        """What the next epoch starts from."""
        if self._kept is None:
            raise RuntimeError("a checkpoint needs Training(..., snapshot=...)")
        return {
            "state": {name: getattr(self._model, name) for name in self._kept},
            "carried": self._carried,
        }

    def _save(self, checkpoint: Checkpoint) -> None:
        groups = self._groups()
        if self._kept_epoch < len(self._train):
            groups["kept"] = self._kept or {}
        state = {
            "train": self._train, "validation": self._validation, "kept_epoch": self._kept_epoch,
            "lowest": self._lowest, "stop": self._stop, "advice": self._advice,
        }  # fmt: skip
        checkpoint.write(state, groups)

    def _resume(self, checkpoint: Checkpoint) -> None:
        restored = checkpoint.restore(self._groups())
        if restored is None:
            return
        state, kept = restored
        self._train[:], self._validation[:] = state["train"], state["validation"]
        self._kept_epoch, self._lowest = state["kept_epoch"], state["lowest"]
        self._stop, self._advice = state["stop"], state["advice"]
        if self._snapshot is not None:
            self._kept = None
            self._kept = kept if self._kept_epoch < len(self._train) else self._snapshot()
        if self._advice:
            warnings.warn(self._advice, ConvergenceWarning, stacklevel=_caller())

    def _validation_rmse(self) -> float:
        if self._predict is None:
            predictions = self._model._predict_codes(self._users, self._items, self._times)
        else:
            predictions = self._predict(self._users, self._items)
        errors = np.clip(predictions, *self._model.scale_) - self._values
        return float(np.sqrt(np.mean(errors * errors)))
