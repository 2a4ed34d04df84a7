"""
Errors of rare and of popular items
===================================

Items with few ratings are predicted by little more than the user's mean.
"""

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")
models = {"Baseline": cf.Baseline().fit(train), "SVDpp": cf.SVDpp(random_state=0).fit(train)}
ax = cf.plots.error_by(models, test, by="popularity", n_boot=200)
