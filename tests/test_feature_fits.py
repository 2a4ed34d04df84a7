"""Features through all that fits models: files, cross-validation, search, blends, the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data.feature_files import read_columns
from tests.conftest import run_inside as run

FEW: dict[str, Any] = {"n_factors": 2, "n_samples": 20, "burn_in": 10, "random_state": 0, "n_threads": 1}


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.choice(60 * 40, 900, replace=False), 40)
    values = 3 + 0.9 * (users % 2) - 0.9 * (items % 2) + rng.normal(0, 0.3, 900)
    return cf.Ratings(users, items, values)


def table(kind: str, n: int) -> dict[str, Any]:
    odd = ["yes" if at % 2 else "no" for at in range(n)]
    return {kind: np.arange(n), "odd": odd, "size": np.arange(n) % 7}


SIDES = {"user_features": table("user", 60), "item_features": table("item", 40)}


def write(path: Path, columns: dict[str, Any], separator: str = ",") -> Path:
    rows = [tuple(columns), *zip(*columns.values(), strict=True)]
    path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows))
    return path


def test_files_are_read_as_tables(tmp_path: Path, ratings: cf.Ratings) -> None:
    import pandas as pd

    for separator in ",;\t|":
        path = write(tmp_path / "users.csv", SIDES["user_features"], separator)
        found = cf.Features(path)
        assert (found.to_scipy() != cf.Features(SIDES["user_features"]).to_scipy()).nnz == 0
    pd.DataFrame(SIDES["user_features"]).to_parquet(tmp_path / "users.parquet")
    assert cf.Features(tmp_path / "users.parquet").names == ("odd=no", "odd=yes", "size")
    (tmp_path / "mixed.csv").write_text('user,zip,age,job\n1,01234,,"a, b"\n2,10001,3.5,\n')
    columns = read_columns(tmp_path / "mixed.csv")
    assert columns["zip"] == ["01234", "10001"]
    assert columns["job"] == ["a, b", None]
    np.testing.assert_array_equal(columns["age"], [np.nan, 3.5])
    for text, message in (
        ("user,a\n1,2\n3\n", "row 1 has 1 fields, and there are 2 names"),
        ("user,user\n1,2\n", "'user' is there more than once"),
        ("user,a\n", "a line of names and a row or more"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(cf.DataError, match=message):
            cf.Features(tmp_path / "bad.csv")
    with pytest.raises(FileNotFoundError):
        cf.BayesianSVD(**FEW).fit(ratings, user_features=tmp_path / "none.csv")


def test_cross_validation_and_search(ratings: cf.Ratings) -> None:
    train = ratings.subset(ratings.users < 50)
    cold = [(train, ratings.subset(ratings.users >= 50))]
    model = cf.BayesianSVD(**FEW)
    without, found = (cf.selection.cross_validate(model, cv=cold, **side) for side in ({}, SIDES))
    assert found.mean("rmse") < 0.8 * without.mean("rmse")
    assert found["n_unknown"].tolist() == [0]
    space = {"n_factors": [1, 2]}
    result = cf.selection.search(cf.BayesianSVD(**FEW), ratings, space, budget=2, cv=2, **SIDES)
    assert result.model.user_feature_names_ == ("odd=no", "odd=yes", "size")
    with pytest.raises(TypeError, match="SVD takes no features, leave out user_features= and item_"):
        cf.selection.cross_validate(cf.SVD(), ratings, **SIDES)


def test_blends_give_features_to_members_that_take_them(ratings: cf.Ratings) -> None:
    blend = cf.Blend([cf.Baseline(), cf.BayesianSVD(**FEW)], cv=2, random_state=0).fit(ratings, **SIDES)
    assert blend.members_[1].user_feature_names_ == ("odd=no", "odd=yes", "size")
    with pytest.raises(TypeError, match="takes no features"):
        cf.Blend([cf.Baseline(), cf.SVD()]).fit(ratings, **SIDES)


def test_the_command_line(tmp_path: Path, ratings: cf.Ratings) -> None:
    data = write(tmp_path / "r.csv", {"user": ratings.users, "item": ratings.items, "rating": ratings.values})
    users = write(tmp_path / "users.csv", SIDES["user_features"])
    items = write(tmp_path / "items.csv", SIDES["item_features"])
    out = tmp_path / "m.cf"
    few = [f"--set={name}={FEW[name]}" for name in ("n_factors", "n_samples", "burn_in")]
    both = ["--user-features", str(users), "--item-features", str(items)]
    done = run("fit", data, "-o", out, "-m", "bayesian-svd", *few, *both)
    assert done.returncode == 0, done.stderr
    assert cf.load(out).item_feature_names_ == ("odd=no", "odd=yes", "size")
    (tmp_path / "pairs.csv").write_text("user,item\n900,3\n901,3\n")
    new = write(tmp_path / "new.csv", {"user": [900, 901], "odd": ["yes", "no"], "size": [1, 1]})
    done = run("predict", out, tmp_path / "pairs.csv", "--user-features", new)
    assert done.returncode == 0, done.stderr
    odd, even = (float(row.split(",")[2]) for row in done.stdout.split()[1:])
    assert odd - even > 0.8
    done = run("recommend", out, "900", "--user-features", new)
    assert done.returncode == 0, done.stderr
    done = run("fit", data, "-o", out, "-m", "svd", *both)
    assert done.returncode == 2
    assert "SVD takes no features, leave out --user-features FILE and --item-features FILE" in done.stderr
