"""Pictures can be read: names do not overlap and are beside their points, what is uncertain is drawn so."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import plots
from cfcore.plots.intervals import group_means

#: Rows of `cfcore compare` for ml-100k: model, seconds, RMSE.
COMPARED = [
    ("GlobalMean", 0.001, 1.1537), ("Baseline", 0.003, 0.9531), ("ItemKNN", 0.012, 0.9199),
    ("UserKNN", 0.005, 0.9273), ("SVD", 0.025, 0.9150), ("SVDpp", 0.049, 0.9030),
    ("TimeSVDpp", 0.087, 0.8984), ("AsymmetricSVD", 0.065, 0.9069), ("RBM", 0.933, 0.9071),
]  # fmt: skip
PEERS = [
    ("BaselineOnly", 0.022, 0.9599), ("KNNBaseline items", 0.376, 0.9359),
    ("KNNBaseline users", 0.117, 0.9335), ("SVD", 0.207, 0.9513), ("SVDpp", 9.253, 0.9330),
]  # fmt: skip


def rows(points: Any, **more: Any) -> list[dict[str, Any]]:
    key = "algorithm" if more else "model"
    return [{key: name, "fit_seconds": seconds, "rmse": rmse, **more} for name, seconds, rmse in points]


CASES = {
    "models": rows(COMPARED),
    "models and peers": rows(COMPARED) + rows(PEERS, library="scikit-surprise"),
    "one": rows(COMPARED[4:5]),
    "equal": rows([(f"Model {k}", 0.1, 0.9) for k in range(4)]),
    "long names in a row": rows(
        [(f"A long name of model {k}", 0.1 * 1.02**k, 0.9 + k / 1e3) for k in range(8)]
    ),
    "close": rows([(f"Model {k}", 0.1 * 1.01**k, 0.9 + 1e-5 * (k % 3)) for k in range(8)]),
    "far apart": rows([(f"Model {k}", 10.0 ** (k - 4), 0.9 * 1.5**k) for k in range(8)]),
}


@pytest.mark.parametrize("name", CASES)
def test_names_are_beside_their_points_and_nothing_else(name: str) -> None:
    ax = plots.time_against_rmse(CASES[name])
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    texts = list(ax.texts)
    points = ax.transData.transform([(row["fit_seconds"], row["rmse"]) for row in CASES[name]])
    for one, other in itertools.combinations(names_only(ax), 2):
        assert not (np.minimum(one[2:], other[2:]) > np.maximum(one[:2], other[:2])).all()
    for number, (text, box) in enumerate(zip(texts, names_only(ax), strict=True)):
        distances = np.linalg.norm(np.clip(points, box[:2], box[2:]) - points, axis=1)
        assert distances.min() > 2  # on no point
        joined = text.arrow_patch is not None  # type: ignore[attr-defined]
        assert joined or distances[number] <= distances.min()
        assert (box[:2] >= ax.bbox.extents[:2]).all()
        assert (box[2:] <= ax.bbox.extents[2:]).all()


def names_only(ax: Any) -> list[Any]:
    """Boxes of names, without the lines to their points."""
    from matplotlib.text import Text

    return [np.asarray(Text.get_window_extent(text).extents) for text in ax.texts]


def test_a_far_error_does_not_squeeze_the_others() -> None:
    ax = plots.time_against_rmse(CASES["models"])
    heights = ax.transAxes.inverted().transform(ax.transData.transform([(0.01, row[2]) for row in COMPARED]))[
        :, 1
    ]
    assert 0.86 < heights[0] < 1  # GlobalMean, above the break
    assert heights[1:].max() - heights[1:].min() > 0.6  # of the height: all others
    shown = [label.get_text() for label in ax.get_yticklabels()]
    assert "1.154" in shown
    unbroken = plots.time_against_rmse(CASES["far apart"])
    assert unbroken.get_yscale() == "linear"


@pytest.fixture(scope="module")
def split() -> tuple[cf.Ratings, cf.Ratings]:
    train, test = cf.datasets.load("ml-100k", split="u1")
    return train.subset(slice(None, None, 4)), test.subset(slice(None, None, 4))


@pytest.fixture(scope="module")
def curves(split: Any) -> dict[str, Any]:
    train, test = split
    return {
        f"SVD {k}": cf.SVD(n_factors=2 + k, n_epochs=4 + k, lr=0.02 * (1 + k), random_state=0).fit(
            train, validation=test, early_stopping=2
        )
        for k in range(8)
    }


def test_the_kept_epoch_is_marked_and_said(curves: Any) -> None:
    ax = plots.learning_curves(curves)
    marks = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert list(marks) == list(curves)
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert any(model.n_epochs_ < len(model.history_["train_rmse"]) for model in curves.values())
    for name, model in curves.items():
        (epoch,), (error,) = marks[name].get_data()
        assert (epoch, error) == (model.n_epochs_, min(model.history_["validation_rmse"]))
        assert f"{name}: epoch {epoch} of {len(model.history_['train_rmse'])}, {error:.4f}" in said


def test_eight_curves_can_be_told_apart(curves: Any) -> None:
    ax = plots.learning_curves(curves)
    marks = [line for line in ax.lines if not line.get_label().startswith("_")]
    looks = {(line.get_color(), line.get_marker()) for line in marks}
    assert len(looks) == len({line.get_marker() for line in marks}) == 8
    drawn = [line for line in ax.lines if len(line.get_xdata()) > 1]
    assert len(drawn) == 8  # training errors would squeeze those of validation
    assert len(plots.learning_curves(curves, training=True).lines) == 24
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    legend = ax.get_legend().get_window_extent()
    assert legend.x0 >= ax.bbox.x1  # beside the curves
    assert legend.x1 <= ax.figure.bbox.x1
    assert all(tick == int(tick) >= 1 for tick in ax.get_xticks())


def test_one_epoch_and_first_errors_that_are_huge(split: Any) -> None:
    train, _ = split
    one = plots.learning_curves(cf.SVD(n_factors=2, n_epochs=1, random_state=0).fit(train))
    assert list(one.get_xticks()) == [1]
    model = cf.SVD(n_factors=2, n_epochs=30, random_state=0).fit(train)
    model.history_["train_rmse"][0] = 40.0
    ax = plots.learning_curves(model)
    assert ax.get_ylim()[1] < 3


@pytest.mark.parametrize("by", ["activity", "popularity", "rating", "time"])
def test_errors_have_intervals_and_numbers_of_ratings(curves: Any, split: Any, by: str) -> None:
    _, test = split
    some = {name: curves[name] for name in ("SVD 1", "SVD 5")}
    ax = plots.error_by(some, test, by, n_bins=6)
    for bars, line in zip(intervals(ax), shown_lines(ax), strict=True):
        errors = np.asarray(line.get_ydata())
        assert len(bars) == len(errors)
        assert (bars[:, 0] <= errors).all()
        assert (errors <= bars[:, 1]).all()
        assert (bars[:, 1] > bars[:, 0]).all()
    assert sum(numbers(ax)) == len(test)
    assert not intervals(plots.error_by(some, test, by, n_bins=6, n_boot=0))
    narrow = intervals(plots.error_by(some, test, by, n_bins=6, level=0.5))[0]
    assert (np.diff(narrow) < np.diff(intervals(ax)[0])).all()


def test_intervals_are_those_of_the_bootstrap_by_users(curves: Any, split: Any) -> None:
    _, test = split
    model = curves["SVD 1"]
    ax = plots.error_by(model, test, "activity", n_bins=1)
    ((low, high),) = intervals(ax)[0]
    expected = cf.metrics.bootstrap(model, test, "rmse")["rmse"]
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-7)


def test_one_user_has_no_interval() -> None:
    values, groups, users = np.array([1.0, 2, 3, 4, 6]), np.array([0, 0, 1, 1, 1]), np.array([5, 5, 5, 7, 8])
    means, low, high = group_means(values, groups, users, 200, 0.9)
    assert means == pytest.approx([1.5, 13 / 3])
    assert np.isnan(low[0])
    assert np.isnan(high[0])
    assert low[1] < means[1] < high[1]
    for wrong in ({"n_boot": -1}, {"n_boot": 1.5}, {"level": 1}, {"level": "95%"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            plots.error_by(cf.GlobalMean().fit(([1], [1], [3])), ([1], [1], [3]), **wrong)  # type: ignore[arg-type]


def test_calibration_is_of_residuals_with_intervals(curves: Any, split: Any) -> None:
    _, test = split
    ax = plots.calibration(curves, test, n_bins=5)
    (line, *_), (bars, *_) = shown_lines(ax), intervals(ax)
    predictions = curves["SVD 0"].predict(test)
    lowest = predictions <= np.quantile(predictions, 0.2)
    residual = np.mean(test.values[lowest] - predictions[lowest])
    assert line.get_ydata()[0] == pytest.approx(residual, abs=2e-3)
    assert (bars[:, 0] <= line.get_ydata()).all()
    assert (line.get_ydata() <= bars[:, 1]).all()
    low, high = ax.get_ylim()
    assert high - low < 3 * (bars.max() - bars.min())  # the axis is that of residuals, not of the scale
    assert low < 0 < high
    strip = ax.child_axes[0]
    assert [sum(patch.get_data().values) for patch in strip.patches] == [len(test)] * 8
    assert all(bar.get_window_extent().y0 >= strip.get_window_extent().y1 for bar in shown_lines(ax))


def shown_lines(ax: Any) -> list[Any]:
    return [line for line in ax.lines if not line.get_label().startswith("_")]


def intervals(ax: Any) -> list[Any]:
    """Ends of the bars of each line, (n, 2)."""
    bars = [one for one in ax.collections if one.get_label() == "_intervals"]
    return [np.array([path[:, 1] for path in one.get_segments()]) for one in bars]


def numbers(ax: Any) -> list[float]:
    """Numbers of ratings, as drawn at the foot."""
    (bars,) = ax.child_axes[0].collections
    return [path[1, 1] for path in bars.get_segments()]
