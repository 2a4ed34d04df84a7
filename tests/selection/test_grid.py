"""search over lists of values: each combination once, and words about budgets and states."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.selection.searching import parse_budget

TRAIN = cf.datasets.synthetic(60, 40, 900, random_state=3)
SPACE: dict[str, Any] = {"reg_user": [1.0, 5.0, 20.0], "reg_item": [2.0, 8.0]}


def combinations(found: Any) -> list[tuple[Any, ...]]:
    return list(zip(*(found.table[name].tolist() for name in found.params), strict=True))


@pytest.mark.parametrize("budget", [6, 50, np.int64(7), "1h"])
def test_each_combination_once_and_then_it_ends(budget: Any) -> None:
    found = cf.selection.search(cf.Baseline(), TRAIN, SPACE, cv=2, budget=budget)
    tried = combinations(found)
    assert len(tried) == 6
    assert set(tried) == {(user, item) for user in SPACE["reg_user"] for item in SPACE["reg_item"]}
    assert set(found.table["state"]) <= {"complete", "pruned"}
    if budget != "1h":
        assert tried[0] == (5.0, 2.0)  # the model as given
        assert tried[1:] == [(1, 2), (1, 8), (5, 8), (20, 2), (20, 8)]
    best = found.table["rmse"][found.table["state"] == "complete"].min()
    assert found.value == best
    assert found.value == pytest.approx(
        min(
            cf.selection.cross_validate(cf.Baseline(reg_user=user, reg_item=item), TRAIN, 2).mean("rmse")
            for user, item in tried
        )
    )


def test_fewer_trials_than_combinations() -> None:
    model = cf.Baseline(reg_user=5.0, reg_item=8.0)
    orders = []
    for seed in (0, 1):
        tried = combinations(cf.selection.search(model, TRAIN, SPACE, cv=2, budget=4, random_state=seed))
        assert len(set(tried)) == 4
        assert tried[0] == (5.0, 8.0)  # the model as given, if the grid has it
        orders.append(tried)
    assert orders[0] != orders[1]


def test_repeated_values_and_values_of_any_kind() -> None:
    space = {"similarity": ["cosine", "cosine", "pearson"], "n_neighbors": [None, 5, 5, np.int64(5)]}
    found = cf.selection.search(cf.ItemKNN(), TRAIN, space, cv=2, budget=20)
    assert len(combinations(found)) == 4
    space = {"n_neighbors": np.arange(5, 20, 5), "power": np.linspace(1, 2, 2)}
    found = cf.selection.search(cf.ItemKNN(), TRAIN, space, cv=2, budget=20)
    assert set(combinations(found)) == {(n, p) for n in (5, 10, 15) for p in (1.0, 2.0)}
    assert type(found.params["n_neighbors"]) is int
    with pytest.raises(TypeError, match="positive_only must be True or False, not 1"):
        cf.selection.search(cf.ItemKNN(), TRAIN, {"positive_only": [True, 1]}, cv=2, budget=20)


def test_a_grid_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "grid.db"
    first = cf.selection.search(cf.Baseline(), TRAIN, SPACE, cv=2, budget=2, study=path)
    more = cf.selection.search(cf.Baseline(), TRAIN, SPACE, cv=2, budget=99, study=path)
    assert combinations(more)[:2] == combinations(first)
    assert len(combinations(more)) == len(set(combinations(more))) == 6
    again = cf.selection.search(cf.Baseline(), TRAIN, SPACE, cv=2, budget=99, study=path)
    assert combinations(again) == combinations(more)


def test_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFCORE_NUM_THREADS", "4")
    found = cf.selection.search(cf.Baseline(), TRAIN, SPACE, cv=2, budget=99, n_jobs=3)
    assert len(combinations(found)) == len(set(combinations(found))) == 6


def test_too_many_combinations() -> None:
    space = {name: list(np.linspace(1, 9, 400)) for name in ("reg_user", "reg_item")}
    with pytest.raises(ValueError, match="160,000 combinations"):
        cf.selection.search(cf.Baseline(), TRAIN, space, budget=3)


def test_a_trial_that_the_budget_ends_is_stopped() -> None:
    now = [0.0]

    class Late(cf.Baseline):
        def _fit(self, train: cf.Ratings, context: Any) -> Any:
            now[0] += 1.0
            return super()._fit(train, context)

    real = time.monotonic
    try:
        time.monotonic = lambda: now[0]
        found = cf.selection.search(Late(), TRAIN, SPACE, budget="4.5s", cv=2, refit=False)
    finally:
        time.monotonic = real
    assert list(found.table["state"]) == ["complete", "complete", "stopped"]
    assert "2 complete, 1 stopped" in repr(found)


def test_a_stopped_combination_is_tried_again(tmp_path: Path) -> None:
    now = [0.0]

    class Late(cf.Baseline):
        def _fit(self, train: cf.Ratings, context: Any) -> Any:
            now[0] += 1.0
            return super()._fit(train, context)

    real, path = time.monotonic, tmp_path / "grid.db"
    try:
        time.monotonic = lambda: now[0]
        cf.selection.search(Late(), TRAIN, SPACE, budget="3.5s", cv=2, refit=False, study=path)
    finally:
        time.monotonic = real
    found = cf.selection.search(Late(), TRAIN, SPACE, budget=99, cv=2, refit=False, study=path)
    states = list(found.table["state"])
    assert states.count("stopped") == 1
    ended = [point for point, state in zip(combinations(found), states, strict=True) if state != "stopped"]
    assert len(ended) == len(set(ended)) == 6


def test_the_order_of_arguments() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = cf.selection.search(cf.Baseline(), TRAIN, SPACE, cv=2, budget=3)
        named = cf.selection.search(cf.Baseline(), space=SPACE, ratings=TRAIN, cv=2, budget=3)
    with pytest.warns(DeprecationWarning, match=r"call search\(model, ratings, space\)") as said:
        old = cf.selection.search(cf.Baseline(), SPACE, TRAIN, cv=2, budget=3)
    assert said[0].filename == __file__
    assert new.value == named.value == old.value
    with pytest.raises(ValueError, match="ratings are needed"):
        cf.selection.search(cf.Baseline(), space=SPACE)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("3", ['"3s"', "budget=3 is for 3 trials"]),
        (3.0, ["budget=3 is for 3 trials"]),
        ("0.5", ['"0.5h"']),
        ("5 minutes", ['"5m"']),
        (None, ["number of trials or a time"]),
        ("", ["number of trials or a time"]),
        (10**400, []),
    ],
)
def test_words_about_a_budget(budget: Any, words: list[str]) -> None:
    if budget == 10**400:
        assert parse_budget(budget) == (None, budget)
        return
    with pytest.raises(ValueError, match="budget must be") as error:
        parse_budget(budget)
    assert all(word in str(error.value) for word in words), error.value


def test_splitters_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.model_selection")
    folds = sklearn.KFold(3, shuffle=True, random_state=0)
    rows = list(folds.split(np.zeros(len(TRAIN))))
    expected = cf.selection.cross_validate(cf.Baseline(), TRAIN, rows)
    found = cf.selection.cross_validate(cf.Baseline(), TRAIN, folds)
    np.testing.assert_array_equal(found["rmse"], expected["rmse"])
    with pytest.warns(cf.DataWarning, match="users"):  # users are the groups
        found = cf.selection.cross_validate(cf.Baseline(), TRAIN, sklearn.GroupKFold(3))
    np.testing.assert_array_equal(found["n_unknown"], found["n_test"])
    assert (
        len(cf.selection.cross_validate(cf.Baseline(), TRAIN, sklearn.ShuffleSplit(2, test_size=0.1))["fold"])
        == 2
    )
    best = cf.selection.search(cf.Baseline(), TRAIN, SPACE, cv=folds, budget=2)
    assert best.value == pytest.approx(best.table["rmse"].min())
    with pytest.raises(ValueError, match="ratings are needed"):
        cf.selection.cross_validate(cf.Baseline(), cv=folds)


def test_trials_that_fail_do_not_end_the_search_and_are_the_reason_if_none_succeeds() -> None:
    ratings = cf.datasets.synthetic(40, 30, 400, random_state=0)
    model = cf.SVD(n_epochs=2, random_state=0)
    found = cf.selection.search(model, ratings, {"n_factors": [2, 10**9]}, budget=2, cv=2, random_state=0)
    assert sorted(found.table["state"]) == ["complete", "failed"]  # too large for the memory
    with pytest.raises(ValueError, match=r"^space: no trial was finished, and 2 failed; .*Try lr=None"):
        cf.selection.search(model, ratings, {"lr": [1e10, 1e11]}, budget=2, cv=2, random_state=0)


def test_the_file_of_a_study_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ratings = cf.datasets.synthetic(40, 30, 400, random_state=0)
    cf.selection.search(cf.Baseline(), ratings, {"reg_user": [1.0, 5.0]}, budget=2, cv=2, study="~/study.db")
    assert (tmp_path / "study.db").is_file()
    with pytest.raises(TypeError, match="study must be a path or None, not int"):
        cf.selection.search(cf.Baseline(), ratings, budget=2, study=5)  # type: ignore[arg-type]
