"""A blend of all kinds of models with their defaults, against its members, on MovieLens 100K.

    python benchmarks/blend.py                          # u1-u5: some minutes
    python benchmarks/blend.py --splits u1 --methods ridge,feature-weighted,mean
    python benchmarks/blend.py --splits u1 --features --members BayesianSVD,ItemKNN,UserKNN,SVDpp,RBM
    python benchmarks/blend.py --quick                  # smoke test

Weights are found within the training rows of each split, by five folds; the test rows are predicted once, at
the end. Seeds of members and folds are drawn from seed 0. "+-" is the standard error of the difference
between the blend and its best member, over the test users.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from accuracy import MODELS
from measure import arguments, describe, machine, table, write

import cfcore as cf

MEMBERS = ("ItemKNN", "UserKNN", "SVDpp", "TimeSVDpp", "RBM")


def run(split: str, method: str, names: list[str], quick: bool, with_features: bool) -> dict[str, Any]:
    """Fit a blend to one training part, and measure it and its members on the test part."""
    train, test, *tables = cf.datasets.load("ml-100k", split=split, progress=False, features=with_features)
    side = dict(zip(("user_features", "item_features"), tables, strict=False))
    if quick:
        train = train.subset(slice(None, None, 10))
    start = time.perf_counter()
    models = [MODELS[name]() for name in names]
    blend = cf.Blend(models, method=method, cv=2 if quick else 5, random_state=0).fit(train, **side)
    seconds = time.perf_counter() - start
    predicted = {
        name: member.predict(test) for name, member in zip(blend.names_, blend.members_, strict=True)
    }
    errors = {name: cf.metrics.rmse(test.values, column) for name, column in predicted.items()}
    best = min(errors, key=lambda name: errors[name])
    blended = blend.predict(test)
    gain = (predicted[best] - test.values) ** 2 - (blended - test.values) ** 2
    by_user = np.bincount(test.user_codes, weights=gain) / len(test)
    rmse = cf.metrics.rmse(test.values, blended)
    return {
        "split": split,
        "method": method,
        "members": errors,
        "best": best,
        "rmse": rmse,
        "mae": cf.metrics.mae(test.values, blended),
        "below_best": errors[best] - rmse,
        # That of the mean square error over users, divided by the derivative of a square: that of the RMSE.
        "standard_error": float(np.sqrt(np.sum(by_user**2)) / (2 * rmse)),
        "weights": dict(zip(blend.names_, blend.weights_.T.tolist(), strict=True)),
        "intercepts": blend.intercepts_.tolist(),
        "reg": blend.reg_,
        "out_of_fold": blend.oof_,
        "seconds": seconds,
    }


def main() -> None:
    """Fit, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--splits", default="u1,u2,u3,u4,u5", help="comma-separated")
    parser.add_argument("--methods", default="ridge", help="comma-separated: ridge, feature-weighted, mean")
    parser.add_argument("--members", default=",".join(MEMBERS), help="comma-separated")
    parser.add_argument("--features", action="store_true", help="features for members that take them")
    options = parser.parse_args()
    names = options.members.split(",")
    if unknown := sorted(set(names) - set(MODELS)):
        parser.error(f"unknown members: {', '.join(unknown)}; known: {', '.join(MODELS)}")
    splits = ["u1"] if options.quick else options.splits.split(",")
    facts = machine()
    print(describe(facts), "\n")
    report: dict[str, Any] = {"machine": facts, "blends": []}
    for method in options.methods.split(","):
        found = [run(split, method, names, options.quick, options.features) for split in splits]
        report["blends"] += found
        members = list(found[0]["members"])
        print(f"Test RMSE on MovieLens 100K, blend: {method}")
        rows = [
            [
                row["split"],
                *(f"{row['members'][name]:.4f}" for name in members),
                f"{row['rmse']:.4f}",
                f"{row['below_best']:.4f}",
                f"{row['standard_error']:.4f}",
                f"{row['seconds']:.0f}",
            ]
            for row in found
        ]
        if len(found) > 1:
            means = [f"{statistics.fmean(row['members'][name] for row in found):.4f}" for name in members]
            rest = [statistics.fmean(row[name] for row in found) for name in ("rmse", "below_best")]
            rows.append(["mean", *means, *(f"{value:.4f}" for value in rest), "", ""])
        print(table(["split", *members, "blend", "below best", "+-", "s"], rows), "\n")
        below = [row["split"] for row in found if row["below_best"] > 0]
        above = [row["split"] for row in found if row["below_best"] <= 0]
        print(
            f"Below its best member on {len(below)} of {len(found)}: {', '.join(below) or 'none'}"
            + (f"; not on {', '.join(above)}" if above else ""),
            "\n",
        )
        print("Weights" + (" (of 1, log ratings of the user, of the item)" if "feature" in method else ""))
        rows = [
            [
                row["split"],
                *(" ".join(f"{value:.3f}" for value in row["weights"][name]) for name in members),
                " ".join(f"{value:.3f}" for value in row["intercepts"]),
                f"{row['reg']:g}",
            ]
            for row in found
        ]
        print(table(["split", *members, "constant", "reg"], rows), "\n")
    write(options.json, report)


if __name__ == "__main__":
    main()
