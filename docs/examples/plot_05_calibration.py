"""
Calibration
===========

If a model predicts 4.0, do such ratings have a mean of 4.0?
"""

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")
models = {"ItemKNN": cf.ItemKNN().fit(train), "SVD": cf.SVD(random_state=0).fit(train)}
ax = cf.plots.calibration(models, test, n_boot=200)
