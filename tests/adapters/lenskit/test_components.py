"""The scorers pass LensKit's published tests of components and of scorers."""

from __future__ import annotations

import pickle
from typing import Any, ClassVar

import numpy as np
import pytest
from lenskit.testing import BasicComponentTests, ScorerTests

from cfcore import lenskit as lk

pytestmark = pytest.mark.filterwarnings("ignore:.*R-hat", "ignore::FutureWarning")


class ComponentTests(BasicComponentTests, ScorerTests):
    """LensKit's tests, without the one that needs Ray."""

    test_ray_recommend = None

    def verify_models_equivalent(self, orig: Any, copy: Any) -> None:
        pairs = orig.model.user_ids_[:50], orig.model.item_ids_[:50]
        np.testing.assert_array_equal(orig.model.predict(*pairs), copy.model.predict(*pairs))
        assert pickle.dumps(copy.config) == pickle.dumps(orig.config)


class TestSVD(ComponentTests):
    component = lk.SVDScorer
    config = lk.SVDConfig(n_factors=20)
    configs: ClassVar = [{"n_factors": 10, "lr": 0.01}, {"embedding_size": 5, "epochs": 3}, {"scale": (1, 5)}]
    expected_rmse = 0.91
    expected_ndcg = 0.04


class TestSVDpp(ComponentTests):
    component = lk.SVDppScorer
    config = lk.SVDppConfig(n_factors=10, n_epochs=10)
    configs: ClassVar = [{"n_factors": 10, "reg": 0.05}, {"history": "cold", "unknown": "fallback"}]
    expected_rmse = 0.91
    expected_ndcg = 0.04


class TestBayesianSVD(ComponentTests):
    component = lk.BayesianSVDScorer
    config = lk.BayesianSVDConfig(n_factors=4, n_samples=24, burn_in=8, n_kept=8)
    configs: ClassVar = [{"n_factors": 10, "sets": None}, {"likelihood": "ordinal"}]
    expected_rmse = 0.93
    expected_ndcg = 0.05


class TestItemKNN(ComponentTests):
    component = lk.ItemKNNScorer
    configs: ClassVar = [{"k": 30, "similarity": "pearson"}, {"max_nbrs": 10, "rank_by": "preference"}]
    expected_rmse = 0.92
    expected_ndcg = 0.03


class TestUserKNN(ComponentTests):
    component = lk.UserKNNScorer
    configs: ClassVar = [{"n_neighbors": 30}, {"shrinkage": 10.0}]
    expected_rmse = 0.92
    expected_ndcg = 0.02


class TestEASE(ComponentTests):
    component = lk.EASEScorer
    configs: ClassVar = [{"reg": 100.0}, {"values": "ones"}]
    test_batch_prediction_accuracy = None  # it predicts no ratings
    expected_ndcg = 0.33


class TestRBM(ComponentTests):
    component = lk.RBMScorer
    config = lk.RBMConfig(n_hidden=30, n_epochs=10)
    configs: ClassVar = [{"by": "item", "n_hidden": 20}, {"lr": {"weights": 0.01}, "momentum": (0.2, 0.8)}]
    expected_rmse = 0.97
    expected_ndcg = 0.05


class TestBaseline(ComponentTests):
    component = lk.BaselineScorer
    configs: ClassVar = [{"reg_user": 5.0}, {"method": "sgd", "n_epochs": 3}]
    can_score = "all"
    expected_rmse = 0.935
    expected_ndcg = 0.02


class TestPopularity(ComponentTests):
    component = lk.PopularityScorer
    configs: ClassVar = [{"reg_item": 5.0}]
    can_score = "all"
    test_batch_prediction_accuracy = None
    expected_ndcg = 0.13


class TestCFScorer(ComponentTests):
    """The scorer of any model, with its default."""

    component = lk.CFScorer
    configs: ClassVar = [
        {"model": "ItemKNN"},
        {"model": {"class": "SVD", "params": {"n_factors": 5}}, "clip": False},
        {"model": {"class": "Blend", "params": {}, "models": [{"class": "SVD", "params": {}}]}},
    ]
    expected_rmse = 0.91
    expected_ndcg = 0.04
