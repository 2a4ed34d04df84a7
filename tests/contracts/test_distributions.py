"""Standard deviations, intervals and lists that explore: of models that have distributions, or refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import cfcore as cf

#: Models that have distributions of their predictions.
WITH = {"BayesianSVD"}


def asked(model: Any, train: cf.Ratings) -> Any:
    """Each way to ask for what only a distribution has."""
    pairs = train.users[:6], train.items[:6]
    test = train.subset(np.arange(0, len(train), 7))
    judge = {"exclude_seen": False}
    return {
        "std": lambda: model.predict(*pairs, return_std=True),
        "std of the mean": lambda: model.predict(*pairs, return_std="mean"),
        "std of one": lambda: model.predict(train.users[0], train.items[0], return_std=True),
        "interval": lambda: model.predict_interval(*pairs),
        "interval of none": lambda: model.predict_interval(train.users[:0], train.items[:0]),
        "codes": lambda: model.predictive_codes(np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.int32)),
        "upper": lambda: model.recommend(train.users[0], 3, by="upper"),
        "sample": lambda: model.recommend(train.user_ids[:3], 3, by="sample", random_state=0),
        "batches": lambda: list(model.recommend_batches(train.user_ids[:3], 3, by="upper")),
        "explorer": lambda: model.explorer("sample"),
        "judged": lambda: cf.metrics.evaluate(model, test, ["ndcg@3"], by="upper", **judge),
    }


def test_distributions_or_a_clear_refusal(fitted: Any, train: cf.Ratings) -> None:
    for name, ask in asked(fitted, train).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if type(fitted).__name__ in WITH:
                ask()
                continue
            message = rf"^{type(fitted).__name__} has no distribution of its predictions.*: BayesianSVD$"
            with pytest.raises(TypeError, match=message):
                pytest.fail(f"{name}: {ask()!r}")


def test_before_the_fit(model: Any) -> None:
    for ask in (
        lambda: model.predict([1], [2], return_std=True),
        lambda: model.predict_interval([1], [2]),
        lambda: model.explorer("upper"),
        lambda: model.recommend(1, by="upper"),
    ):
        with pytest.raises(cf.NotFittedError):
            ask()
