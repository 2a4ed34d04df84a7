"""``cfcore explain``: the rows of `Model.explain`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import cfcore as cf
from tests.conftest import run_inside as run
from tests.contents import csv_rows as rows

RATINGS = cf.datasets.synthetic(40, 30, 500, random_state=0)
USER, ITEMS = RATINGS.users[0].item(), RATINGS.item_ids[:2].tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("models")
    cf.SVDpp(n_factors=3, n_epochs=3, random_state=0).fit(RATINGS).save(made / "svdpp.cf")
    cf.EASE().fit(RATINGS).save(made / "ease.cf")
    cf.Baseline().fit(RATINGS).with_parameters(seen_values=None).save(made / "old.cf")
    (made / "mine.csv").write_text(f"user,item,rating\n7777,{ITEMS[0]},5\n7777,{RATINGS.item_ids[5]},1\n")
    return made


def same(found: list[dict[str, Any]], explained: list[Any]) -> None:
    expected = []
    for one in explained:
        columns = (column.tolist() for column in (one.items, one.ratings, one.effects))
        for rank, (rated, rating, effect) in enumerate(zip(*columns, strict=True), start=1):
            row = {"user": one.user, "item": one.item, "rank": rank, "rated_item": rated}
            expected.append(row | {"rating": rating, "effect": effect})
    assert len(found) == len(expected) > 0
    for row, wanted in zip(found, expected, strict=True):
        assert list(row) == list(wanted)
        assert {name: float(value) for name, value in row.items()} == pytest.approx(wanted, rel=1e-5)


def test_rows_are_those_of_explain(folder: Path, tmp_path: Path) -> None:
    model: Any = cf.load(folder / "svdpp.cf")
    done = run("explain", folder / "svdpp.cf", USER, *ITEMS, "-n", 3)
    assert done.returncode == 0, done.stderr
    explained = model.explain(USER, ITEMS, 3)
    same(rows(done.stdout), explained)
    for one in explained:
        assert one.summary() in done.stderr
    everything = run("explain", folder / "svdpp.cf", USER, ITEMS[0], "-n", 0, "--json")
    same([json.loads(line) for line in everything.stdout.splitlines()], model.explain(USER, ITEMS[:1], None))
    left_out = run(
        "explain", folder / "svdpp.cf", USER, ITEMS[0], "--leave-one-out", "-o", tmp_path / "x.csv"
    )
    assert left_out.stdout == ""
    same(rows((tmp_path / "x.csv").read_text()), model.explain(USER, ITEMS[:1], leave_one_out=True))


def test_what_is_explained_is_what_lists_are_ranked_by(folder: Path) -> None:
    model: Any = cf.load(folder / "ease.cf")
    same(rows(run("explain", folder / "ease.cf", USER, *ITEMS).stdout), model.explain(USER, ITEMS))
    by_rating = run("explain", folder / "ease.cf", USER, *ITEMS, "--by", "rating")
    same(rows(by_rating.stdout), model.explain(USER, ITEMS, by="rating"))


def test_ratings_may_be_given(folder: Path) -> None:
    model: Any = cf.load(folder / "old.cf")
    done = run("explain", folder / "old.cf", 7777, ITEMS[1], "--given", folder / "mine.csv")
    assert done.returncode == 0, done.stderr
    same(rows(done.stdout), [model.explain(7777, ITEMS[1], given=cf.Ratings.read(folder / "mine.csv"))])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["svdpp.cf", 7777, ITEMS[0]], 1, "user 7777 has no training ratings; .*: --given FILE"),
        (["old.cf", USER, ITEMS[0]], 1, "keeps no ratings of user .*: --given FILE"),
        (["svdpp.cf", USER, 99_999], 1, "item 99999 has no training ratings"),
        (["svdpp.cf", USER, ITEMS[0], "--by", "taste"], 2, "--by must be one of"),
        (["svdpp.cf", "ann", ITEMS[0]], 1, "user: 'ann' is no integer"),
        (["svdpp.cf", USER], 2, "ITEM"),
        (["svdpp.cf", 1, ITEMS[0], "--given", "mine.csv"], 1, "--given FILE has no ratings of user 1 "),
    ],
)
def test_mistakes(folder: Path, words: list[Any], code: int, message: str) -> None:
    paths = [folder / word if str(word).endswith((".cf", ".csv")) else word for word in words]
    done = run("explain", *paths)
    assert done.returncode == code, done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert done.stdout == ""
