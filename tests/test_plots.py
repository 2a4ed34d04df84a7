"""Pictures show the right numbers, and what cannot be drawn raises an error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import plots
from cfcore.errors import DataError, NotFittedError


@pytest.fixture(scope="module")
def split() -> tuple[cf.Ratings, cf.Ratings]:
    train, test = cf.datasets.load("ml-100k", split="u1")
    return train.subset(slice(None, None, 4)), test.subset(slice(None, None, 4))


@pytest.fixture(scope="module")
def models(split: tuple[cf.Ratings, cf.Ratings]) -> dict[str, Any]:
    train, test = split
    svd = cf.SVD(n_factors=4, n_epochs=6, random_state=0).fit(train, validation=test)
    return {"biases": cf.Baseline().fit(train), "factors": svd}


def lines(ax: Any) -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Labelled lines of axes, by label."""
    return {line.get_label(): line.get_data() for line in ax.lines if not line.get_label().startswith("_")}


def test_learning_curves_are_the_history(models: dict[str, Any]) -> None:
    ax = plots.learning_curves(models)
    drawn = [list(line.get_ydata()) for line in ax.lines]
    history = models["factors"].history_
    assert history["train_rmse"] in drawn
    assert history["validation_rmse"] in drawn
    (epoch,), (error,) = lines(ax)["factors"]
    assert (epoch, error) == (6, history["validation_rmse"][-1])
    assert ax.get_xlabel() == "epoch"


def test_learning_curves_without_epochs(split: Any) -> None:
    with pytest.raises(DataError, match="epochs"):
        plots.learning_curves(cf.GlobalMean().fit(split[0]))


@pytest.mark.parametrize("by", ["activity", "popularity", "rating", "time"])
def test_errors_of_groups_agree_with_the_error_of_all(models: dict[str, Any], split: Any, by: str) -> None:
    _, test = split
    ax = plots.error_by(models, test, by, n_bins=7)
    assert set(lines(ax)) == set(models)
    for name, model in models.items():
        errors = model.predict(test) - test.values
        where, rmses = lines(ax)[name]
        assert len(where) <= 7
        assert np.min(rmses) < np.sqrt(np.mean(errors**2)) < np.max(rmses)
    if by == "rating":
        where, rmses = lines(ax)["biases"]
        assert list(where) == [1, 2, 3, 4, 5]
        fives = test.values == 5
        expected = cf.metrics.rmse(test.values[fives], models["biases"].predict(test)[fives])
        assert rmses[-1] == pytest.approx(expected)


def test_error_by_activity_counts_training_ratings() -> None:
    train = cf.Ratings([1, 1, 1, 2], [1, 2, 3, 1], [5.0, 4.0, 3.0, 2.0])
    model = cf.GlobalMean().fit(train)
    ax = plots.error_by(model, ([1, 2, 3], [1, 1, 1], [3.5, 2.5, 0.5]), "activity")
    where, rmses = lines(ax)["GlobalMean"]
    assert list(where) == [0, 1, 3]  # user 3 has none
    assert rmses == pytest.approx([3.0, 1.0, 0.0])  # the mean is 3.5


def test_error_by_refuses(models: dict[str, Any], split: Any) -> None:
    _, test = split
    with pytest.raises(ValueError, match="by must be one of"):
        plots.error_by(models, test, "genre")
    with pytest.raises(ValueError, match="n_bins"):
        plots.error_by(models, test, n_bins=0)
    with pytest.raises(DataError, match="timestamps"):
        plots.error_by(models, (test.users, test.items, test.values), "time")


def test_calibration_of_a_perfect_model_is_zero(split: Any) -> None:
    _, test = split

    class Oracle(cf.GlobalMean):
        def predict(self, users: Any, items: Any = None, timestamps: Any = None) -> Any:
            return test.values.astype(np.float64)

    ax = plots.calibration({"oracle": Oracle().fit(test)}, test)
    predicted, residuals = lines(ax)["oracle"]
    assert residuals == pytest.approx(np.zeros(len(predicted)), abs=1e-12)
    assert len(predicted) > 2


