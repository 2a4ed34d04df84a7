"""
New users: error by the number of their ratings
===============================================

Users who were not in the fit are predicted from the ratings that come with the question.
"""

import numpy as np
from matplotlib.figure import Figure

import cfcore as cf

ratings = cf.datasets.load("ml-100k")
known, new = cf.split.users(ratings, 0.15, random_state=0)
svd = cf.SVD(random_state=0).fit(known)
knn = cf.ItemKNN().fit(known)
rng = np.random.default_rng(0)

steps = (1, 2, 5, 10, 20)
errors = {name: [] for name in ("SVD", "ItemKNN")}
for k in steps:
    squares = {name: [] for name in errors}
    for user in np.unique(new.users):
        rows = np.flatnonzero((new.users == user) & np.isin(new.items, svd.known_items_))
        rng.shuffle(rows)
        first, rest = rows[:k], rows[20:]
        given = dict(zip(new.items[first].tolist(), new.values[first].tolist(), strict=True))
        for name, model in (("SVD", svd), ("ItemKNN", knn)):
            predicted = model.predict(new.items[rest], given=given)
            squares[name].append((predicted - new.values[rest]) ** 2)
    for name in errors:
        errors[name].append(float(np.sqrt(np.concatenate(squares[name]).mean())))
    print(k, {name: round(values[-1], 4) for name, values in errors.items()})

# %%
# A few ratings tell a lot; the order of a user's ratings here is random.

figure = Figure(figsize=(6.4, 3.8), layout="constrained")
ax = figure.subplots()
for (name, values), color in zip(errors.items(), cf.plots.COLORS, strict=False):
    ax.plot(steps, values, "o-", color=color, label=name)
ax.set_xscale("log", base=2)
ax.set_xticks(steps, [str(k) for k in steps])
ax.set_xlabel("given ratings")
ax.set_ylabel("RMSE of the others")
ax.legend(frameon=False)
