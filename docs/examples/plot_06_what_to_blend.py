"""
Which models to blend
=====================

A blend gains where its members err differently. Errors of two factor models correlate more than those of
a factor model and of neighbours.
"""

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")
models = [
    cf.ItemKNN().fit(train),
    cf.UserKNN().fit(train),
    cf.SVD(random_state=0).fit(train),
    cf.SVDpp(random_state=0).fit(train),
    cf.RBM(n_epochs=8, random_state=0).fit(train),
]
ax = cf.plots.error_correlation(models, test)

# %%
# The weights of a blend come from out-of-fold predictions of the training ratings.

blend = cf.Blend([cf.ItemKNN(), cf.SVDpp(random_state=0)], cv=3, random_state=0).fit(train)
print(blend.weights_)
print(cf.metrics.evaluate(blend, test))
