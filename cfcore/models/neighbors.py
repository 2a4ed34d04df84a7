"""`ItemKNN` and `UserKNN`: one algorithm, with the roles of users and items exchanged."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cfcore import backends, pairs
from cfcore.data import Ratings
from cfcore.models.base import Array, Model
from cfcore.models.centers import Center, center_of, without_means
from cfcore.models.params import check_choice, check_flag, check_number
from cfcore.progress import progress_bar
from cfcore.threads import resolve_threads

SIMILARITIES = ("pearson", "pearson_baseline", "cosine", "adjusted_cosine", "msd", "jaccard")
CENTERS = (None, "mean", "zscore", "baseline")

#: Up to so many items (users), "auto" keeps all their similarities: 1 GiB.
DENSE_LIMIT = 16_384
#: How many of each beyond that: 8 KB a row.
AUTO_ROWS = 1_000
#: Ratings that one thread looks at in a call: about .3 s, after which Ctrl-C is heard.
_SLICE = 80_000_000


class _KNN(Model):
    """What the two models share.

    Targets are of the kind `_kind` and compared with each other. Holders are of the other kind: those who
    rated the targets, or what the targets rated.
    """

    _kind: ClassVar[str]

    _array_names = (
        "similarity_", "neighbors_", "holder_indptr_", "holder_targets_", "deviations_",
        "user_centers_", "item_centers_", "spreads_",
    )  # fmt: skip
    _scalar_names = ("rule_",)

    similarity: str
    n_neighbors: int | None
    center: str | None
    shrinkage: float
    min_support: int
    no_overlap: float
    positive_only: bool
    damping: float | None
    power: float | None
    reg_user: float
    reg_item: float
    storage: str | int
    n_threads: int | None
    verbose: int

    similarity_: Array
    neighbors_: Array | None
    holder_indptr_: Array | None
    holder_targets_: Array | None
    deviations_: Array
    user_centers_: Array
    item_centers_: Array
    spreads_: Array | None
    rule_: dict[str, Any]

    #: Damping and power where None was given and the centre is the baseline; 0 and 1 around anything else.
    _tuned: ClassVar[tuple[float, float]]

    def _store(self, arguments: dict[str, Any]) -> None:
        """Set the hyper-parameters: the arguments of ``__init__``."""
        vars(self).update((name, value) for name, value in arguments.items() if name != "self")

    def _check_params(self) -> None:
        check_choice("similarity", self.similarity, SIMILARITIES)
        check_choice("center", self.center, CENTERS)
        check_number("n_neighbors", self.n_neighbors, 1, integer=True, none=True)
        check_number("min_support", self.min_support, 0, integer=True)
        check_number("no_overlap", self.no_overlap, -1, 1)
        check_flag("positive_only", self.positive_only)
        for name in ("shrinkage", "reg_user", "reg_item"):
            check_number(name, getattr(self, name), 0)
        check_number("damping", self.damping, 0, none=True)
        check_number("power", self.power, 0, open_low=True, none=True)
        if isinstance(self.storage, str):
            check_choice("storage", self.storage, ("auto", "dense"))
        else:
            check_number("storage", self.storage, 1, integer=True)

    # ------------------------------------------------------------------ fitting

    def _fit(self, train: Ratings, validation: Ratings | None, early_stopping: int | None) -> None:
        by_target, by_holder = train.by_item, train.by_user
        if self._kind == "user":
            by_target, by_holder = by_holder, by_target
        # The rows by user are kept by every model already.
        same = by_holder is train.by_user
        self.holder_indptr_ = None if same else by_holder.indptr
        self.holder_targets_ = None if same else by_holder.indices
        around = self._center(train, self.center)
        self.deviations_ = around.deviations(by_holder, self._kind)
        self.user_centers_, self.item_centers_ = around.users, around.items
        self.spreads_ = around.spreads
        damping, power = self._tuned if self.center == "baseline" else (0.0, 1.0)
        self.rule_ = {
            "additive": self.center == "baseline",
            "n_neighbors": 0 if self.n_neighbors is None else int(self.n_neighbors),
            "damping": damping if self.damping is None else float(self.damping),
            "power": power if self.power is None else float(self.power),
            "positive_only": bool(self.positive_only),
        }
        self._compare(train, by_target, by_holder)

    def _center(self, train: Ratings, center: str | None) -> Center:
        n_threads = resolve_threads(self.n_threads)
        return center_of(train, center, self._kind, self.reg_user, self.reg_item, n_threads)

    def _compare(self, train: Ratings, by_target: Any, by_holder: Any) -> None:
        """Set the similarities of all pairs of targets."""
        measure = self.similarity
        compared: dict[str, Any] = {}
        if measure in ("pearson_baseline", "adjusted_cosine"):
            if measure == "adjusted_cosine":
                values = without_means(by_holder, train.mean)
            elif self.center == "baseline":
                values = self.deviations_
            else:
                values = self._center(train, "baseline").deviations(by_holder, self._kind)
            compared = {"col_values": values, "row_values": values[by_target.to_other]}
            measure = "cosine"
        n = len(by_target.indptr) - 1
        n_kept: int | None = None
        if isinstance(self.storage, int):
            n_kept = self.storage
        elif self.storage == "auto" and n > DENSE_LIMIT:
            n_kept = AUTO_ROWS
        if n_kept is not None and self.no_overlap != 0:
            raise ValueError(
                f'storage must be "dense" for no_overlap={self.no_overlap} and {n} {self._kind}s'
            )
        with progress_bar(n, f"{self._kind} similarities", self.verbose) as bar:
            found = pairs.similarities(
                by_target, by_holder, measure=measure, shrinkage=self.shrinkage, min_support=self.min_support,
                no_overlap=self.no_overlap, top_k=None if n_kept is None else min(n_kept, max(n - 1, 1)),
                n_threads=self.n_threads, progress=bar.update, **compared,
            )  # fmt: skip
        if isinstance(found, tuple):
            self.neighbors_, self.similarity_ = found
        else:
            self.neighbors_, self.similarity_ = None, found

    # ------------------------------------------------------------------ predicting

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        targets, holders = (items, users) if self._kind == "item" else (users, items)
        deviations = self._neighborhood(holders, targets)
        deviations[np.isnan(deviations)] = 0.0
        if self.spreads_ is not None:
            deviations *= self.spreads_[targets]  # no deviation where the target is unknown
        deviations += self._centers_at(users, items)
        return deviations

    def _centers_at(self, users: Array, items: Array) -> Array:
        """What the weighted mean is taken around, and what stands alone where it is unknown."""
        # The entry that -1 picks, the last, is that of an unknown user or item.
        user_centers, item_centers = self.user_centers_[users], self.item_centers_[items]
        if self.rule_["additive"]:
            return self.mean_ + user_centers + item_centers
        target, holder, at = user_centers, item_centers, users
        if self._kind == "item":
            target, holder, at = item_centers, user_centers, items
        return np.where(at >= 0, target, holder)

    def _neighborhood(self, holders: Array, targets: Array) -> Array:
        """Weighted mean deviations; NaN where there is no neighbour."""
        kernel = backends.kernel("neighbors")
        indptr, indices = self.holder_indptr_, self.holder_targets_
        if indptr is None or indices is None:
            indptr, indices = self.seen_indptr_, self.seen_items_
        n, n_targets = len(targets), len(self.similarity_)
        order = np.empty(n, dtype=np.int64)
        # Requests for the same target share its row of similarities; -1, the unknown, comes first.
        backends.kernel("csr").counting_sort(targets + 1, np.empty(n_targets + 2, dtype=np.int64), order)
        lengths = np.diff(indptr)
        rule = self.rule_
        n_neighbors = rule["n_neighbors"]
        if n_neighbors >= lengths.max(initial=0):
            n_neighbors = 0  # all of them
        n_threads = resolve_threads(self.n_threads)
        scratch: tuple[Array, ...] = (np.empty((n_threads, 8 * (n_neighbors // 2 + 8)), dtype=np.uint64),)
        compared: tuple[Array, ...] = (self.similarity_,)
        if self.neighbors_ is None:
            predict = kernel.predict_dense
        else:
            predict, compared = kernel.predict_rows, (self.neighbors_, self.similarity_)
            scratch = (np.zeros((n_threads, n_targets), dtype=np.float32), *scratch)
        out = np.empty(n)
        cost = lengths[holders].mean() + 100 if n else 1
        step = max(1, int(n_threads * _SLICE / cost))
        for begin in range(0, n, step):
            predict(
                *compared, indptr, indices, self.deviations_, holders, targets, order, out, *scratch,
                n_neighbors, rule["damping"], rule["power"], rule["positive_only"],
                begin, min(begin + step, n), n_threads,
            )  # fmt: skip
        return out

    def _similarity_to(self, kind: str, code: int) -> Array:
        if kind != self._kind:
            return super()._similarity_to(kind, code)
        if self.neighbors_ is None:
            return self.similarity_[code].astype(np.float64)
        row = np.full(len(self.similarity_), np.nan)
        kept = self.neighbors_[code] >= 0
        row[self.neighbors_[code][kept]] = self.similarity_[code][kept]
        return row


class ItemKNN(_KNN):
    r"""Predict from the most similar items among those that the user rated.

    .. math::

        \hat r_{ui} = c_{ui} + \sigma_i
        \frac{\sum_{j \in N(i; u)} \operatorname{sign}(s_{ij}) |s_{ij}|^\rho\, d_{uj}}
        {\lambda + \sum_{j \in N(i; u)} |s_{ij}|^\rho}

    N(i; u) are the `n_neighbors` items nearest to i that user u rated; :math:`\sigma_i` is 1 but for
    z-scores.

    Parameters
    ----------
    similarity : str, default "pearson_baseline"
        How two items are compared, over the users who rated both: "pearson"; "cosine"; "adjusted_cosine"
        (of ratings less the mean of each user); "msd", 1 / (1 + mean squared difference); "jaccard";
        "pearson_baseline", the cosine of what the baseline leaves of the ratings (Koren 2010).
    n_neighbors : int or None, default 40
        How many of the nearest count; None for all. Equally near ones: those that sort first by id.
    center : {"baseline", "zscore", "mean", None}, default "baseline"
        What :math:`c` is, around which the deviations :math:`d` of the ratings are averaged: overall mean
        plus biases of user and item; the item's mean, deviations being in standard deviations; the item's
        mean; the overall mean (with positive weights and no damping: the weighted mean of plain ratings).
    shrinkage : float, default 100
        Similarities are multiplied by (n - 1) / (n - 1 + shrinkage), n users who rated both.
    min_support : int, default 1
        Similarities over fewer users count as 0.
    no_overlap : float, default 0
        Similarity of items that no user rated both.
    positive_only : bool, default True
        Leave negative similarities out. Otherwise they count by their size, the deviation's sign reversed.
    damping : float, optional
        :math:`\lambda`, which pulls predictions from little evidence toward the centre. By default 0.03
        around the baseline and 0 around anything else.
    power : float, optional
        :math:`\rho`, above 1 for more weight to the nearest. By default 2.0 around the baseline and 1 around
        anything else. Halves of whole numbers up to 8 are fastest.
    reg_user, reg_item : float, default 5 and 2
        Regularisation of the baseline's biases (pseudo-counts), fitted by alternating least squares.
    storage : {"auto", "dense"} or int, default "auto"
        An int keeps so many of the most similar items of each; "dense" keeps all n_items**2 similarities, 4
        bytes each; "auto" keeps all up to 16,384 items and 1,000 of each beyond.
    n_threads : int, optional
        The results do not depend on it.
    verbose : int, default 0
        1 shows a progress bar over the similarities.

    Attributes
    ----------
    similarity_ : float32[n_items, n_items] or [n_items, n_kept]
    neighbors_ : int32[n_items, n_kept] or None
        Codes of those kept, -1 where there are fewer; None where all are.
    user_centers_, item_centers_ : float64[n_users + 1], float64[n_items + 1]
        Means or, around the baseline, biases; the last is for the unknown.

    Notes
    -----
    Without any neighbour the prediction is :math:`c`. An unknown item is predicted by the user's mean, as if
    it were equally similar to all items; an unknown user by :math:`c` alone, which around None is the overall
    mean; both unknown, by the overall mean. Around the baseline, what is unknown has bias 0 instead.

    The defaults were found by cross-validation within the training ratings of MovieLens 100K and 1M.

    References
    ----------
    B. Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001.
    Y. Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", TKDD 2010.

    Examples
    --------
    >>> import cfcore as cf
    >>> model = cf.ItemKNN(similarity="cosine", center=None).fit(
    ...     (["ann", "ann", "bob", "eve"], ["x", "y", "x", "y"], [5, 4, 3, 2])
    ... )
    >>> float(model.predict("bob", "y"))
    3.0
    """

    _kind = "item"
    _tuned = (0.03, 2.0)

    def __init__(
        self,
        *,
        similarity: str = "pearson_baseline",
        n_neighbors: int | None = 40,
        center: str | None = "baseline",
        shrinkage: float = 100.0,
        min_support: int = 1,
        no_overlap: float = 0.0,
        positive_only: bool = True,
        damping: float | None = None,
        power: float | None = None,
        reg_user: float = 5.0,
        reg_item: float = 2.0,
        storage: str | int = "auto",
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())


class UserKNN(_KNN):
    r"""Predict from the most similar users among those who rated the item.

    .. math::

        \hat r_{ui} = c_{ui} + \sigma_u
        \frac{\sum_{v \in N(u; i)} \operatorname{sign}(s_{uv}) |s_{uv}|^\rho\, d_{vi}}
        {\lambda + \sum_{v \in N(u; i)} |s_{uv}|^\rho}

    N(u; i) are the `n_neighbors` users nearest to u who rated item i; :math:`\sigma_u` is 1 but for z-scores.

    This is `ItemKNN` with the roles of users and items exchanged throughout: in what the parameters mean, in
    the attributes and in how unknown users and items are predicted. Only defaults differ.

    Parameters
    ----------
    n_neighbors : int or None, default 60
    positive_only : bool, default False
    damping, power : float, optional
        By default 0.06 and 1.5 around the baseline, 0 and 1 around anything else.
    similarity, center, shrinkage, min_support, no_overlap, reg_user, reg_item, storage, n_threads, verbose
        As in `ItemKNN`.

    References
    ----------
    J. Herlocker et al., "An algorithmic framework for performing collaborative filtering", SIGIR 1999.
    Y. Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", TKDD 2010.

    Examples
    --------
    >>> import cfcore as cf
    >>> model = cf.UserKNN(similarity="cosine", center=None).fit(
    ...     (["ann", "ann", "bob", "eve"], ["x", "y", "x", "y"], [5, 4, 3, 2])
    ... )
    >>> float(model.predict("bob", "y"))
    4.0
    """

    _kind = "user"
    _tuned = (0.06, 1.5)

    def __init__(
        self,
        *,
        similarity: str = "pearson_baseline",
        n_neighbors: int | None = 60,
        center: str | None = "baseline",
        shrinkage: float = 100.0,
        min_support: int = 1,
        no_overlap: float = 0.0,
        positive_only: bool = False,
        damping: float | None = None,
        power: float | None = None,
        reg_user: float = 5.0,
        reg_item: float = 2.0,
        storage: str | int = "auto",
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())
