"""
Learning curves and early stopping
==================================

A model with epochs records the error on held-out ratings after each of them. Training stops once it has
not fallen for some epochs, and the best epoch is kept.
"""

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")
rest, validation = cf.split.holdout(train, 0.1, random_state=0)

models = {
    "20 epochs": cf.SVD(random_state=0),
    "60 epochs": cf.SVD(n_epochs=60, random_state=0),
    "60 epochs, little regularisation": cf.SVD(n_epochs=60, reg=0.005, random_state=0),
}
for name, model in models.items():
    model.fit(rest, validation=validation, early_stopping=5)
    print(name, "kept epoch", model.n_epochs_)

# %%
# With little regularisation the error rises again after its lowest point.

ax = cf.plots.learning_curves(models)
