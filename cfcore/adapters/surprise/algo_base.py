"""`AlgoBase`: what all algorithms share, and what algorithms of one's own derive from."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise import batch, similarities
from cfcore.adapters.surprise.baselines import baseline_als, baseline_sgd
from cfcore.adapters.surprise.engine import settle
from cfcore.adapters.surprise.predictions import Prediction, PredictionImpossible

if TYPE_CHECKING:
    from cfcore.adapters.surprise.columns import Columns
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["AlgoBase"]


class AlgoBase:
    """An algorithm that predicts ratings.

    An algorithm of one's own derives from it, defines ``estimate(self, u, i)`` on inner ids, and calls
    ``AlgoBase.__init__(self, **kwargs)`` and ``AlgoBase.fit(self, trainset)`` if it defines these. `estimate`
    returns a number, or a number and a dict of details, or raises `PredictionImpossible`.
    ``self.trainset`` is the training set.

    Parameters
    ----------
    bsl_options : dict, optional
        How `compute_baselines` works: ``method`` ("als" or "sgd"); for "als" ``n_epochs`` (10), ``reg_u``
        (15), ``reg_i`` (10); for "sgd" ``n_epochs`` (20), ``reg`` (0.02), ``learning_rate`` (0.005).
    sim_options : dict, optional
        How `compute_similarities` works: ``name`` ("msd", "cosine", "pearson" or "pearson_baseline"),
        ``user_based`` (True), ``min_support`` (1), ``shrinkage`` (100, of "pearson_baseline" only).
    engine : {"surprise", "cfcore"}, optional
        What computes: "surprise", the numbers of scikit-surprise; "cfcore", cfcore's model of that name, for
        the algorithms that have one. By default what `use` has set, which is "surprise" at first.
    """

    trainset: Trainset
    bu: NDArray[np.float64] | None
    bi: NDArray[np.float64] | None
    sim: NDArray[np.float64]
    _kept: tuple[Trainset, Columns] | None

    def __init__(self, **kwargs: Any) -> None:
        settle(self, kwargs.get("engine"))
        self.bsl_options: dict[str, Any] = kwargs.get("bsl_options", {})
        self.sim_options: dict[str, Any] = kwargs.get("sim_options", {})
        self.sim_options.setdefault("user_based", True)

    if TYPE_CHECKING:

        def estimate(self, u: Any, i: Any) -> Any:
            """Defined by each algorithm."""

    def fit(self, trainset: Trainset) -> AlgoBase:
        """Train on a training set; each algorithm calls this one first.

        Parameters
        ----------
        trainset : Trainset

        Returns
        -------
        self
        """
        self.trainset = trainset
        self.bu = self.bi = None
        self._kept = None
        return self

    # ------------------------------------------------------------------ predictions

    def predict(
        self, uid: Any, iid: Any, r_ui: float | None = None, clip: bool = True, verbose: bool = False
    ) -> Prediction:
        """Predict the rating of a user for an item, by raw ids.

        Parameters
        ----------
        uid, iid : object
            Raw ids. For one that is unknown, `estimate` gets ``"UKN__"`` and the raw id as text.
        r_ui : float, optional
            The true rating, which the prediction keeps.
        clip : bool
            Whether the estimate is clipped to the rating scale of the training set; NaN becomes the greatest
            rating.
        verbose : bool
            Whether to print the prediction.
        """
        trainset = self.trainset
        u: Any
        i: Any
        try:
            u = trainset.to_inner_uid(uid)
        except ValueError:
            u = f"UKN__{uid}"
        try:
            i = trainset.to_inner_iid(iid)
        except ValueError:
            i = f"UKN__{iid}"
        details: dict[str, Any] = {}
        try:
            est = self.estimate(u, i)
            if isinstance(est, tuple):
                est, details = est
            details["was_impossible"] = False
        except PredictionImpossible as impossible:
            est = self.default_prediction()
            details["was_impossible"] = True
            details["reason"] = str(impossible)
        if clip:
            lowest, highest = trainset.rating_scale
            est = max(lowest, min(highest, est))
        prediction = Prediction(uid, iid, r_ui, est, details)
        if verbose:
            print(prediction)
        return prediction

    def default_prediction(self) -> float:
        """The prediction where there is no estimate: the mean of all ratings."""
        return self.trainset.global_mean

    def test(self, testset: Iterable[Any], verbose: bool = False) -> list[Prediction]:
        """Predict all ratings of a test set.

        The built-in algorithms do it for all at once, with the numbers and details of `predict`. Where
        `estimate` or `predict` has been overridden, `predict` is called for each.

        Parameters
        ----------
        testset : iterable of (uid, iid, r_ui)
        verbose : bool
            Whether to print each prediction.

        Returns
        -------
        list of Prediction
        """
        if not verbose and batch.is_exact(self):
            return batch.predictions(self, testset)
        return [self.predict(uid, iid, r_ui, verbose=verbose) for uid, iid, r_ui in testset]

    # ------------------------------------------------------------------ baselines and similarities

    def compute_baselines(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Baselines of users and items, by ``bsl_options``; they are computed once in a fit.

        Returns
        -------
        bu : float64[n_users]
        bi : float64[n_items]

        Raises
        ------
        ValueError
            ``bsl_options["method"]`` is neither "als" nor "sgd".
        """
        if self.bu is not None:
            assert self.bi is not None
            return self.bu, self.bi
        methods = {"als": baseline_als, "sgd": baseline_sgd}
        name = self.bsl_options.get("method", "als")
        self._say(f"Estimating biases using {name}...")
        if name not in methods:
            raise ValueError(
                f"Invalid method {name} for baseline computation. Available methods are als and sgd."
            )
        self.bu, self.bi = methods[name](self)
        return self.bu, self.bi

    def compute_similarities(self) -> NDArray[np.float64]:
        """Similarities of all pairs of users, or of items, by ``sim_options``.

        Returns
        -------
        float64[n, n]

        Raises
        ------
        NameError
            ``sim_options["name"]`` is no similarity.
        """
        options, trainset = self.sim_options, self.trainset
        by_user = options["user_based"]
        lists, keys = similarities.lists_of(trainset, by_user)
        name = options.get("name", "msd").lower()
        baselines: tuple[Any, ...] = ()
        if name == "pearson_baseline":
            bu, bi = self.compute_baselines()
            of_x, of_y = (bu, bi) if by_user else (bi, bu)
            baselines = (trainset.global_mean, of_x, of_y[keys], options.get("shrinkage", 100))
        self._say(f"Computing the {name} similarity matrix...")
        if name not in similarities.NAMES:
            raise NameError(f"Wrong sim name {name}. Allowed values are {', '.join(similarities.NAMES)}.")
        sim = similarities.matrix(name, lists, options.get("min_support", 1), baselines)
        self._say("Done computing similarity matrix.")
        return sim

    def get_neighbors(self, iid: int, k: int) -> list[int]:
        """Inner ids of the users or items that are most similar to one, the most similar first.

        Parameters
        ----------
        iid : int
            Inner id of a user if ``sim_options["user_based"]``, else of an item.
        k : int
            How many, at most.
        """
        trainset = self.trainset
        everyone = trainset.all_users if self.sim_options["user_based"] else trainset.all_items
        row = self.sim[iid]
        others = [(x, row[x]) for x in everyone() if x != iid]
        return [x for x, _ in heapq.nlargest(k, others, key=lambda pair: pair[1])]

    def _ratings(self) -> Columns:
        """Columns of the training set, as of the fit or the latest `test`."""
        kept = vars(self).get("_kept")
        if kept is None or kept[0] is not self.trainset:
            kept = self._kept = (self.trainset, self.trainset.columns())
        return kept[1]

    def to_cfcore(self) -> Any:
        """The fitted model of cfcore.

        With ``engine="cfcore"``, the one that predicts. Else one with the factors and biases of this
        algorithm or, for neighbours, fitted with its similarities and weights: for known users and items, its
        predictions are those of this algorithm, up to rounding and to the choice among equally near ones.

        Raises
        ------
        NotFittedError
            The algorithm is not fitted.
        TypeError
            cfcore has no model of that name.
        """
        from cfcore.adapters.surprise.on_cfcore import fitted_model

        return fitted_model(self)

    def _say(self, message: str) -> None:
        if getattr(self, "verbose", False):
            print(message)