def test_correlations_are_those_of_the_errors(models: dict[str, Any], split: Any) -> None:
    _, test = split
    ax = plots.error_correlation(models, test)
    errors = [model.predict(test) - test.values for model in models.values()]
    expected = np.corrcoef(errors)[0, 1]
    assert np.asarray(ax.images[0].get_array())[0, 1] == pytest.approx(expected)
    assert 0.995 < expected < 0.9995  # with two digits it would be 1.00
    assert [text.get_text() for text in ax.texts].count(f"{expected:.3f}") == 2
    other = {**models, "mean": cf.GlobalMean().fit(split[0])}
    apart = plots.error_correlation({"mean": other["mean"], "factors": other["factors"]}, test)
    errors[0] = other["mean"].predict(test) - test.values
    assert f"{np.corrcoef(errors)[0, 1]:.2f}" in [text.get_text() for text in apart.texts]
    assert ax.get_yticklabels()[0].get_text().startswith("biases\n")
    with pytest.raises(ValueError, match="two models"):
        plots.error_correlation(models["biases"], test)


def test_time_against_rmse_draws_models_and_peers() -> None:
    rows = [
        SimpleNamespace(model="SVD", fit_seconds=0.03, rmse=0.91),
        {"model": "broken", "fit_seconds": None, "rmse": None},
        {"library": "scikit-surprise", "algorithm": "SVD", "fit_seconds": 0.3, "rmse": 0.95},
    ]
    ax = plots.time_against_rmse(rows)
    assert [text.get_text() for text in ax.texts] == ["SVD", "SVD"]
    assert [tuple(line.get_xydata()[0]) for line in ax.lines] == [(0.03, 0.91), (0.3, 0.95)]
    assert [line.get_markerfacecolor() for line in ax.lines][1] == "white"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cfcore", "scikit-surprise"]
    assert ax.get_xscale() == "log"
    with pytest.raises(DataError, match="no row"):
        plots.time_against_rmse([{"model": "broken", "fit_seconds": None, "rmse": None}])


def test_names_of_near_points_do_not_overlap() -> None:
    rows = [
        {"model": f"Model number {k}", "fit_seconds": 0.1 * 1.02**k, "rmse": 0.9 + 0.001 * k}
        for k in range(6)
    ]
    ax = plots.time_against_rmse([*rows, {"model": "far", "fit_seconds": 10.0, "rmse": 1.1}])
    boxes = [text.get_window_extent() for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == [*(row["model"] for row in rows), "far"]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])
        assert ax.bbox.x0 <= box.x0 < box.x1 <= ax.bbox.x1
    from matplotlib.figure import Figure

    inner = Figure().subfigures(1, 2)[0].subplots()
    assert plots.time_against_rmse(rows, ax=inner) is inner


def test_names_axes_and_state(models: dict[str, Any], split: Any, tmp_path: Any) -> None:
    from matplotlib.figure import Figure

    _, test = split
    own = Figure().subplots()
    assert plots.calibration([models["biases"], models["biases"]], test, ax=own) is own
    assert set(lines(own)) == {"Baseline 1", "Baseline 2"}
    own.figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(NotFittedError):
        plots.calibration(cf.SVD(), test)
    with pytest.raises(ValueError, match="no models"):
        plots.calibration([], test)


def test_what_cannot_be_drawn_is_refused(models: dict[str, Any], split: Any) -> None:
    for wrong in (None, "SVD", {"svd": cf.SVD}, ["SVD"], {"none": None}):
        for plot in (plots.calibration, plots.error_by, plots.error_correlation):
            with pytest.raises(TypeError, match=r"^models"):
                plot(wrong, split[1])
    with pytest.raises(DataError, match="on 1 test ratings are all equal"):
        plots.error_correlation(models, split[1].subset([0]))
