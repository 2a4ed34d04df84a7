"""The penalty of `EASE` by cross-validation of lists within training rows: ``defaults.py --lists``.

A row of the table is a set of training rows, or a random part of one. It has the penalty that the rule of the
class gives for the rows of a fold, and ndcg@10 (relevant: rated three quarters up the scale or more; items of
the training rows left out) of popularity, of ratings that weigh 1, and of multiples of the rule.
"""

from __future__ import annotations

import statistics
from typing import Any

import cfcore as cf

#: Data, parts of it, and folds of each part. Of MovieTweetings, the most rated items: a fit takes seconds.
ROWS = (
    ("ml-100k", 1.0, 5),
    ("ml-100k", 0.3, 5),
    ("ml-1m", 1.0, 2),
    ("ml-1m", 0.1, 5),
    ("movietweetings", 1.0, 5),
)
MOST_ITEMS = 3000
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


def ndcg(model: Any, folds: list[tuple[cf.Ratings, cf.Ratings]], factor: float = 1.0) -> float:
    """ndcg@10 by cross-validation; of EASE with a multiple of the penalty of the rule."""
    found = []
    for train, held_out in folds:
        if isinstance(model, cf.EASE):
            model.set_params(reg=factor * model.defaults_for(train)["reg"])
        found.append(float(cf.metrics.evaluate(model.fit(train), held_out, "ndcg@10")["ndcg@10"]))
    return statistics.fmean(found)


def lists_table(options: Any, rows_of: Any, part_of: Any) -> list[dict[str, Any]]:
    """Rows of the table.

    Parameters
    ----------
    options : namespace
        ``data`` and ``quick`` of the command.
    rows_of, part_of : callable
        ``training_rows`` and ``thinned`` of ``defaults.py``.
    """
    found = []
    for name, part, n_folds in ROWS[:1] if options.quick else ROWS:
        if name not in options.data.split(","):
            continue
        rows = rows_of(name)
        rows = part_of(rows, 0.1 if options.quick else part) if options.quick or part < 1 else rows
        folds = list(cf.split.kfold(rows, k=5, random_state=1))[: 1 if options.quick else n_folds]
        model = cf.EASE(max_items=MOST_ITEMS if name == "movietweetings" else None)
        found.append({
            "data": name, "part": part, "n_users": rows.n_users, "n_ratings": len(rows),
            "reg": round(model.defaults_for(folds[0][0])["reg"], 1),
            "popularity": ndcg(cf.Popularity(), folds),
            "ones": ndcg(model.clone().set_params(values="ones"), folds),
            **{f"x {factor:g}": ndcg(model, folds, factor) for factor in FACTORS},
        })  # fmt: skip
        print(".", end="", flush=True)
    return found
