"""Weights of ratings in cross-validation, in a search, and as a column of the files of the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.conftest import run_inside as run

PARAMS: dict[str, Any] = {"n_factors": 2, "random_state": 0, "n_epochs": 5}


def rated() -> tuple[cf.Ratings, Any]:
    """Ratings of which every other one has much noise, and weights that say so."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 20)
    items = np.concatenate([rng.choice(40, 20, replace=False) for _ in range(60)])
    means = 3 + rng.normal(0, 0.5, 60)[users] + rng.normal(0, 0.7, 40)[items]
    noise = np.where(np.arange(len(users)) % 2, 0.1, 2.0)
    values = means + noise * rng.normal(0, 1, len(users))
    return cf.Ratings(users, items, values), np.where(noise < 1, 5.0, 0.05)


def parted(ratings: cf.Ratings, weights: Any, seed: int = 0) -> list[tuple[Any, Any]]:
    """Folds whose test ratings are those of little noise."""
    good = np.flatnonzero(weights > 1)
    parts = np.array_split(np.random.default_rng(seed).permutation(good), 3)
    return [(np.setdiff1d(np.arange(len(ratings)), held), np.sort(held)) for held in parts]


def test_folds_are_fitted_with_their_weights() -> None:
    ratings, weights = rated()
    cv = parted(ratings, weights)
    plain = cf.selection.cross_validate(cf.ALS(**PARAMS), ratings, cv)
    found = cf.selection.cross_validate(cf.ALS(**PARAMS), ratings, cv, weights=weights)
    assert found.mean("rmse") < 0.8 * plain.mean("rmse")
    train, test = cv[0]
    model = cf.ALS(**PARAMS).fit(ratings.subset(train), weights=weights[train])
    part = ratings.subset(test)
    assert found["rmse"][0] == pytest.approx(cf.metrics.rmse(part.values, model.predict(part)), rel=1e-12)
    # Pairs of other vocabularies find theirs by ids.
    pairs = [
        (cf.Ratings(ratings.users[one], ratings.items[one], ratings.values[one], scale=ratings.scale),
         ratings.subset(other)) for one, other in cv
    ]  # fmt: skip
    again = cf.selection.cross_validate(cf.ALS(**PARAMS), ratings, pairs, weights=weights)
    np.testing.assert_allclose(again["rmse"], found["rmse"], rtol=1e-3)


def test_weights_that_folds_cannot_use_are_refused() -> None:
    ratings, weights = rated()
    with pytest.raises(TypeError, match=r"SVD\.fit takes no weights; ALS and BayesianSVD do"):
        cf.selection.cross_validate(cf.SVD(), ratings, weights=weights)
    with pytest.raises(cf.DataError, match=r"weights must be of shape \(1200,\)"):
        cf.selection.cross_validate(cf.ALS(), ratings, weights=weights[1:])
    other = cf.Ratings([1, 2], [999, 999], [3.0, 4.0])
    with pytest.raises(cf.DataError, match="none for the rating of item 999 by user 1, which a fold has"):
        cf.selection.cross_validate(cf.ALS(), ratings, [(other, other)], weights=weights)
    with pytest.raises(ValueError, match="weights are those of the argument ratings"):
        cf.selection.cross_validate(cf.ALS(), None, [(other, other)], weights=weights)


def test_a_search_fits_by_weights(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    ratings, weights = rated()
    cv, space = parted(ratings, weights), {"reg": [0.5, 5.0]}
    options: dict[str, Any] = {"cv": cv, "budget": 2, "random_state": 0}
    plain = cf.selection.search(cf.ALS(**PARAMS), ratings, space, **options)
    study = tmp_path / "study.db"
    found = cf.selection.search(cf.ALS(**PARAMS), ratings, space, weights=weights, study=study, **options)
    assert found.value < 0.9 * plain.value
    expected = cf.ALS(**{**PARAMS, **found.params}).fit(ratings, weights=weights)
    np.testing.assert_array_equal(found.model.predict(ratings), expected.predict(ratings))
    with pytest.raises(ValueError, match="weights"):
        cf.selection.search(cf.ALS(**PARAMS), ratings, space, study=study, **options)


# ---------------------------------------------------------------------- commands


@pytest.fixture
def file(tmp_path: Path) -> Path:
    ratings, weights = rated()
    path = tmp_path / "ratings.csv"
    rows = zip(ratings.users, ratings.items, ratings.values, weights, strict=True)
    lines = [f"{user},{item},{value:.6f},{weight}" for user, item, value, weight in rows]
    path.write_text("\n".join(["user,item,rating,confidence", *lines]) + "\n")
    return path


SET = ("--set", "n_factors=2", "--set", "n_epochs=5", "-m", "als")


def test_commands_take_a_column_of_weights(file: Path, tmp_path: Path) -> None:
    done = run("fit", file, "-o", tmp_path / "m", "--weights", "confidence", *SET)
    assert done.returncode == 0, done.stderr
    ratings, weights = cf.Ratings.read(file), rated()[1]
    model = cf.ALS(n_factors=2, n_epochs=5, random_state=0).fit(ratings, weights=weights)
    loaded: Any = cf.load(tmp_path / "m")
    np.testing.assert_allclose(loaded.predict(ratings), model.predict(ratings), rtol=1e-6)
    # A part of the ratings has its weights.
    done = run("fit", file, "-o", tmp_path / "p", "--weights", 3, "--validation", 0.2, *SET)
    assert done.returncode == 0, done.stderr
    part: Any = cf.load(tmp_path / "p")
    assert set(np.round(part.seen_weights_, 2).tolist()) == {5.0, np.float32(0.05).round(2).item()}
    assert len(part.seen_weights_) == 960


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ml-100k", "--weights", "x", *SET), "ml-100k is a data set, which has no weights"),
        (("-", "--weights", "x", *SET), "standard input is read once"),
        (("FILE", "--weights", "nothing", *SET), "nothing"),
        (("FILE", "--weights", "confidence", "-m", "svd"), "SVD takes no weights; als and bayesian-svd do"),
        (("FILE", "--weights", "confidence", "--duplicates", "mean", *SET), "has no weight of its own"),
    ],
)
def test_columns_that_are_no_weights(
    file: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    given = [str(file) if one == "FILE" else one for one in arguments]
    data = "1,1,3\n2,1,4\n" if given[0] == "-" else None
    done = run("fit", *given, "-o", tmp_path / "m", stdin=data)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert not (tmp_path / "m").exists()
