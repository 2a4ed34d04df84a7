"""
Who is predicted well?
======================

Errors by the number of training ratings of a user. Intervals are from draws of users.
"""

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")
models = {
    "Baseline": cf.Baseline().fit(train),
    "ItemKNN": cf.ItemKNN().fit(train),
    "SVDpp": cf.SVDpp(random_state=0).fit(train),
}
ax = cf.plots.error_by(models, test, by="activity", n_boot=200)
