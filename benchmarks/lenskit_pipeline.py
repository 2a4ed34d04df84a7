"""cfcore's models beside LensKit's own in one LensKit pipeline: time, RMSE of predictions, nDCG of lists.

    python benchmarks/lenskit_pipeline.py              # MovieLens 1M
    python benchmarks/lenskit_pipeline.py --quick      # MovieLens 100K, few users: does it run

A tenth of the ratings is held out at random by LensKit's `sample_records`. Each scorer, with the defaults of
its library, is the scorer of the same pipeline (`RecPipelineBuilder`; `BiasScorer` is the fallback of
predictions), which LensKit trains and runs for the same users in one process. Times are of one call each: to
train the pipeline; for the lists of ten items and for the predictions, in milliseconds a user. RMSE is over
all test ratings of these users, nDCG@10 is LensKit's mean, every test item being relevant. Predictions of
cfcore's scorers are clipped to the scale, and LensKit's are clipped before they are compared.

LensKit comes with ``pip install 'cfcore[lenskit]'``.
"""

from __future__ import annotations

import importlib.util
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from measure import arguments, describe, machine, show, table, write

import cfcore as cf

N = 10
#: cfcore's models, and what scores are: ratings, or preferences, by which lists are ranked.
OURS = (
    ("Baseline", None), ("ItemKNN", None), ("ItemKNN", "preference"), ("SVD", None), ("SVD", "preference"),
    ("SVDpp", None), ("ALS", None), ("BayesianSVD", None), ("EASE", None),
)  # fmt: skip


def contenders(quick: bool) -> Iterator[tuple[str, str, Callable[[], Any], bool]]:
    """Library, name, constructor of a scorer, and whether its scores are ratings."""
    from lenskit.als import BiasedMFScorer, ImplicitMFScorer
    from lenskit.basic import BiasScorer, PopScorer
    from lenskit.knn import ItemKNNScorer

    from cfcore import lenskit

    yield "LensKit", "Bias", lambda: BiasScorer(damping=5), True
    yield "LensKit", "ItemKNN", ItemKNNScorer, True
    yield "LensKit", "BiasedMF (ALS)", BiasedMFScorer, True
    yield "LensKit", "ImplicitMF (ALS)", ImplicitMFScorer, False
    yield "LensKit", "Popularity", PopScorer, False
    for name, by in OURS:
        if quick and name == "BayesianSVD":
            continue
        make = getattr(lenskit, f"{name}Scorer")
        rates = by is None and getattr(cf, name).ranks_by == "rating"
        shown = name if by is None else f"{name}, by {by}"
        yield "cfcore", shown, lambda make=make, by=by: make(rank_by=by), rates


def split_of(quick: bool, n_users: int, seed: int) -> tuple[Any, Any]:
    """Training data, and the test ratings of some users."""
    import pandas as pd
    from lenskit.data import ItemListCollection, from_interactions_df
    from lenskit.splitting import sample_records

    ratings = cf.datasets.load("ml-100k" if quick else "ml-1m")
    frame = pd.DataFrame(
        {
            "user_id": ratings.users, "item_id": ratings.items, "rating": ratings.values.astype(np.float32),
            "timestamp": pd.to_datetime(ratings.timestamps, unit="s").astype("datetime64[s]"),
        }
    )  # fmt: skip
    split = sample_records(from_interactions_df(frame), len(frame) // 10, rng=seed)
    users = [key.user_id for key in split.test.keys()]  # noqa: SIM118
    chosen = np.sort(np.random.default_rng(seed).choice(users, min(n_users, len(users)), replace=False))
    test = ItemListCollection.from_dict(
        {int(user): split.test.lookup(int(user)) for user in chosen}, "user_id"
    )
    return split.train, test


def measured(make: Callable[[], Any], rates: bool, train: Any, test: Any) -> dict[str, Any]:
    """Times and errors of one scorer in the pipeline."""
    from lenskit.basic import BiasScorer
    from lenskit.batch import BatchPipelineRunner
    from lenskit.metrics import NDCG, RunAnalysis
    from lenskit.pipeline import RecPipelineBuilder
    from lenskit.training import TrainingOptions

    builder = RecPipelineBuilder()
    builder.scorer(make())
    builder.predicts_ratings(fallback=BiasScorer(damping=5))
    pipeline = builder.build()
    found: dict[str, Any] = {}
    start = time.perf_counter()
    pipeline.train(train, TrainingOptions(rng=20261128))
    found["train_seconds"] = time.perf_counter() - start
    for what in ("recommend", "predict"):
        runner = BatchPipelineRunner(n_jobs=1)
        if what == "recommend":
            runner.recommend(n=N)
        else:
            runner.predict()
        if what == "recommend" or rates:
            start = time.perf_counter()
            outs = runner.run(pipeline, test)
            found[f"{what}_milliseconds"] = (time.perf_counter() - start) / len(test) * 1e3
            if what == "recommend":
                analysis = RunAnalysis()
                analysis.add_metric(NDCG(n=N))
                summary = analysis.measure(outs.output("recommendations"), test).list_summary()
                found["ndcg"] = float(summary["mean"].iloc[0])
            else:
                found["rmse"] = rmse(outs.output("predictions").to_df(), test.to_df())
    return found


def rmse(predictions: Any, test: Any) -> float:
    """RMSE over all test ratings, of predictions clipped to the scale."""
    both = test.merge(predictions[["user_id", "item_id", "score"]], on=["user_id", "item_id"])
    assert len(both) == len(test)
    errors = np.clip(both["score"].to_numpy(np.float64), 1, 5) - both["rating"].to_numpy(np.float64)
    return float(np.sqrt(np.mean(errors**2)))


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument(
        "--users", type=int, help="users whose lists and predictions are made (default: 1000)"
    )
    parser.add_argument("--seed", type=int, default=20261128, help="of the split")
    args = parser.parse_args()
    if importlib.util.find_spec("lenskit") is None:
        print("LensKit is not installed: pip install 'cfcore[lenskit]'")
        return
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    facts = machine()
    print(describe(facts))
    n_users = args.users or (50 if args.quick else 1000)
    train, test = split_of(args.quick, n_users, args.seed)
    print(f"\n{train.interaction_count:,} training ratings; lists and predictions for {len(test):,} users\n")
    rows = []
    for library, name, make, rates in contenders(args.quick):
        rows.append({"library": library, "scorer": name, **measured(make, rates, train, test)})
    heads = ["scorer", "train, s", "list, ms", "predict, ms", "RMSE", f"nDCG@{N}"]
    cells = [
        [
            f"{row['library']} {row['scorer']}", show(row["train_seconds"], "{:.2f}"),
            show(row["recommend_milliseconds"], "{:.1f}"), show(row.get("predict_milliseconds"), "{:.1f}"),
            show(row.get("rmse"), "{:.4f}"), show(row["ndcg"]),
        ]
        for row in rows
    ]  # fmt: skip
    print(table(heads, cells))
    write(args.json, {"machine": facts, "rows": rows, "users": len(test), "seed": args.seed})


if __name__ == "__main__":
    main()
