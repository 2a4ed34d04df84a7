"""What `ItemKNN` and `UserKNN` share: one algorithm, with the roles of users and items exchanged."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.data import Ratings
from cfcore.kernels.records import (
    NearestRows,
    PredictionRequests,
    PredictionRule,
    PredictionScratch,
    RatingRows,
    SimilarityMatrix,
    SimilarityRule,
)
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import check_choice, check_flag, check_number
from cfcore.models.neighbors.centering import Center, center_of, normalized, without_means
from cfcore.models.neighbors.similarities import row_similarities
from cfcore.progress import progress_bar
from cfcore.threads import resolve_threads

SIMILARITIES = (
    "cosine_baseline",
    "pearson_baseline",
    "pearson",
    "cosine",
    "adjusted_cosine",
    "msd",
    "jaccard",
)
CENTERS = (None, "mean", "zscore", "baseline")

#: Up to so many items (users), "auto" keeps all their similarities: 1 GiB.
DENSE_LIMIT = 16_384
#: How many of each beyond that: 8 KB a row.
AUTO_ROWS = 1_000
#: Ratings that one thread looks at in a call: about .3 s, after which Ctrl-C is heard.
_SLICE = 80_000_000
#: Ratings below which a call stays on one thread: about .2 ms.
_WORTH_THREADS = 100_000


class KNN(Model):
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

    #: Power where None was given and the centre is the baseline; 1 around anything else.
    _tuned_power: ClassVar[float]

    @staticmethod
    def _tuned_damping(n_ratings: int) -> float:
        """Damping where None was given and the centre is the baseline; 0 around anything else."""
        raise NotImplementedError

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

    def _remember(self, train: Ratings) -> None:
        train.build_index(self.n_threads)
        super()._remember(train)

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
        damping, power = 0.0, 1.0
        if self.center == "baseline":
            damping, power = self._tuned_damping(len(train)), self._tuned_power
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
        shrinkage = self.shrinkage
        compared: dict[str, Any] = {}
        if measure in ("cosine_baseline", "pearson_baseline", "adjusted_cosine"):
            if measure == "adjusted_cosine":
                values = without_means(by_holder, train.mean)
            elif self.center == "baseline":
                values = self.deviations_
            else:
                values = self._center(train, "baseline").deviations(by_holder, self._kind)
            if measure == "cosine_baseline":
                # The norms are over all of a target's ratings: scaled by them, products are the cosines.
                values = normalized(values, by_holder.indices, len(by_target.indptr) - 1, shrinkage)
                shrinkage = 0.0
            compared = {"col_values": values, "row_values": values[by_target.to_other]}
            measure = "dot" if measure == "cosine_baseline" else "cosine"
        n = len(by_target.indptr) - 1
        n_kept = self._n_kept(n)
        rule = SimilarityRule(measure, shrinkage, self.min_support, self.no_overlap)
        with progress_bar(n, f"{self._kind} similarities", self.verbose) as bar:
            found = row_similarities(
                by_target, by_holder, rule, top_k=n_kept, n_threads=self.n_threads, progress=bar.update,
                **compared,
            )  # fmt: skip
        self.neighbors_ = found.codes if isinstance(found, NearestRows) else None
        self.similarity_ = found.values

    def _n_kept(self, n_targets: int) -> int | None:
        """How many similarities of each target are kept; None for all."""
        if self.storage == "dense" or (self.storage == "auto" and n_targets <= DENSE_LIMIT):
            return None
        if self.no_overlap != 0:
            raise ValueError(
                f"storage must be 'dense' for no_overlap={self.no_overlap} and {n_targets} {self._kind}s"
            )
        wanted = AUTO_ROWS if isinstance(self.storage, str) else int(self.storage)
        return min(wanted, max(n_targets - 1, 1))

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
        kernel = backends.kernel("neighbors.predict")
        indptr, indices = self.holder_indptr_, self.holder_targets_
        if indptr is None or indices is None:
            indptr, indices = self.seen_indptr_, self.seen_items_
        n, n_targets = len(targets), len(self.similarity_)
        order = np.empty(n, dtype=np.int64)
        # Requests for the same target share its row of similarities; -1, the unknown, comes first.
        backends.kernel("tables.csr").counting_sort(
            targets + 1, np.empty(n_targets + 2, dtype=np.int64), order
        )
        lengths = np.diff(indptr)
        rule = self.rule_
        n_neighbors = rule["n_neighbors"]
        if n_neighbors >= lengths.max(initial=0):
            n_neighbors = 0  # all of them
        cost = n * 100 + int(lengths[holders].sum())
        # Waking other threads takes longer than a few requests.
        n_threads = resolve_threads(self.n_threads) if cost > _WORTH_THREADS else 1
        rows = None if self.neighbors_ is None else np.zeros((n_threads, n_targets), dtype=np.float32)
        scratch = PredictionScratch(aligned_zeros(n_threads, 8 * (n_neighbors // 2 + 8), np.uint64), rows)
        requests = PredictionRequests(holders, targets, order, np.empty(n), len(lengths), n_targets)
        rated = RatingRows(indptr, indices, self.deviations_, n_targets)
        prediction = PredictionRule(n_neighbors, rule["damping"], rule["power"], rule["positive_only"])
        compared: SimilarityMatrix | NearestRows
        if self.neighbors_ is None:
            predict, compared = kernel.predict_dense, SimilarityMatrix(self.similarity_)
        else:
            predict, compared = kernel.predict_rows, NearestRows(self.neighbors_, self.similarity_)
        step = max(1, n_threads * _SLICE * n // max(cost, 1))
        for begin in range(0, n, step):
            predict(compared, rated, requests, prediction, scratch, (begin, min(begin + step, n)), n_threads)
        return requests.out

    def _similarity_to(self, kind: str, code: int) -> Array:
        if kind != self._kind:
            return super()._similarity_to(kind, code)
        if self.neighbors_ is None:
            return self.similarity_[code].astype(np.float64)
        row = np.full(len(self.similarity_), np.nan)
        kept = self.neighbors_[code] >= 0
        row[self.neighbors_[code][kept]] = self.similarity_[code][kept]
        return row
