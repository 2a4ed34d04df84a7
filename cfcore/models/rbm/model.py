"""`RBM`: the conditional restricted Boltzmann machine, a case per item or per user."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np

from cfcore.data import Duplicates, Ratings
from cfcore.models.core.fit_context import Callback, FitContext
from cfcore.models.core.implicit_pairs import joined
from cfcore.models.core.model import Array
from cfcore.models.core.params import (
    MOST_DECAY,
    MOST_EPOCHS,
    check_choice,
    check_flag,
    check_number,
)
from cfcore.models.core.training import run_epochs
from cfcore.models.rbm.base import RBMBase
from cfcore.models.rbm.cases import find_cases, find_levels, sharing_of, transposed
from cfcore.models.rbm.schedule import (
    PerKind,
    Steps,
    check_momentum,
    check_per_kind,
    check_steps,
    schedule_of,
)  # fmt: skip
from cfcore.models.rbm.state import RBMState
from cfcore.models.rbm.trainer import RBMTrainer, Training
from cfcore.models.rbm.trust import ratings_for_half
from cfcore.random import RandomState

#: Learning rates; chosen within training rows: by two folds of ten of MovieLens 100K (u1) and one of ten of
#: 1M (90/10).
USUAL = {"weights": 0.04, "visible_bias": 0.005, "hidden_bias": 0.004, "conditional": 0.012}
WEIGHT_DECAY = {"item": 0.03, "user": 0.02}


class RBM(RBMBase):
    """Conditional restricted Boltzmann machine with softmax visible units.

    A case is one item (or user). It has a visible unit i for each user (or item), whose states are the levels
    k of the scale. Only the units with a rating take part; r_i is 1 for them and for further pairs
    given to `fit`, else 0. The binary hidden units j are common to all cases:

    ::

        P(h_j = 1 | V) = σ(b_j + Σ_i W_{i, v_i, j} + Σ_i r_i D_ij)
        P(v_i = k | h) ∝ exp(b_ik + Σ_j W_ikj h_j)

    Training is by contrastive divergence: each parameter is updated by the difference between its statistics
    given the data and given the data's reconstruction after T steps of Gibbs sampling. Salakhutdinov, Mnih
    and Hinton, "Restricted Boltzmann machines for collaborative filtering" (2007).

    Parameters
    ----------
    n_hidden : int, default 300
    by : {"item", "user"}, default "item"
        A case is an item, whose visible units are the users, or a user, whose visible units are the items (as
        in the paper). The two make different errors: ``cf.Blend([cf.RBM(), cf.RBM(by="user")])``
        is better than either.
    n_epochs : int, default 40
    lr : float or dict, optional
        Learning rate of the first epoch: one for all, or by kind of parameter, "weights", "visible_bias",
        "hidden_bias" and "conditional". The kinds not given have the rates of Notes. Rates are multiplied by
        1 - momentum, so that momentum spreads the update by a gradient over time and leaves its sum as it is.
    lr_decay : float, optional
        Factor on the rates after each epoch. By default they fall to a tenth of the first.
    momentum : float or (float, float), default 0.0
        Or a pair (first, last), between which it rises over the first five epochs.
    weight_decay : float, optional
        Of W, in the units of its gradient, each time its visible unit occurs in a mini-batch. By default as
        in Notes.
    cd_steps : int or sequence of int, default 1
        Gibbs steps T. A sequence divides the epochs into equal parts.
    batch_size : int, default 30
        Cases of a mini-batch.
    normalize : {"count", "batch"}, default "count"
        Whether the gradients of a visible unit's parameters are divided by the cases of the mini-batch that
        rated it, or by the size of the mini-batch.
    conditional : bool, default True
        Whether to have D.
    sampler : {"cd", "pcd"}, default "cd"
        Whether reconstructions start from the data, or from those of the epoch before: persistent
        contrastive divergence, a chain for each case (Tieleman 2008).
    visible : {"ordinal", "softmax"}, default "ordinal"
        Whether an update for one level is in part one for its neighbours, too; see Notes.
    average : bool, default True
        Keep the mean of the parameters over the last three eighths of the epochs.
    inference : {"mean_field", "exact"}, default "mean_field"
        Predict with the hidden units at their expectation, or summed out.
    estimate : {"mean", "median", "mode"}, default "mean"
        Statistic of the distribution over the levels that `predict` returns.
    random_state : int, SeedSequence, Generator or None
    n_threads : int, optional
        All cores by default. The result does not depend on it.
    verbose : int, default 0
        1 shows a progress bar.

    Attributes
    ----------
    levels_ : ndarray of float32, shape (n_levels,)
        The scale: the different ratings in training, ascending.
    weights_ : ndarray of float32, shape (n_visible, n_levels, n_hidden)
    visible_bias_ : ndarray of float32, shape (n_visible, n_levels)
    hidden_bias_ : ndarray of float32, shape (n_hidden,)
    conditional_weights_ : ndarray of float32, shape (n_visible, n_hidden), or None
    history_ : dict of str to list of float
        ``train_rmse``: of the first reconstruction's expectation, met during each epoch, or with "pcd" of the
        training ratings' own expectation after it; ``validation_rmse`` if fitted with ``validation``.

    Notes
    -----
    An unknown item is given the distribution of the user's ratings, an unknown user that of the item's, both
    shrunk towards the distribution of all ratings, which two unknowns are given. The prediction for a visible
    unit without ratings is the same.

    Users given with a question (``given=``) are cases for by="user"; for by="item" their parameters are means
    of those of the training users, weighed by how well these explain the ratings. Beside those of the items,
    their distributions count n / 35 for n ratings, fewer than 35, for by="user", and n / (n + b) for
    by="item"; b is found by the fit (``half_of_units_``), from training users as if they were new.

    The rates of the first epoch are 0.04 for W, 0.005 for b_ik, 0.004 for b_j and 0.012 for D. W decays by
    0.03 with a case per item, by 0.02 with a case per user. All were found by validation within training
    rows of MovieLens 100K (u1, two folds) and 1M (one fold). One set of rates suited both sizes. Far smaller
    data need smaller ones: with 8,000 ratings a quarter of these gave lower errors. With fewer than about
    ten ratings per user and item the error is above that of `Baseline` at any rate.

    Ordinal units have levels with the same probabilities, but W_i = A U_i, and U_i is trained, where
    A A' = S, S_kl = ``exp(-|r_k - r_l| / (0.7 (r_max - r_min)))``, r being the ratings that
    levels stand for. So the update of W is S times that of softmax units, and an update for a 4 is in part
    one for a 3 and a 5. Zheng et al., "A neural autoregressive approach to collaborative filtering" (2016),
    share weights in the same way, their A adding up the levels below. The 0.7 was found as the rates were.

    Where it is known that ratings exist whose values are to be predicted, ``fit(train, implicit=pairs)``
    adds them to r. Where the pairs are a test set's, an error so obtained uses the test set, and must be
    reported as such.

    `similar_items` and `similar_users` compare cases by the cosine of their hidden probabilities less the
    mean of all cases, and visible units by the cosine of their weights.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3])
    >>> model = cf.RBM(n_hidden=4, random_state=0).fit(ratings)
    >>> model.predict_proba(["ann", "eve"], ["x", "x"]).shape
    (2, 3)
    """

    def __init__(
        self,
        *,
        n_hidden: int = 300,
        by: str = "item",
        n_epochs: int = 40,
        lr: PerKind = None,
        lr_decay: float | None = None,
        momentum: float | tuple[float, float] = 0.0,
        weight_decay: float | None = None,
        cd_steps: Steps = 1,
        batch_size: int = 30,
        normalize: str = "count",
        conditional: bool = True,
        sampler: str = "cd",
        visible: str = "ordinal",
        average: bool = True,
        inference: str = "mean_field",
        estimate: str = "mean",
        random_state: RandomState = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_hidden = n_hidden
        self.by = by
        self.n_epochs = n_epochs
        self.lr = lr
        self.lr_decay = lr_decay
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.cd_steps = cd_steps
        self.batch_size = batch_size
        self.normalize = normalize
        self.conditional = conditional
        self.sampler = sampler
        self.visible = visible
        self.average = average
        self.inference = inference
        self.estimate = estimate
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose

    def _check_state(self) -> None:
        n_cases = len(self._state.case_indptr) - 1
        if n_cases != len(self._state.ids(self.by).ids):
            raise ValueError(f"case_indptr_ has {n_cases} cases, which are not those of by={self.by!r}")

    def _check_params(self) -> None:
        check_number("n_hidden", self.n_hidden, 1, integer=True)
        check_choice("by", self.by, ("item", "user"))
        check_number("n_epochs", self.n_epochs, 1, MOST_EPOCHS, integer=True)
        check_per_kind("lr", self.lr, open_low=True)
        check_number("lr_decay", self.lr_decay, 0, MOST_DECAY, none=True, open_low=True)
        check_momentum("momentum", self.momentum)
        check_number("weight_decay", self.weight_decay, 0, none=True)
        check_steps("cd_steps", self.cd_steps)
        check_number("batch_size", self.batch_size, 1, integer=True)
        check_choice("normalize", self.normalize, ("batch", "count"))
        check_flag("conditional", self.conditional)
        check_choice("sampler", self.sampler, ("cd", "pcd"))
        check_choice("visible", self.visible, ("softmax", "ordinal"))
        check_flag("average", self.average)
        check_choice("inference", self.inference, ("mean_field", "exact"))
        check_choice("estimate", self.estimate, ("mean", "median", "mode"))

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        ratings: Any,
        *columns: Any,
        validation: Any = None,
        early_stopping: int | None = None,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        implicit: Any = None,
        duplicates: Duplicates = "error",
        weights: Any = None,
        memory_limit: int | str | None = None,
        **others: Any,
    ) -> Self:
        """Fit the model, forgetting any earlier fit.

        Parameters
        ----------
        ratings, validation, early_stopping, callback, checkpoint, duplicates, weights, memory_limit
            As for every model; see `Model.fit`.
        implicit : Ratings, DataFrame, (users, items) or scipy sparse matrix, optional
            Further pairs for r: ratings known to exist whose values are not known. Values, where there are
            any, are ignored; pairs may repeat each other and those of `ratings`. Those whose user or item
            has no ratings are left out.

        Returns
        -------
        self

        Raises
        ------
        DataError, ValueError, TypeError
            As `Model.fit` does; DataError also for pairs that cannot be used, and for ratings of more than 64
            different values.
        """
        self._refuse_others(others)
        train, held_out = self._taken(ratings, columns, validation, duplicates)
        own = self._weights_of(train, weights, duplicates)
        find_levels(train.values)  # refused before an earlier fit is forgotten
        if implicit is not None and not self.conditional:
            raise ValueError("implicit needs conditional=True: only D depends on these pairs")
        sets = None if implicit is None else known_pairs(train, implicit)
        return self._run(
            train,
            held_out,
            early_stopping,
            callback=callback,
            checkpoint=checkpoint,
            weights=own,
            memory_limit=memory_limit,
            implicit=sets,
        )

    def _fit(self, train: Ratings, context: FitContext) -> RBMState:
        levels = find_levels(train.values)
        rated: tuple[Array, Array] | None = context.side.get("implicit")
        if rated is not None and self.by == "item":
            rated = transposed(*rated, train.n_items)
        schedule = schedule_of(
            self.n_epochs, self.lr, USUAL, self.lr_decay, self.momentum, self.cd_steps, self.average
        )
        training = Training(
            schedule, self.n_hidden, self.conditional, sharing_of(levels, self.visible),
            WEIGHT_DECAY[self.by] if self.weight_decay is None else float(self.weight_decay),
            self.batch_size, self.normalize == "count", self.sampler == "pcd",
        )  # fmt: skip
        cases = find_cases(train, levels, self.by, rated)
        trainer = RBMTrainer(cases, levels, rated, training, self._settings(), context)
        told = None
        given = self.weight_decay is not None
        if self.lr is not None and max(schedule.lr) > 100 * max(USUAL.values()):
            told = "Try lr=None, the default"
        elif given and schedule.lr[0] * training.weight_decay >= 1:  # a step that is longer than the weight
            told = f"Try weight_decay={0.1 / schedule.lr[0]:.2g}"
        state: Any = run_epochs(trainer, context, self.n_epochs, max(schedule.lr), remedy=told)
        found: RBMState = state.prepared(context.n_threads)
        if self.by == "item":
            found = found.trusted(ratings_for_half(found, train, context.n_threads))
        return found


def known_pairs(train: Ratings, implicit: Any) -> tuple[Array, Array]:
    """Rated and further pairs in compressed rows of users, items without ratings left out."""
    indptr, items, _ = joined(train, implicit)
    known = np.append(train.item_counts > 0, np.zeros(1, dtype=bool))[np.minimum(items, train.n_items)]
    return np.append(0, np.cumsum(known))[indptr], items[known]
