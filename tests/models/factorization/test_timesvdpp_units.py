"""Units of timestamps in TimeSVDpp, and predictions without timestamps."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.errors import DataWarning

FIRST = 870_000_000  # July 1997


def ratings(factor: int = 1, seed: int = 0) -> cf.Ratings:
    """Ratings over 200 days; equal but for the unit of their timestamps."""
    made = cf.datasets.synthetic(40, 30, 500, random_state=seed)
    seconds = FIRST + np.random.default_rng(seed).integers(0, 200 * 86_400, len(made))
    return made.with_timestamps(seconds * factor)


def model(**params: Any) -> cf.TimeSVDpp:
    return cf.TimeSVDpp(n_factors=4, n_epochs=3, random_state=0, **params)


@pytest.fixture(scope="module")
def in_seconds() -> cf.TimeSVDpp:
    return model().fit(ratings())


UNITS = pytest.mark.parametrize(
    ("factor", "name"), [(10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")]
)


@UNITS
def test_any_unit_gives_the_same_model(
    in_seconds: cf.TimeSVDpp, factor: int, name: str, tmp_path: Path
) -> None:
    data = ratings(factor)
    with pytest.warns(DataWarning, match=f"timestamps are read as {name} since 1970"):
        other = model().fit(data, validation=data)
    assert other.time_unit_ == factor
    np.testing.assert_array_equal(other.predict(data), in_seconds.predict(ratings()))
    assert cf.metrics.evaluate(other, data) == cf.metrics.evaluate(in_seconds, ratings())
    other.save(tmp_path / "model.cf")
    for copied in (cf.load(tmp_path / "model.cf"), pickle.loads(pickle.dumps(other))):
        np.testing.assert_array_equal(copied.predict(data), other.predict(data))
        with pytest.raises(cf.DataError, match=name):
            copied.predict(ratings())


@UNITS
def test_another_unit_than_in_training_is_refused(in_seconds: cf.TimeSVDpp, factor: int, name: str) -> None:
    data = ratings(factor)
    for call in (
        lambda: in_seconds.predict(data),
        lambda: in_seconds.predict(data.users, data.items, data.timestamps),
        lambda: in_seconds.predict(data.users[0], data.items[0], FIRST * factor),
        lambda: cf.metrics.evaluate(in_seconds, data),
        lambda: model().fit(ratings(), validation=data),
        lambda: pickle.loads(pickle.dumps(in_seconds)).partial_fit(data),
        lambda: pickle.loads(pickle.dumps(in_seconds)).fold_in(data),
    ):
        with pytest.raises(cf.DataError, match=rf"{name} since 1970, and .* training are seconds"):
            call()


@UNITS
def test_later_ratings_have_the_unit_of_training(factor: int, name: str) -> None:
    with pytest.warns(DataWarning, match=name):
        other = model().fit(ratings(factor))
    later, expected = ratings(factor, seed=1), model().fit(ratings())
    other.fold_in(later, unknown_items="ignore")
    expected.fold_in(ratings(seed=1), unknown_items="ignore")
    np.testing.assert_array_equal(other.predict(later), expected.predict(ratings(seed=1)))
    other.partial_fit(later, 1)
    expected.partial_fit(ratings(seed=1), 1)
    np.testing.assert_array_equal(other.predict(later), expected.predict(ratings(seed=1)))


def test_seconds_are_read_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit(ratings()).predict(ratings())


def test_numbers_of_days_are_mentioned() -> None:
    days = ratings().with_timestamps(np.arange(500) + 10_000)
    with pytest.warns(DataWarning, match=r"from 10000 to 10499 are read as seconds .* factor of 86400"):
        model().fit(days)


def test_a_test_set_without_times_is_mentioned(in_seconds: cf.TimeSVDpp) -> None:
    pandas = pytest.importorskip("pandas")
    data = ratings()
    frame = data.to_frame("pandas")
    unnamed = frame.rename(columns={"timestamp": "when"})
    assert isinstance(unnamed, pandas.DataFrame)
    for call in (
        lambda: in_seconds.predict(data.with_timestamps(None)),
        lambda: in_seconds.predict(unnamed),
        lambda: in_seconds.predict(data.users, data.items),
        lambda: cf.metrics.evaluate(in_seconds, unnamed),
        lambda: cf.metrics.evaluate(in_seconds, data.to_scipy()),
    ):
        with pytest.warns(
            DataWarning, match="no timestamps, so that predictions are for the mean date"
        ) as warned:
            call()
        said = [one for one in warned if "pairs that the model was fitted on" not in str(one.message)]
        assert len(said) == 1
        assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = in_seconds.predict(data.users, data.items, timestamps=False)
        np.testing.assert_array_equal(in_seconds.predict(frame, timestamps=False), expected)
        np.testing.assert_array_equal(in_seconds.predict(data, timestamps=False), expected)
        in_seconds.predict(data.users[0], data.items[0])
        in_seconds.recommend(data.users[:3])


def test_times_that_cannot_be_read(in_seconds: cf.TimeSVDpp) -> None:
    """A model of times needs them; other models, and blends of those, leave them alone."""
    pandas = pytest.importorskip("pandas")
    data = ratings()
    frame = data.to_frame("pandas").rename(columns={"timestamp": "date"})
    for bad in ("05 23, 2014", None, pandas.NaT, float("nan"), 2.5, True, "soon"):
        column = frame["date"].astype(object)
        column[3] = bad
        given = frame.assign(date=column)
        others = [
            cf.Baseline(),
            cf.SVD(n_factors=2, n_epochs=2, random_state=0),
            cf.Blend([cf.Baseline()], cv=2),
        ]
        for other in others:
            other.fit(given, validation=given)
            np.testing.assert_array_equal(other.predict(given), other.predict(frame))
            cf.metrics.evaluate(other, given)
            cf.metrics.evaluate(other, given, "novelty")
            other.predict(given["user"], given["item"], given["date"])
        cf.selection.cross_validate(cf.Baseline(), given, cv=2)
        others[0].recommend(data.users[0], exclude=given)
        others[1].partial_fit(given)
        for needs in (model(), cf.Blend([cf.Baseline(), model()], cv=2)):
            with pytest.raises(cf.DataError, match=r"column 'date': .* row 3"):
                needs.fit(given)
        with pytest.raises(cf.DataError, match=r"column 'date': .* row 3"):
            in_seconds.predict(given)
