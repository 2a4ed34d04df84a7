"""`Ranker`: lists by a model of the choice of items and a model of ratings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.data import Ratings
from cfcore.ensemble import members as parts
from cfcore.ensemble.base import check_members
from cfcore.ensemble.explaining import ExplainedChoice
from cfcore.ensemble.state import EnsembleState
from cfcore.errors import shown
from cfcore.kernels.records import Factors
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import check_number
from cfcore.models.core.single import Session
from cfcore.models.core.state import State
from cfcore.models.factorization.svdpp import SVDpp
from cfcore.models.lists.ease import EASE
from cfcore.progress import progress_bar
from cfcore.random import RandomState, generator

__all__ = ["Ranker", "RankerState"]

#: Names of the members, in their order.
NAMES = ["chooser", "rater"]
CHOOSER, RATER = 0, 1


@dataclass(frozen=True, eq=False, kw_only=True)
class RankerState(EnsembleState):
    """State of a fitted `Ranker`: the chooser and the rater."""

    def _verify(self) -> None:
        if self.names != NAMES:
            raise ValueError(f"names_ must be {NAMES}, not {self.names!r}")
        super()._verify()

    def choice_rows(self, users: Array) -> Array:
        """Choices of the chooser, 0 for items unknown to it: float32 or float64[n_users, n_items]."""
        of_users, of_items = self.tables[CHOOSER]["user"], self.tables[CHOOSER]["item"]
        rows: Array = self.members[CHOOSER]._choice_rows(users if of_users is None else of_users[users])
        if of_items is None:
            return rows
        known = np.flatnonzero(of_items[:-1] >= 0)
        out = np.zeros((len(users), len(self.item_ids)), dtype=rows.dtype)
        out[:, known] = rows[:, of_items[known]]
        return out


class Ranker(ExplainedChoice):
    """Rank items by the chance that the user will choose them, and by the worth of the rating then.

    ::

        s_ui = max(c_ui, 10^-4) P(r_ui ≥ ℓ)^w

    c are the scores of the chooser, a model for lists; P is the chance, by the rater, a model of ratings,
    that the rating would be at least ℓ, three quarters up the scale.

    Parameters
    ----------
    chooser : Model, optional
        By default `EASE`. Models of ratings choose by popularity.
    rater : Model, optional
        By default `SVDpp`. `RBM` has the probabilities of the levels; for other models, ratings are normal
        around predictions, and rounded to the levels of the training ratings.
    weight : float, default 0.25
        The power w of the chance. 0: the lists are those of the chooser. Scores of EASE tell of the worth
        already, as users choose what they like; they need less of it than popularity does.
    random_state : int, SeedSequence, Generator or None
        Unless None, models whose own `random_state` is None are given seeds drawn from it.
    n_threads : int, optional
        Number of threads of models whose own `n_threads` is None.
    verbose : int, default 0
        1 shows a progress bar over the fits.

    Attributes
    ----------
    members_ : list of Model
        The fitted chooser and the fitted rater.
    names_ : list of str
        ``["chooser", "rater"]``. Hyper-parameters of a model that is given are ``chooser__parameter`` and
        ``rater__parameter`` in `get_params` and `set_params`.
    mean_ : float

    Notes
    -----
    Predicted ratings are the rater's, and so are errors of `evaluate`; its lists are ranked by preference.
    `similar_items` are those of the chooser, or of the rater if the chooser does not compare items;
    `similar_users` the other way round.

    The default weight, and the rater, are chosen by cross-validation of ndcg@10 within training rows
    (``python benchmarks/ranker_weight.py``). With `EASE` and `SVDpp` it is .2858 on ml-100k at a weight of
    .25, .2815 at 0 and .2791 at 1; on ml-1m .2414, .2375 and .2387; with `SVD` .2847 and .2412 at .25. With
    `Popularity` 1 is best. The floor of the choice makes no difference to lists of ten.

    The models that are given are cloned, and not changed. Both are fitted to the same ratings; `Ranker.of`
    joins models that are fitted already. `validation`, `early_stopping`, `callback` and `checkpoint` of `fit`
    have no effect.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.datasets.synthetic(60, 40, 900, random_state=0)
    >>> model = cf.Ranker(cf.Popularity(), cf.SVD(n_factors=8), random_state=0).fit(ratings)
    >>> ids, scores = model.recommend(ratings.users[0], n=3)
    >>> float(model.preference(ratings.users[0], ids[0])) == float(scores[0])
    True
    """

    _state_class: ClassVar[type[State]] = RankerState
    _model_params: ClassVar[tuple[str, ...]] = ("chooser", "rater")
    ranks_by: ClassVar[str] = "preference"

    def __init__(
        self,
        chooser: Model | None = None,
        rater: Model | None = None,
        *,
        weight: float = 0.25,
        random_state: RandomState = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.chooser = chooser
        self.rater = rater
        self.weight = weight
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose

    @classmethod
    def of(cls, chooser: Model, rater: Model, **params: Any) -> Self:
        """Join two fitted models, without a fit.

        Parameters
        ----------
        chooser, rater : Model
            Fitted, or loaded from files. Their snapshots are the members; users and items of both are known.
        **params
            Hyper-parameters, such as `weight`.

        Returns
        -------
        Ranker
            Fitted. Another `fit` fits clones of both models.

        Raises
        ------
        NotFittedError
            A model is not fitted.
        DataError
            Ids are integers in one model, and strings in the other.
        """
        for name, model in zip(NAMES, (chooser, rater), strict=True):
            if not isinstance(model, Model):
                raise TypeError(f"{name} must be a model, not {shown(model)}")
            model._check_fitted()
        ranker = cls(chooser.clone(), rater.clone(), **params)
        ranker.check_params()
        members = [chooser.snapshot(), rater.snapshot()]
        context = FitContext(parts.union(members), cls.__name__, generator(None))
        ranker._state = ranker._joined(context, members)
        return ranker

    # ------------------------------------------------------------------ hyper-parameters

    def _models(self) -> list[Model | None]:
        return [self.chooser, self.rater]

    def _set_models(self, models: list[Model | None]) -> None:
        if len(models) != len(NAMES):
            raise ValueError(f"models must be a chooser and a rater, not {len(models)} models")
        self.chooser, self.rater = models

    def _templates(self) -> dict[str, Model]:
        """The models to fit, by name, those that are left to the default included."""
        chooser = EASE() if self.chooser is None else self.chooser
        return {"chooser": chooser, "rater": SVDpp() if self.rater is None else self.rater}

    def uses_timestamps(self) -> bool:
        """Whether a member needs timestamps."""
        if self._state is not None:
            return super().uses_timestamps()
        return any(isinstance(one, Model) and one.uses_timestamps() for one in self._templates().values())

    def _check_params(self) -> None:
        check_number("weight", self.weight, 0)
        for name, model in self._templates().items():
            if not isinstance(model, Model):
                raise TypeError(f"{name} must be a model or None, not {shown(model)}")
        check_members(self._templates())

    # ------------------------------------------------------------------ fitting

    def _fit(self, train: Ratings, context: FitContext) -> RankerState:
        chooser, rater = (self._prepared(model, context.rng) for model in self._templates().values())
        with progress_bar(len(NAMES), "Ranker", self.verbose) as bar:
            chooser.fit(train)
            bar.update(1)
            rater.fit(train)
            bar.update(1)
        return self._joined(context, [chooser, rater])

    def _joined(self, context: FitContext, members: list[Model]) -> RankerState:
        state: RankerState = context.state(RankerState, names=list(NAMES), members=tuple(members))
        return state

    # ------------------------------------------------------------------ predictions and preferences

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        state: RankerState = self._state
        rater = state.members[RATER]
        return rater.score_codes(*state.codes_of_member(RATER, users, items), timestamps)

    def _products(self) -> Factors | None:
        state: RankerState = self._state
        same = all(table is None for table in state.tables[RATER].values())
        return state.members[RATER]._products() if same else None

    @property
    def _worth_weight(self) -> float:  # type: ignore[override]
        return self.weight

    def _choice_rows(self, users: Array) -> Array:
        state: RankerState = self._state
        return state.choice_rows(users)

    def _worth(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        state: RankerState = self._state
        rater = state.members[RATER]
        times = timestamps if rater.uses_timestamps() else None
        return rater._worth(*state.codes_of_member(RATER, users, items), times)

    def _session_scores(self, session: Session) -> Array | None:
        rater = self._with_same_items(RATER)
        return None if rater is None else rater._session_scores(session)

    def _session_choices(self, session: Session) -> Array | None:
        chooser = self._with_same_items(CHOOSER)
        return None if chooser is None else chooser._session_choices(session)

    def _session_worths(self, session: Session) -> Array | None:
        rater = self._with_same_items(RATER)
        return None if rater is None else rater._session_worths(session)

    def _with_same_items(self, k: int) -> Model | None:
        """Member k, if codes of items are the same in it."""
        state: RankerState = self._state
        return state.members[k] if state.tables[k]["item"] is None else None

    def _similarity_rows(self, kind: str, codes: Array) -> Array:
        state: RankerState = self._state
        for k in (CHOOSER, RATER) if kind == "item" else (RATER, CHOOSER):
            found = state.member_similarities(k, kind, codes)
            if found is not None:
                return found
        return super()._similarity(kind, 0)
