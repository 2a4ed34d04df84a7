"""The table of all models: exports, `cfcore.load`, the command line, searches and tests derive from it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers, which cannot read the table
    from cfcore.ensemble import Blend as Blend
    from cfcore.ensemble import Ranker as Ranker
    from cfcore.models.basic.baseline import Baseline as Baseline
    from cfcore.models.basic.mean import GlobalMean as GlobalMean
    from cfcore.models.factorization.als import ALS as ALS
    from cfcore.models.factorization.asymmetric_svd import AsymmetricSVD as AsymmetricSVD
    from cfcore.models.factorization.bayesian import BayesianSVD as BayesianSVD
    from cfcore.models.factorization.svd import SVD as SVD
    from cfcore.models.factorization.svdpp import SVDpp as SVDpp
    from cfcore.models.factorization.timesvdpp import TimeSVDpp as TimeSVDpp
    from cfcore.models.lists.ease import EASE as EASE
    from cfcore.models.lists.popularity import Popularity as Popularity
    from cfcore.models.neighbors.knn import ItemKNN as ItemKNN
    from cfcore.models.neighbors.knn import UserKNN as UserKNN
    from cfcore.models.rbm.model import RBM as RBM

#: Ranges for `search`: (low, high), (low, high, "log") or a list of values.
FACTORS: dict[str, Any] = {"n_factors": (8, 200, "log"), "n_epochs": (10, 60)}
NEIGHBORS: dict[str, Any] = {
    "similarity": ["cosine_baseline", "pearson_baseline", "pearson", "adjusted_cosine"],
    "shrinkage": (1.0, 300.0, "log"),
    "n_neighbors": (10, 150, "log"),
    "power": [1.0, 1.5, 2.0, 2.5],
    "damping": (0.0, 0.1),
    "positive_only": [True, False],
    "reg_user": (1.0, 30.0, "log"),
    "reg_item": (1.0, 30.0, "log"),
}
RBM_RANGES: dict[str, Any] = {
    "n_hidden": (50, 400, "log"),
    "n_epochs": (15, 60),
    # Rates of the weights; those of the other parameters are not varied. None: the rule of the class.
    "lr": [None, *({"weights": rate} for rate in (0.003, 0.006, 0.012, 0.025, 0.05))],
    "weight_decay": [None, 0.0, 0.001, 0.003, 0.01, 0.03],
    "momentum": (0.0, 0.9),
    "batch_size": [10, 30, 100],
    "visible": ["ordinal", "softmax"],
}


@dataclass(frozen=True)
class Entry:
    """A model in the registry.

    Attributes
    ----------
    name : str
        Name of the class, in `cfcore` and in files.
    module : str
        Module that defines the class.
    command : str or None
        Name on the command line.
    space : dict
        Ranges of hyper-parameters for `search`, which adds ranges around the rule of the class
        (`Model.defaults_for`).
    small : dict
        Hyper-parameters for a short training, for tests and examples.
    lists : bool
        Whether the model is for lists, and not for ratings: `cfcore compare` has a row for each of the
        others.
    """

    name: str
    module: str
    command: str | None = None
    space: Mapping[str, Any] = field(default_factory=dict)
    small: Mapping[str, Any] = field(default_factory=dict)
    lists: bool = False

    def load(self) -> Any:
        """Import and return the class."""
        return getattr(importlib.import_module(self.module), self.name)


_FEW = {"n_factors": 8, "n_epochs": 4, "random_state": 0}
_BIASES = {"reg_user": (1.0, 30.0, "log"), "reg_item": (1.0, 30.0, "log")}
_VALUES = {"values": ["ratings", "ones"]}
_TIME = {**FACTORS, "day_factors": [True, False], "item_bins": [True, False]}
_SQUARES = {
    "n_factors": (8, 100, "log"), "n_epochs": (10, 40), "sets": ["both", "user", "item", None],
    "scale_reg": [True, False],
}  # fmt: skip

ENTRIES = (
    Entry("GlobalMean", "cfcore.models.basic.mean", "global-mean"),
    Entry("Baseline", "cfcore.models.basic.baseline", "baseline", _BIASES),
    Entry("ItemKNN", "cfcore.models.neighbors.knn", "item-knn", NEIGHBORS),
    Entry("UserKNN", "cfcore.models.neighbors.knn", "user-knn", NEIGHBORS),
    Entry("SVD", "cfcore.models.factorization.svd", "svd", FACTORS, _FEW),
    Entry("SVDpp", "cfcore.models.factorization.svdpp", "svdpp", FACTORS, _FEW),
    Entry("TimeSVDpp", "cfcore.models.factorization.timesvdpp", "timesvdpp", _TIME, _FEW),
    Entry("AsymmetricSVD", "cfcore.models.factorization.asymmetric_svd", "asymmetric-svd", FACTORS, _FEW),
    Entry("ALS", "cfcore.models.factorization.als", "als", _SQUARES, _FEW),
    Entry(
        "BayesianSVD",
        "cfcore.models.factorization.bayesian",
        "bayesian-svd",
        {"n_factors": (8, 64, "log"), "sets": ["both", "user", "item", None]},
        {"n_factors": 4, "n_samples": 6, "burn_in": 3, "n_kept": 4, "random_state": 0},
    ),
    Entry(
        "RBM", "cfcore.models.rbm.model", "rbm", RBM_RANGES, {"n_hidden": 8, "n_epochs": 4, "random_state": 0}
    ),
    Entry("Popularity", "cfcore.models.lists.popularity", "popularity", lists=True),
    Entry("EASE", "cfcore.models.lists.ease", "ease", _VALUES, lists=True),
    Entry("Blend", "cfcore.ensemble"),
    Entry("Ranker", "cfcore.ensemble", space={"weight": (0.0, 1.0)}, small={"random_state": 0}, lists=True),
)

BY_NAME: dict[str, Entry] = {entry.name: entry for entry in ENTRIES}
#: The models that are fitted by name; those of ratings in the order of the table of `cfcore compare`.
BY_COMMAND: dict[str, Entry] = {entry.command: entry for entry in ENTRIES if entry.command}
