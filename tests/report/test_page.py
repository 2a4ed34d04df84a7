"""The page of a report: what it says, and that it says the same as the library's functions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import cfcore as cf
from cfcore.report import write_report
from tests.conftest import run_inside


@pytest.fixture(scope="module")
def split() -> tuple[cf.Ratings, cf.Ratings]:
    ratings = cf.datasets.synthetic(n_users=120, n_items=60, n_ratings=3_000, random_state=0)
    return cf.split.holdout(ratings, 0.2, random_state=0)


def charts(text: str) -> list[dict]:
    """Specifications of the charts of a page."""
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def test_errors_are_those_of_evaluate_and_the_page_needs_no_network(
    split: tuple[cf.Ratings, cf.Ratings], tmp_path: Path
) -> None:
    train, test = split
    models = {"knn": cf.ItemKNN().fit(train), "<b>svd": cf.SVD(n_epochs=3, random_state=0).fit(train)}
    path = tmp_path / "page.html"
    write_report(path, models, test, train, title="Two & two")
    text = path.read_text("utf-8")
    assert len(text) < 4_000_000
    for model in models.values():
        assert f"<td>{cf.metrics.evaluate(model, test)['rmse']:.4f}</td>" in text
    assert "Two &amp; two" in text
    assert "&lt;b&gt;svd" in text
    assert "<b>svd" not in text.replace('"<b>svd"', "")  # names are text, also within the data of charts
    before_library = text[: text.index('<script type="module">')]
    assert not re.findall(r"(?:src|href)=[\"\']?https?:", before_library)


def test_lists_are_compared_with_popularity(split: tuple[cf.Ratings, cf.Ratings], tmp_path: Path) -> None:
    train, test = split
    model = cf.EASE().fit(train)
    write_report(tmp_path / "page.html", model, test, train)
    (spec,) = [
        one
        for one in charts((tmp_path / "page.html").read_text("utf-8"))
        if "nDCG" in json.dumps(one.get("encoding", one))
    ]
    rows = spec["data"]["values"]
    wanted = cf.metrics.evaluate(model, test, ["ndcg@10"], by="preference")
    found = {row["model"]: row["nDCG"] for row in rows if row["length"] == 10}
    assert found["EASE"] == pytest.approx(wanted["ndcg@10"])
    assert found["popularity"] == pytest.approx(wanted.popularity["ndcg@10"])


def test_examples_name_items(split: tuple[cf.Ratings, cf.Ratings], tmp_path: Path) -> None:
    train, test = split
    model = cf.ItemKNN().fit(train)
    names = {int(item): f"film {item}" for item in train.item_ids}
    write_report(tmp_path / "page.html", model, test, item_names=names)
    text = (tmp_path / "page.html").read_text("utf-8")
    users = re.findall(r"<h3>User (\d+), ([\d,]+) ratings</h3>", text)
    assert len(users) == 5
    for user, count in users:
        assert int(count.replace(",", "")) == np.count_nonzero(train.users == int(user))
    listed = re.findall(r"<h4>Recommended</h4><ol><li>(film \d+)<", text)
    for (user, _), first in zip(users, listed, strict=True):
        assert first == f"film {model.recommend(int(user), n=1, by='preference')[0][0]}"


def test_a_model_without_training_ratings_asks_for_them(
    split: tuple[cf.Ratings, cf.Ratings], tmp_path: Path
) -> None:
    train, test = split
    fitted = cf.SVD(n_epochs=1, random_state=0).fit(train)
    model = cf.SVD().with_parameters(
        user_factors=fitted.user_factors_, item_factors=fitted.item_factors_, user_bias=fitted.user_bias_,
        item_bias=fitted.item_bias_, mean=fitted.mean_, user_ids=fitted.user_ids_, item_ids=fitted.item_ids_,
        scale=fitted.scale_,
    )  # fmt: skip
    assert model.seen_values_ is None
    with pytest.raises(cf.DataError, match=r"write_report\(path, model, test, train\)"):
        write_report(tmp_path / "page.html", model, test)
    assert not (tmp_path / "page.html").exists()
    write_report(tmp_path / "page.html", model, test, train)


def test_commands_write_pages(tmp_path: Path) -> None:
    data, page, model = tmp_path / "ratings.csv", tmp_path / "page.html", tmp_path / "svd.cf"
    ratings = cf.datasets.synthetic(n_users=80, n_items=50, n_ratings=1_500, random_state=0)
    rows = zip(ratings.users, ratings.items, ratings.values, strict=True)
    data.write_text("user,item,rating\n" + "".join(f"{u},{i},{r:g}\n" for u, i, r in rows))
    names = tmp_path / "names.csv"
    names.write_text("item,title\n" + "".join(f'{item},"Film {item}"\n' for item in ratings.item_ids))
    command = [
        "--no-reference",
        "--no-peers",
        "--models",
        "baseline,svd",
        "--html",
        page,
        "--item-names",
        names,
    ]
    done = run_inside("compare", data, *command)
    assert done.returncode == 0, done.stderr
    text = page.read_text("utf-8")
    assert "Baseline" in text
    assert '<th scope="col" aria-sort=none><button type="button">fit s</button></th>' in text
    assert ">Film " in text
    assert run_inside("fit", data, "-m", "svd", "-o", model).returncode == 0
    done = run_inside("report", model, data, "--html", tmp_path / "one.html")
    assert done.returncode == 0, done.stderr
    assert "svd.cf" in (tmp_path / "one.html").read_text("utf-8")
