"""
What a random split flatters
============================

Gain of timeSVD++ over SVD++ for three ways to hold out ratings. A random part of a page of ratings is
predicted from the rest of the page.
"""

from matplotlib.figure import Figure

import cfcore as cf

ratings = cf.datasets.load("ml-100k")
splits = {
    "a random tenth": cf.split.holdout(ratings, 0.1, random_state=0),
    "the 10 latest of each user": cf.split.leave_k_out(ratings, 10, latest=True),
    "the latest tenth of all": cf.split.by_time(ratings, 0.1),
}
gains = {}
for name, (train, test) in splits.items():
    simple = cf.metrics.rmse(test.values, cf.SVDpp(random_state=0).fit(train).predict(test))
    timed = cf.metrics.rmse(test.values, cf.TimeSVDpp(random_state=0).fit(train).predict(test))
    gains[name] = simple - timed
    print(f"{name}: {simple:.4f} without times, {timed:.4f} with")

# %%

figure = Figure(figsize=(6.4, 2.6), layout="constrained")
ax = figure.subplots()
bars = ax.barh(list(gains), list(gains.values()), color=cf.plots.COLORS[0])
ax.bar_label(bars, fmt="%.4f", padding=3)
ax.axvline(0, color="0.4", linewidth=0.8)
ax.set_xlabel("lower RMSE by times")
ax.margins(x=0.2)
ax.invert_yaxis()
