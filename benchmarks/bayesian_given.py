"""`bayesian.py given`: latency of a list for a user who comes with ratings."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from measure import show, table

import cfcore as cf

#: Ratings that are given.
COUNTS = (20, 100, 500, 1000)
#: Sweeps of the fit: as many samples as are kept by default, on which alone the latency depends.
SWEEPS: dict[str, Any] = {"n_samples": 64, "burn_in": 10}

Row = dict[str, Any]


def latencies(data: str, quick: bool) -> list[Row]:
    """Milliseconds of ``recommend(given=)``, of a dict and of timed columns, by number of ratings."""
    ratings = cf.datasets.load("ml-100k" if quick or data.startswith("u") else data)
    counts = ratings.user_counts
    rows: list[Row] = []
    for n_threads in (1, 2):
        model = cf.BayesianSVD(random_state=0, n_threads=n_threads)
        model.set_params(**({"n_factors": 4, "n_samples": 4, "burn_in": 2} if quick else SWEEPS))
        model.fit(ratings)
        for n in COUNTS[:2] if quick else COUNTS:
            if n > counts.max():
                continue
            rated = ratings.user_codes == np.abs(counts.astype(int) - n).argmin()
            own = ratings.subset(rated)
            asked = {"dict": dict(zip(own.items.tolist(), own.values.tolist(), strict=True)), "timed": own}
            for form, given in asked.items():
                model.recommend(given=given)
                times = []
                for _ in range(5 if quick else 100):
                    start = time.perf_counter()
                    model.recommend(given=given)
                    times.append(1e3 * (time.perf_counter() - start))
                rows.append(
                    {"threads": n_threads, "ratings": len(own), "form": form,
                     "median": float(np.median(times)), "fastest": min(times)}
                )  # fmt: skip
    print(
        table(
            [f"{data}, recommend(given=)", "ratings", "threads", "median ms", "fastest ms"],
            [
                [row["form"], row["ratings"], row["threads"], show(row["median"], "{:.2f}"),
                 show(row["fastest"], "{:.2f}")]
                for row in rows
            ],
        )
    )  # fmt: skip
    return rows
