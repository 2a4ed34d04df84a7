from __future__ import annotations

import numpy as np

import cfcore as cf


def test_the_mean_is_summed_in_double() -> None:
    n = 100_000
    values = np.full(n, 3.1, dtype=np.float32)
    model = cf.GlobalMean().fit((np.arange(n), np.zeros(n, dtype=int), values))
    assert model.mean_ == float(np.float32(3.1))
    assert model.predict(3, 0) == model.predict(-1, -1) == model.mean_


def test_recommends_the_most_rated() -> None:
    users, items = [1, 2, 3, 1, 2, 3], [10, 10, 10, 20, 20, 30]
    ids, scores = cf.GlobalMean().fit((users, items, [1, 2, 3, 4, 5, 3])).recommend(9, n=3)
    assert ids.tolist() == [10, 20, 30]
    assert scores.tolist() == [3.0, 3.0, 3.0]


def test_u1(u1: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = u1
    assert round(cf.metrics.evaluate(cf.GlobalMean().fit(train), test)["rmse"], 4) == 1.1537
