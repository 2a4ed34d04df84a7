"""
A map of films
==============

The two directions in which factors of popular films differ most, with a few titles.
"""

import numpy as np
from matplotlib.figure import Figure

import cfcore as cf

TITLES = {
    50: "Star Wars", 181: "Return of the Jedi", 172: "Empire Strikes Back",
    56: "Pulp Fiction", 98: "Silence of the Lambs",
    127: "Godfather",
    313: "Titanic", 286: "English Patient", 294: "Liar Liar", 121: "Independence Day", 100: "Fargo",
    1: "Toy Story", 71: "Lion King", 288: "Scream", 405: "Mission: Impossible", 69: "Forrest Gump",
}  # fmt: skip
ratings = cf.datasets.load("ml-100k")
model = cf.SVD(n_factors=16, random_state=0).fit(ratings)

popular = np.flatnonzero(model.item_counts_ >= 100)
factors = model.item_factors_[popular] - model.item_factors_[popular].mean(axis=0)
places = factors @ np.linalg.svd(factors, full_matrices=False)[2][:2].T

figure = Figure(figsize=(8, 6), layout="constrained")
ax = figure.subplots()
ax.scatter(*places.T, s=8, color="0.75")
for item, title in TITLES.items():
    x, y = places[np.flatnonzero(model.item_ids_[popular] == item)[0]]
    ax.plot(x, y, "o", color=cf.plots.COLORS[0], markersize=5)
    ax.annotate(title, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
ax.set_xlabel("first direction")
ax.set_ylabel("second direction")
