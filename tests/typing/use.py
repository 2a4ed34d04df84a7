"""Typical use of the library, which type checkers must accept: run by check.py, and never executed."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import cfcore as cf
from cfcore.sklearn import RatingRegressor

users: NDArray[np.int64] = np.array([1, 1, 2])
items = ["a", "b", "a"]
values = [4.0, 3.5, 5.0]

# Ratings from arrays, lists, files and data sets.
ratings = cf.Ratings(users, items, values)
assert_type(ratings, cf.Ratings)
assert_type(cf.Ratings.read(Path("ratings.csv"), sep=";"), cf.Ratings)
assert_type(cf.datasets.load("ml-100k"), cf.Ratings)
assert_type(cf.datasets.load("ml-100k", split="u1"), tuple[cf.Ratings, cf.Ratings])
train, test = cf.split.holdout(ratings, 0.1, random_state=0)
assert_type(len(ratings), int)
assert_type(ratings.scale, tuple[float, float])

# Models: parameters, fits, predictions, lists, files.
model = cf.SVD(n_factors=20, n_epochs=5, random_state=0)
assert_type(model.fit(train), cf.SVD)
assert_type(cf.ItemKNN(similarity="pearson", n_neighbors=None).fit(train), cf.ItemKNN)
assert_type(model.fold_in(test), cf.SVD)
predicted = model.predict(test)
model.predict(1, "a")
model.predict([1, 2], ["a", "b"])
ids, scores = model.recommend(1, n=10)
ids, scores = model.recommend(given={"a": 4.0, "b": 2}, n=5)
model.save("model.cf")
same: cf.Model = cf.load("model.cf")
same.get_params()["n_factors"]

blend = cf.Blend([cf.SVD(), cf.ItemKNN()], cv=3).fit(train)
assert_type(blend, cf.Blend)
ranker = cf.Ranker(random_state=0).fit(train)

# Metrics and selection.
assert_type(cf.metrics.rmse(test.values, predicted), float)
table = cf.selection.cross_validate(cf.SVD(), train, cv=3)
np.mean(table["test_rmse"])
found = cf.selection.search(cf.SVD(), train, budget=3)
regressor = RatingRegressor(cf.SVD())

# Errors that callers catch.
try:
    model.fit([("u", "i", 3.0)])
except cf.DataError as error:
    assert_type(str(error), str)
except cf.CfcoreError:
    pass
