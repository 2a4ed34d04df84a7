"""`evaluate` says how many test ratings are of unknown users and items, and where scales differ."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import metrics
from tests.notebook import shown


def columns(ratings: cf.Ratings) -> tuple[Any, Any, Any]:
    return ratings.users, ratings.items, ratings.values.astype(np.float64)


def silent(model: Any, test: Any, *arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return metrics.evaluate(model, test, *arguments)


def test_counts_of_unknown(model: Any, split: Any) -> None:
    users, items, values = (column.copy() for column in columns(split[1]))
    users[:30] += 10_000
    items[20:60] += 10_000
    unknown_items = 40 + int((~model.knows(items=split[1].items))[np.r_[:20, 60 : len(users)]].sum())
    found = silent(model, (users, items, values))
    assert (found.n, found.unknown_users, found.unknown_items) == (len(users), 30, unknown_items)
    assert found.unknown == int((~model.knows(users, items)).sum())
    assert f"{found.unknown:,} of unknown users or items (users: 30, items: {unknown_items})" in repr(found)
    assert found == dict(found)
    assert set(found) == {"rmse", "mae"}
    for copied in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert (copied, copied.unknown_users, copied.n) == (found, 30, found.n)
    assert "rmse" in shown(found)
    assert metrics.bootstrap(model, (users, items, values), n_boot=5).unknown_users == 30


def test_all_known_is_said_by_nothing(model: Any, split: Any) -> None:
    known = model.knows(split[1].users, split[1].items)
    found = silent(model, tuple(column[known] for column in columns(split[1])))
    assert (found.unknown_users, found.unknown_items, found.unknown) == (0, 0, 0)
    assert "unknown" not in repr(found)


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        ((10_000, 0), r"evaluate: all 600 test ratings are of users without .* ids those of training\?"),
        ((0, 10_000), "all 600 test ratings are of items without"),
        ((10_000, 10_000), "all 600 test ratings are of users and items without"),
    ],
)
def test_all_unknown(model: Any, split: Any, shift: tuple[int, int], message: str) -> None:
    users, items, values = columns(split[1])
    with pytest.warns(cf.DataWarning, match=message) as said:
        found = metrics.evaluate(model, (users + shift[0], items + shift[1], values))
    assert len(said) == 1
    assert said[0].filename == __file__
    assert found.unknown == 600


def test_most_unknown(model: Any, split: Any) -> None:
    users, items, values = columns(split[1])
    users = np.where(np.arange(len(users)) < 400, users + 10_000, users)
    with pytest.warns(cf.DataWarning, match=r"40\d of 600 test ratings are of users or items without"):
        metrics.evaluate(model, (users, items, values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: 2 * values, r"from 1 to 10, are outside the scale of training, 0.5 to 5"),
        (lambda values: (values - 0.5) / 4.5, r"test ratings, which are from 0 to 1, are outside"),
        (lambda values: 20 * values, r"scale=\(0.5, 100\)"),
        (lambda values: values - 3, "outside the scale"),
    ],
)
def test_another_scale(model: Any, split: Any, change: Any, message: str) -> None:
    users, items, values = columns(split[1])
    with pytest.warns(cf.DataWarning, match=message) as said:
        metrics.evaluate(model, (users, items, change(values)))
    assert len(said) == 1


def test_a_smaller_scale(split: Any) -> None:
    users, items, values = columns(split[0])
    model = cf.Baseline().fit((users, items, np.ceil(2 * values)))  # 1 to 10
    tested = columns(split[1])
    with pytest.warns(cf.DataWarning, match=r"from 1 to 5, but those of training from 1 to 10; are both"):
        metrics.evaluate(model, (*tested[:2], np.ceil(tested[2])))
    # A test part of high ratings only, and parts that declare their scale, are as they should be.
    users, items, values = tested
    silent(model, (users[values > 3], items[values > 3], np.ceil(2 * values[values > 3])))
    silent(model, cf.Ratings(users, items, np.ceil(values), scale=(1, 10)).subset(values < 3))


def test_float_scales_do_not_warn() -> None:
    model = cf.GlobalMean().fit(([1, 2], [1, 2], [0.1, 0.9]))
    silent(model, ([1, 2], [2, 1], [0.1, 0.9]))
    silent(cf.GlobalMean().fit(cf.Ratings([1, 2], [1, 2], [0.1, 0.3], scale=(0.1, 0.3))), ([1], [2], [0.3]))


def test_lists_without_ground_truth(model: Any, split: Any) -> None:
    users, items, values = columns(split[1])
    low = cf.Ratings(users, items, np.minimum(values, 2), scale=(0.5, 5))
    for name in ("ndcg", "precision@5", "mrr"):
        with pytest.raises(
            cf.DataError, match=rf"{name}: .*threshold is 3.875, .*highest test rating 2.*threshold="
        ):
            metrics.evaluate(model, low, ("rmse", name))
        assert 0 <= metrics.evaluate(model, low, name, threshold=2)[name] <= 1
    assert silent(model, low, ("coverage", "novelty"))["coverage"] > 0
    with pytest.warns(cf.DataWarning, match="judge: no item is relevant: the threshold is 3.875"):
        metrics.judge(model, low)
    with pytest.raises(cf.DataError, match="in training too"):
        metrics.evaluate(model, split[0], "recall")
    with pytest.warns(cf.DataWarning, match="judge: none of the 80 users"):
        metrics.judge(model, (users + 10_000, items, values))


def test_fcp_without_a_value(model: Any, split: Any) -> None:
    with pytest.warns(cf.DataWarning, match="fcp has no value: no user"):
        found = metrics.evaluate(model, split[1].subset([0]), "fcp")
    assert np.isnan(found["fcp"])


def test_cross_validation_counts_and_warns_once() -> None:
    ratings = cf.datasets.synthetic(60, 40, 900, random_state=3)
    fold = ratings.user_codes % 3
    pairs = [(ratings.subset(fold != k), ratings.subset(fold == k)) for k in range(3)]
    with pytest.warns(cf.DataWarning, match="cross_validate: all 900 test ratings are of users") as said:
        found = cf.selection.cross_validate(cf.Baseline(), cv=pairs)
    assert len(said) == 1
    np.testing.assert_array_equal(found["n_unknown"], found["n_test"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cf.selection.cross_validate(cf.Baseline(), ratings, 3)
    for k, (train, test) in enumerate(cf.split.kfold(ratings, 3, 0)):
        assert found["n_unknown"][k] == int((~cf.GlobalMean().fit(train).knows(test)).sum())
    low = cf.Ratings(ratings.users, ratings.items, np.minimum(ratings.values, 2), scale=ratings.scale)
    with pytest.raises(cf.DataError, match=r"fold 0: ndcg@5: no item is relevant"):
        cf.selection.cross_validate(cf.Baseline(), low, 3, "ndcg@5")


def test_training_ratings_are_no_test(model: Any, split: Any) -> None:
    train, test = split
    with pytest.warns(
        cf.errors.DataWarning, match="all .* test ratings are of pairs that the model was fitted on"
    ):
        metrics.evaluate(model, train)
    with pytest.warns(cf.errors.DataWarning, match="fitted on"):
        metrics.evaluate(model, train, n_boot=5)
    silent(model, test)
    # Some pairs of later ratings may have been rated before.
    few = np.arange(len(test) // 4)
    both = [np.r_[old[few], new] for old, new in zip(columns(train), columns(test), strict=True)]
    silent(model, tuple(both))
