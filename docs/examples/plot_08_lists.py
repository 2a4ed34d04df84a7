"""
Lists: by rating, by popularity, by preference
==============================================

The items of highest predicted rating are a worse list than the most popular ones.
"""

from matplotlib.figure import Figure

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")
svd = cf.SVD(random_state=0).fit(train)
knn = cf.ItemKNN().fit(train)
found = {
    "SVD, by rating": cf.metrics.evaluate(svd, test, "ndcg@10"),
    "Popularity": cf.metrics.evaluate(cf.Popularity().fit(train), test, "ndcg@10"),
    "SVD, by preference": cf.metrics.evaluate(svd, test, "ndcg@10", by="preference"),
    "ItemKNN, by preference": cf.metrics.evaluate(knn, test, "ndcg@10", by="preference"),
    "EASE": cf.metrics.evaluate(cf.EASE().fit(train), test, "ndcg@10"),
    "Ranker": cf.metrics.evaluate(cf.Ranker(random_state=0).fit(train), test, "ndcg@10"),
}
values = [metrics["ndcg@10"] for metrics in found.values()]

figure = Figure(figsize=(7, 3.4), layout="constrained")
ax = figure.subplots()
bars = ax.barh(list(found), values, color=cf.plots.COLORS[0])
ax.bar_label(bars, fmt="%.3f", padding=3)
ax.set_xlabel("nDCG@10 on u1; relevant: rated 4 or more")
ax.set_xlim(0, 0.56)
ax.invert_yaxis()
