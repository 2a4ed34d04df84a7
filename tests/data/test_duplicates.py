"""Repeated pairs: which row is kept, and that the call which raises an error takes the argument it names."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf

BACKENDS = pytest.mark.parametrize("backend", ["compiled", "reference"])

# User 1 rated item 7 in rows 0, 2 and 3; the latest is row 2, the earliest row 3.
COLUMNS = ([1, 2, 1, 1, 1], [7, 7, 7, 7, 8], [1.0, 2.0, 4.0, 2.5, 3.0])
TIMES = [20, 20, 30, 10, 5]


@pytest.mark.parametrize(
    ("how", "times", "values", "kept_times"),
    [
        ("last", TIMES, [2.0, 4.0, 3.0], [20, 30, 5]),
        ("first", TIMES, [2.0, 2.5, 3.0], [20, 10, 5]),
        ("mean", TIMES, [2.0, 2.5, 3.0], [20, 30, 5]),
        ("last", None, [2.0, 2.5, 3.0], None),
        ("first", None, [1.0, 2.0, 3.0], None),
        ("last", [7] * 5, [2.0, 2.5, 3.0], [7] * 3),
        ("first", [7] * 5, [1.0, 2.0, 3.0], [7] * 3),
    ],
)
def test_which_row_is_kept(how: Any, times: Any, values: list[float], kept_times: Any) -> None:
    ratings = cf.Ratings(*COLUMNS, times, duplicates=how)
    assert ratings.values.tolist() == values
    assert (ratings.timestamps is None) == (kept_times is None)
    if ratings.timestamps is not None:
        assert ratings.timestamps.tolist() == kept_times


@BACKENDS
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 9), st.integers(-2, 2)),
        min_size=1, max_size=30,
    ),
    st.booleans(),
)  # fmt: skip
def test_against_a_plain_search(backend: str, rows: list[tuple[int, ...]], timed: bool) -> None:
    users, items, values, times = (list(column) for column in zip(*rows, strict=True))
    rank = [(time if timed else 0, row) for row, time in enumerate(times)]
    of_pair: dict[tuple[int, int], list[int]] = {}
    for row, pair in enumerate(zip(users, items, strict=True)):
        of_pair.setdefault(pair, []).append(row)
    for how, choose in (("last", max), ("first", min), ("mean", max)):
        if how == "first":  # of equal times the first row, as "last" takes the last
            choose = lambda among, key: min(among, key=key)  # noqa: E731
        kept = sorted(choose(among, key=lambda row: rank[row]) for among in of_pair.values())
        with cf.backend(backend):
            found = cf.Ratings(users, items, values, times if timed else None, duplicates=how)  # type: ignore[arg-type]
        assert list(zip(found.users.tolist(), found.items.tolist(), strict=True)) == [
            (users[row], items[row]) for row in kept
        ]
        expected = [
            np.mean([values[row] for row in of_pair[users[at], items[at]]]) if how == "mean" else values[at]
            for at in kept
        ]
        np.testing.assert_allclose(found.values, expected, rtol=1e-6)
        if timed:
            assert found.timestamps is not None
            assert found.timestamps.tolist() == [times[row] for row in kept]


TUPLE = ([1, 1, 2, 2, 1], [10, 11, 10, 12, 10], [4.0, 5.0, 3.0, 1.0, 2.0], [200, 100, 100, 100, 300])


def fitted() -> Any:
    clean = tuple(column[:4] for column in TUPLE)
    return cf.SVD(n_factors=2, n_epochs=2, random_state=0).fit(cf.Ratings(*clean, scale=(1, 5)))  # type: ignore[arg-type]


TAKE_DUPLICATES: dict[str, Callable[..., Any]] = {
    "Ratings": lambda x, **how: cf.Ratings(*x, **how),
    "fit": lambda x, **how: cf.SVD(n_epochs=2).fit(x, **how),
    "fit with implicit": lambda x, **how: cf.SVDpp(n_epochs=2).fit(x, implicit=([1], [12]), **how),
    "fit of a case": lambda x, **how: cf.RBM(n_hidden=2, n_epochs=2).fit(x, **how),
    "fit of a blend": lambda x, **how: cf.Blend([cf.Baseline()], cv=2).fit(x, **how),
    "validation": lambda x, **how: cf.SVD(n_epochs=2).fit(([1], [10], [4.0]), validation=x, **how),
    "fold_in": lambda x, **how: fitted().fold_in(x, **how),
    "partial_fit": lambda x, **how: fitted().partial_fit(x, **how),
    "first partial_fit": lambda x, **how: cf.SVD().partial_fit(x, 2, **how),
    "evaluate": lambda x, **how: cf.metrics.evaluate(fitted(), x, **how),
    "bootstrap": lambda x, **how: cf.metrics.bootstrap(fitted(), x, n_boot=3, **how),
    "cross_validate": lambda x, **how: cf.selection.cross_validate(cf.Baseline(), x, 2, **how),
    "concat": lambda x, **how: cf.Ratings(*TUPLE, duplicates="last").concat(
        cf.Ratings([1], [10], [3.0], [0]), **how
    ),
}


@pytest.mark.parametrize("call", TAKE_DUPLICATES.values(), ids=TAKE_DUPLICATES)
def test_the_advice_names_an_argument_of_the_call(call: Callable[..., Any]) -> None:
    with pytest.raises(
        cf.DataError, match=r'repeats row .*; pass duplicates="last", "first" or "mean"'
    ) as caught:
        call(TUPLE)
    assert type(caught.value) is cf.errors.DuplicateError
    for how in ("last", "first", "mean"):
        call(TUPLE, duplicates=how)
    with pytest.raises(ValueError, match="duplicates must be"):
        call(TUPLE, duplicates="latest")


def test_fit_keeps_the_latest() -> None:
    train = cf.Ratings(*TUPLE, duplicates="last")
    model, other = cf.Baseline().fit(TUPLE, duplicates="last"), cf.Baseline().fit(train)
    assert model.mean_ == other.mean_ == pytest.approx((2 + 5 + 3 + 1) / 4)


def test_search_takes_duplicates() -> None:
    pytest.importorskip("optuna")
    with pytest.raises(cf.DataError, match='pass duplicates="last"'):
        cf.selection.search(cf.Baseline(), ratings=TUPLE, budget=1, cv=2)
    cf.selection.search(cf.Baseline(), ratings=TUPLE, budget=1, cv=2, duplicates="last")


@pytest.mark.parametrize("kind", ["tuple", "rows", "frame", "sparse"])
def test_calls_without_the_argument_name_a_constructor_that_has_it(kind: str) -> None:
    given: Any = TUPLE
    if kind == "frame":
        pandas = pytest.importorskip("pandas")
        given = pandas.DataFrame(dict(zip(("user", "item", "rating"), TUPLE, strict=False)))
    elif kind == "rows":
        given = list(zip(*TUPLE, strict=True))
    elif kind == "sparse":
        from scipy.sparse import coo_array

        given = coo_array((TUPLE[2], (TUPLE[0], TUPLE[1])))
    constructor = {
        "tuple": r"cf\.Ratings\(users, items, values",
        "rows": r"cf\.Ratings\(users, items, values",
        "frame": r"cf\.Ratings\.from_frame\(frame",
        "sparse": r"cf\.Ratings\.from_scipy\(matrix",
    }[kind]
    for call in (cf.split.holdout, cf.split.kfold, lambda x: cf.metrics.judge(fitted(), x)):
        with pytest.raises(cf.DataError, match=constructor + r', duplicates="last"\)'):
            call(given)


def test_the_regressor_names_its_parameter() -> None:
    pytest.importorskip("sklearn")
    X, y = np.transpose(TUPLE[:2]), TUPLE[2]
    model = cf.sklearn.RatingRegressor(cf.Baseline())
    with pytest.raises(cf.DataError, match=r'row 4 repeats row 0.*; set_params\(duplicates="last"\)'):
        model.fit(X, y)
    assert model.set_params(duplicates="last").fit(X, y).model_.is_fitted()


def test_the_error_can_be_pickled_and_taken_apart() -> None:
    with pytest.raises(cf.errors.DuplicateError) as caught:
        cf.Ratings(*TUPLE)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) == f"{again.problem}; {again.remedy}"
    assert "row 4 repeats row 0 (user 1, item 10)" in again.problem
