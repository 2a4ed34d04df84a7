"""
Predictive intervals
====================

``BayesianSVD`` knows how uncertain a prediction is: less for users with many ratings, more for users
whose ratings scatter.
"""

import numpy as np
from matplotlib.figure import Figure

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")
model = cf.BayesianSVD(n_factors=8, n_samples=60, burn_in=30, random_state=0).fit(train)
predicted, deviation = model.predict(test, return_std=True)
low, high = model.predict_interval(test, coverage=0.9)
print("in their 90% intervals:", np.mean((low <= test.values) & (test.values <= high)).round(3))

# %%
# Where the deviation is larger, the error is larger.

groups = np.array_split(np.argsort(deviation), 12)
said = [deviation[group].mean() for group in groups]
measured = [np.sqrt(np.mean((predicted[group] - test.values[group]) ** 2)) for group in groups]

figure = Figure(figsize=(5.2, 4.4), layout="constrained")
ax = figure.subplots()
ax.plot(said, measured, "o", color=cf.plots.COLORS[0])
ends = [min(said), max(said)]
ax.plot(ends, ends, "--", color="0.5", label="perfect")
ax.set_xlabel("predicted standard deviation")
ax.set_ylabel("RMSE")
ax.legend(frameon=False)
