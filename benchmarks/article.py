"""The article's table on MovieLens 100K, split u1: its algorithms and settings, its figures and cfcore's.

    python benchmarks/article.py

The settings reproduce the article's programs; the last rows are the models with their defaults.
"""

from __future__ import annotations

from typing import Any

from measure import alternate, arguments, describe, machine, seconds, show, table, write

import cfcore as cf

#: Pearson over co-raters, 1 for a pair without any; all neighbours; raw ratings.
PEARSON = {
    "similarity": "pearson",
    "n_neighbors": None,
    "center": None,
    "shrinkage": 0,
    "no_overlap": 1.0,
    "positive_only": True,
    "damping": 0.0,
    "power": 1.0,
}
SVD = {
    "n_factors": 30,
    "n_epochs": 20,
    "lr": 0.04,
    "lr_decay": 0.93,
    "reg": 0.15,
    "init": "uniform",
    "clip_error": True,
    "update": "sequential",
}
#: Row -> (class, the article's settings, the article's RMSE, seconds of the article's Python).
ARTICLE: dict[str, tuple[Any, dict[str, Any], str, float | None]] = {
    "global mean": (cf.GlobalMean, {}, "1.1537", None),
    "item-based, Pearson": (cf.ItemKNN, PEARSON, "1.0416", 25.0),
    "user-based, Pearson": (cf.UserKNN, PEARSON, "1.0219", None),
    "SVD, 30 factors": (cf.SVD, SVD, ".927-.930", 23.2),
}
DEFAULTS: dict[str, Any] = {
    "Baseline()": cf.Baseline,
    "ItemKNN()": cf.ItemKNN,
    "UserKNN()": cf.UserKNN,
    "SVD()": cf.SVD,
}


def build(kind: Any, settings: dict[str, Any], **common: Any) -> Any:
    """A model with its settings, and those of `common` that are its hyper-parameters."""
    model = kind(**settings)
    known = model.get_params()
    return model.set_params(**{name: value for name, value in common.items() if name in known})


def has_seed(kind: Any) -> bool:
    """Whether fits depend on a seed."""
    return kind is cf.SVD


def measure(
    kind: Any, settings: dict[str, Any], train: cf.Ratings, test: cf.Ratings, quick: bool, reference: bool
) -> dict[str, Any]:
    """Error for five seeds, seconds to fit and predict, and the same by the reference twin on one thread."""

    def run(seed: int = 0, **common: Any) -> Any:
        train.drop_index()
        model = build(kind, settings, random_state=seed, **common).fit(train)
        return model.predict(test)

    seeds = range(1 if quick or not has_seed(kind) else 5)
    found: dict[str, Any] = {"rmse": [cf.metrics.rmse(test.values, run(seed)) for seed in seeds]}
    found |= alternate({"seconds": lambda: seconds(lambda: run(n_threads=1))}, 1 if quick else 5)
    if reference:
        with cf.backend("reference"):
            predicted: list[Any] = []
            found["reference_seconds"] = seconds(lambda: predicted.append(run()))
        found["reference_rmse"] = cf.metrics.rmse(test.values, predicted[0])
    return found


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--no-reference", action="store_true", help="do not run the reference twins")
    options = parser.parse_args()
    train, test = cf.datasets.load("ml-100k", split="u1")
    facts = machine()
    print(describe(facts), "\n")
    reference = not (options.no_reference or options.quick)
    rows, report = [], []
    for name, (kind, settings, published, python_seconds) in ARTICLE.items():
        found = measure(kind, settings, train, test, options.quick, reference)
        report.append({"row": name, "article_rmse": published, "article_seconds": python_seconds, **found})
        ratio = None if python_seconds is None else python_seconds / found["seconds"]
        rows.append([name, published, show(python_seconds, "{:.1f}"), *cells(found), show(ratio, "{:,.0f}x")])
    for name, kind in DEFAULTS.items():
        found = measure(kind, {}, train, test, options.quick, reference=False)
        report.append({"row": name, **found})
        rows.append([name, "-", "-", *cells(found), "-"])
    headings = ["u1", "article", "its s", "RMSE", "s", "reference s", "ratio"]
    print(table(headings, rows))
    print(
        "\ns: fit and predict on one thread, ratings in memory. its s: the article's Python, timed earlier"
        "\non a machine of this kind; ratio compares with that. reference s: the twins in NumPy and Python."
        "\nRMSE of SVD: for seeds 0-4. The article's RBM has a benchmark of its own: rbm_story.py."
    )
    write(options.json, {"machine": facts, "rows": report})


def cells(found: dict[str, Any]) -> list[str]:
    """RMSE (its range over seeds), seconds and the reference's seconds."""
    ends = sorted({f"{error:.4f}" for error in (min(found["rmse"]), max(found["rmse"]))})
    return [
        "-".join(ends),
        show(found["seconds"]),
        show(found.get("reference_seconds"), "{:.1f}"),
    ]


if __name__ == "__main__":
    main()
