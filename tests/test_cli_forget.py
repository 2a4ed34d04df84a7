"""``cfcore forget``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import cfcore as cf
from tests.conftest import run_inside as run

RATINGS = ([1, 1, 2, 2, 3, 3], [10, 20, 10, 30, 20, 30], [5, 4, 3, 2, 4, 1])


def test_users_are_removed_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.cf"
    cf.SVD(n_factors=2, n_epochs=2, random_state=0).fit(RATINGS).save(path)
    before = cf.load(path)
    result = run("forget", path, 2, "--out", path)
    assert result.returncode == 0, result.stderr
    assert "1 of 3 users forgotten" in result.stdout + result.stderr
    after = cf.load(path)
    assert after.user_ids_.tolist() == [1, 3]
    np.testing.assert_array_equal(after.predict([1, 3], 10), before.predict([1, 3], 10))


def test_unknown_users_are_named(tmp_path: Path) -> None:
    path, listed = tmp_path / "m.cf", tmp_path / "users.txt"
    cf.Baseline().fit(RATINGS).save(path)
    listed.write_text("3\n7\n")
    result = run("forget", path, "--users", listed, "--out", tmp_path / "rest.cf")
    assert result.returncode != 0
    assert "1 of the users are not in the model: 7; --ignore-unknown" in result.stdout + result.stderr
    result = run("forget", path, "--users", listed, "--out", tmp_path / "rest.cf", "--ignore-unknown")
    assert result.returncode == 0, result.stderr
    assert cf.load(tmp_path / "rest.cf").user_ids_.tolist() == [1, 2]
    assert cf.load(path).user_ids_.tolist() == [1, 2, 3]
    result = run("forget", path, 1, 2, 3, "--out", tmp_path / "none.cf")
    assert "no user would remain" in result.stdout + result.stderr
