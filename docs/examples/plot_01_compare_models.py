"""
Error against time of all kinds of models
=========================================

Each model with its defaults, on the split u1. Lower is more accurate, left is faster.
"""

import time

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")

rows = []
for model in (
    cf.GlobalMean(),
    cf.Baseline(),
    cf.UserKNN(),
    cf.ItemKNN(),
    cf.SVD(random_state=0),
    cf.SVDpp(random_state=0),
    cf.TimeSVDpp(random_state=0),
    cf.ALS(random_state=0),
):
    began = time.perf_counter()
    model.fit(train)
    elapsed = time.perf_counter() - began
    rmse = cf.metrics.evaluate(model, test)["rmse"]
    rows.append({"model": type(model).__name__, "rmse": rmse, "fit_seconds": elapsed})
    print(f"{type(model).__name__:12s} {rmse:.4f} {elapsed:.3f} s")

# %%
# ``BayesianSVD`` and ``RBM`` are left out here, as they take seconds; see :doc:`/article`.

ax = cf.plots.time_against_rmse(rows)
