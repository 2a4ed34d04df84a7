"""`bayesian.py coverage`: parts of held-out ratings that predictive intervals hold, over splits and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from bayesian_accuracy import split_of

import cfcore as cf

PARTS = (0.5, 0.8, 0.9, 0.95)

Row = dict[str, Any]


def coverage(data: str, n_splits: int, n_seeds: int, params: dict[str, Any]) -> list[Row]:
    """Parts of the test ratings in their intervals, below and above them; and errors over deviations."""
    rows: list[Row] = []
    for split in range(n_splits):
        train, test = split_of(data, split)
        for seed in range(n_seeds):
            model = cf.BayesianSVD(random_state=seed, **params).fit(train)
            for part in PARTS:
                low, high = model.predict_interval(test, coverage=part)
                below, above = float(np.mean(test.values < low)), float(np.mean(test.values > high))
                rows.append(
                    {"data": data, "split": split, "seed": seed, "coverage": part,
                     "covered": 1 - below - above, "below": below, "above": above,
                     "width": float(np.mean(high - low))}
                )  # fmt: skip
                print(
                    f"{data}, split {split}, seed {seed}, {part:.0%}: {1 - below - above:.1%} covered, "
                    f"{below:.1%} below, {above:.1%} above, mean width {np.mean(high - low):.3f}",
                    flush=True,
                )
            predicted, std = model.predict(test, return_std=True)
            scaled = float(np.sqrt(np.mean(((test.values - predicted) / std) ** 2)))
            print(
                f"{data}, split {split}, seed {seed}: root mean square of errors over standard deviations "
                f"{scaled:.3f}"
            )
    print()
    for part in PARTS:
        held = [row["covered"] for row in rows if row["coverage"] == part]
        print(
            f"{data}, intervals of {part:.0%}: {np.mean(held):.1%} covered, {min(held):.1%} to "
            f"{max(held):.1%} in {len(held)} fits"
        )
    return rows
