"""
Shrinkage of similarities
=========================

Two films that three people rated alike are not as similar as the correlation says. The constant is
chosen on ratings held out within the training rows.
"""

from matplotlib.figure import Figure

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")
rest, validation = cf.split.holdout(train, 0.1, random_state=0)
constants = (0.0, 3.0, 10.0, 30.0, 100.0, 300.0)
errors = []
for constant in constants:
    model = cf.ItemKNN(shrinkage=constant).fit(rest)
    errors.append(cf.metrics.rmse(validation.values, model.predict(validation)))
    print(f"{constant:5g} {errors[-1]:.4f}")

figure = Figure(figsize=(5.6, 3.6), layout="constrained")
ax = figure.subplots()
ax.plot(range(len(constants)), errors, "o-", color=cf.plots.COLORS[0])
ax.set_xticks(range(len(constants)), [f"{constant:g}" for constant in constants])
ax.set_xlabel("shrinkage")
ax.set_ylabel("RMSE on held-out training ratings")
