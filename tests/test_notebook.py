"""What notebooks show of models, ratings, tables, metrics and pictures."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import cfcore as cf
from cfcore.registry import BY_NAME
from tests.notebook import shown

RATINGS = cf.datasets.synthetic(60, 40, 900, random_state=0)


def texts(html: str) -> list[str]:
    """Texts of all elements; the HTML is well formed."""
    return [text.strip() for text in ElementTree.fromstring(html).itertext() if text.strip()]


def test_ratings_show_first_rows_and_facts() -> None:
    found = texts(shown(RATINGS))
    assert found[0] == repr(RATINGS)
    assert found[1:5] == ["user", "item", "rating", "timestamp"]
    first = [RATINGS.users[0], RATINGS.items[0], RATINGS.values[0], RATINGS.timestamps[0]]  # type: ignore[index]
    assert [float(text) for text in found[5:9]] == [float(value) for value in first]
    assert found[-1] == "..."
    small = cf.Ratings(["<b>&", "x" * 500], ["é", "'\""], [1.5, 2.0])
    found = texts(shown(small))
    assert {"<b>&", "é", "'\"", "1.5"} <= set(found)
    assert max(len(text) for text in found[1:]) <= 60
    assert "..." not in found


@pytest.mark.parametrize("name", BY_NAME)
def test_models_show_parameters_and_facts(name: str) -> None:
    entry = BY_NAME[name]
    model = entry.load()(**entry.small)
    if name == "Blend":
        model.set_params(models=[cf.Baseline(), cf.SVD(n_factors=2, n_epochs=2)])
    found = texts(shown(model))
    assert found[0] == f"{name}, not fitted"
    for parameter, value in model.get_params(deep=False).items():
        given = found[found.index(parameter) + 1]
        assert given.removesuffix(" (default)") == repr(value)
        assert given.endswith("(default)") == (value == model.default_params()[parameter])
    found = texts(shown(model.fit(RATINGS)))
    assert found[:3] == [f"{name}, fitted", "training ratings", "900 by 60 users of 40 items"]
    if "n_epochs_" in dir(model) and model.history_.get("train_rmse"):
        kinds = ["train_rmse", *(["log_likelihood"] if name == "BayesianSVD" else [])]
        parts = [f"{kind} {model.history_[kind][-1]:.4f}" for kind in kinds]
        assert ", ".join([str(model.n_epochs_), *parts]) in found


def test_tables_show_what_they_print() -> None:
    table = cf.selection.cross_validate(cf.Baseline(), RATINGS, 3)
    assert texts(shown(table)) == repr(table).split()
    hostile = cf.selection.Table({"<i>": ["<script>alert(1)</script>"]})
    assert texts(shown(hostile)) == ["<i>", "<script>alert(1)</script>"]
    found = cf.metrics.evaluate(cf.Baseline().fit(RATINGS), RATINGS)
    assert texts(shown(found)) == ["900 ratings", "metric", "value", "rmse", f"{found['rmse']:.4f}", "mae",
                                   f"{found['mae']:.4f}"]  # fmt: skip


def test_decimals_are_aligned_and_those_that_mean_something() -> None:
    rng = np.random.default_rng(0)
    for spread, decimals in ((0.05, 3), (0.005, 4), (0.0005, 5)):
        # A standard error of about .014 needs three decimals, for two of its digits.
        values = 0.917 + spread * rng.standard_normal(10)
        lines = repr(cf.selection.Table({"fold": range(10), "rmse": values}, summary=True)).splitlines()
        assert {len(line.rpartition(".")[2]) for line in lines[1:]} == {decimals}
        assert len({len(line) for line in lines}) == 1
    table = cf.selection.Table(
        {"lr": [0.1, 0.00123456, 0.05], "x": [1.0, np.nan, 300.0], "seconds": [0.0123, 1, 45]}
    )
    rows = [line.split() for line in repr(table).splitlines()]
    assert rows == [
        ["lr", "x", "seconds"], ["0.10000", "1.00", "0.0"], ["0.00123", "nan", "1.0"],
        ["0.05000", "300.00", "45.0"],
    ]  # fmt: skip
    column = np.array([None, 0.01, 0.0025], dtype=object)
    assert repr(cf.selection.Table({"lr": column})).split() == ["lr", "0.01000", "0.00250"]
    tiny = repr(cf.selection.Table({"lr": [1e-12, 0.1]})).split()
    assert tiny == ["lr", "1.00e-12", "1.00e-01"]


def test_pictures_are_shown() -> None:
    pytest.importorskip("matplotlib")
    models: dict[str, Any] = {
        "one": cf.SVD(n_factors=2, n_epochs=2).fit(RATINGS), "other": cf.Baseline().fit(RATINGS),
    }  # fmt: skip
    for axes in (
        cf.plots.learning_curves(models), cf.plots.error_by(models, RATINGS),
        cf.plots.error_correlation(models, RATINGS), cf.plots.calibration(models, RATINGS),
    ):  # fmt: skip
        data, size = shown(axes, "png")
        assert data.startswith(b"\x89PNG")
        width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
        assert (abs(width - 2 * size["width"]) <= 1, abs(height - 2 * size["height"]) <= 1) == (True, True)


def test_axes_of_the_caller_are_returned() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots()
    assert cf.plots.learning_curves(cf.SVD(n_factors=2, n_epochs=2).fit(RATINGS), ax=axes) is axes
