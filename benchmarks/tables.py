"""The tables of README and of the benchmarks page, from the named figures of the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Files = Mapping[str, Mapping[str, Any]]

#: Rows of README's table: a model and its method.
METHODS = {
    "GlobalMean": "the mean of all ratings",
    "Baseline": "mean + user's and item's bias",
    "UserKNN": "neighbours of the user",
    "ItemKNN": "neighbours of the item",
    "SVD": "matrix factorisation by SGD (Funk; Koren)",
    "RBM": "conditional restricted Boltzmann machine (Salakhutdinov, Mnih, Hinton)",
    "AsymmetricSVD": "users described by the items that they rated (Koren)",
    "SVDpp": "SVD++: the set of items that a user rated (Koren)",
    "TimeSVDpp": "timeSVD++, and biases of sessions (Koren)",
    "ALS": "alternating least squares, with sets of users and items, and weights",
    "BayesianSVD": "Gibbs sampling: sets, sessions, features, distributions; nothing to tune",
}
#: Rows of nDCG: what is printed, and the figure.
LISTS = {
    "`Popularity`": "Popularity by preference",
    "`SVD`, by rating": "SVD by rating",
    "`SVD`, by preference": "SVD by preference",
    "`ItemKNN`, by preference": "ItemKNN by preference",
    "`EASE`": "EASE by preference",
    "`Ranker`": "Ranker by preference",
}
#: Rows of new users: what is printed, the model and the way.
NEW = {
    "`SVD`, `fold_in`": ("SVD", "fold_in"),
    "... fitted with them": ("SVD", "fit"),
    "`SVDpp`, `fold_in`": ("SVDpp", "fold_in"),
    "... fitted with them ": ("SVDpp", "fit"),
    "`ItemKNN`, `given=`": ("ItemKNN", "given"),
    "`RBM`, `given=`": ("RBM", "given"),
}
SERVED = {
    "`SVD`": ("SVD", "SVD", "SVD"),
    "`EASE`": ("EASE", "EASE", "EASE"),
    "`ItemKNN`": ("ItemKNN", "ItemKNN", "ItemKNN"),
    "`RBM`": ("RBM", "RBM", "RBM"),
    "NumPy by hand, on the factors of `SVD`": ("NumPy by hand", "NumPy by hand", ""),
    "scikit-surprise": ("scikit-surprise SVD", "", ""),
    "implicit": ("", "implicit, factors of SVD", "implicit ALS, recalculate_user"),
    "LensKit": ("", "", "LensKit BiasedMF"),
}


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table in Markdown: the first columns to the left, figures to the right."""
    rule = "".join("---|" if column < left else "--:|" for column in range(len(headings)))
    lines = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in [headings, *rows]]
    return "\n".join([lines[0], f"|{rule}", *lines[1:]])


def cell(figures: Mapping[str, float], name: str, form: str) -> str:
    """A figure as text; nothing where it was not measured."""
    return format(figures[name], form) if name in figures else ""


def seconds(value: float) -> str:
    """Seconds with two or three digits that count."""
    return f"{value:.{3 if value < 0.1 else 2 if value < 1 else 1 if value < 10 else 0}f}"


def ratio(figures: Mapping[str, float], name: str) -> str:
    """A ratio: one decimal below 10."""
    return (
        ""
        if name not in figures
        else f"{figures[name]:.1f}"
        if figures[name] < 10
        else f"{figures[name]:,.0f}"
    )


def compared(files: Files) -> str:
    """Models of ``cfcore compare``."""
    file = files["compare"]
    figures = {**files.get("twins", {}).get("figures", {}), **file["figures"]}
    rows = [
        [f"`{row['model']}`", cell(figures, f"{row['model']} rmse", ".4f"),
         cell(figures, f"{row['model']} mae", ".4f"), seconds(figures[f"{row['model']} fit_seconds"]),
         cell(figures, f"{row['model']} predictions_per_second", ",.0f"),
         cell(figures, f"{row['model']} peak_mb", ".1f"), ratio(figures, f"{row['model']} speedup")]
        for row in file["models"]
    ]  # fmt: skip
    return grid(["", "RMSE", "MAE", "fit, s", "predictions a second", "peak, MB", "over its twin"], rows)


def compared_peers(files: Files) -> str:
    """scikit-surprise's models of ``cfcore compare``."""
    file = files["compare"]
    figures = file["figures"]
    rows = []
    for row in file["peers"]:
        name = f"peer {row['algorithm']}"
        cells = [cell(figures, f"{name} {what}", ".4f") for what in ("rmse", "mae")]
        cells += [seconds(figures[f"{name} fit_seconds"])]
        cells += [
            cell(figures, f"{name} predictions_per_second", ",.0f"),
            ratio(figures, f"{name} over ours"),
        ]
        rows.append([row["algorithm"], *cells])
    return grid(
        ["scikit-surprise", "RMSE", "MAE", "fit, s", "predictions a second", "its fit over ours"], rows
    )


def errors(files: Files) -> str:
    """RMSE of every model over splits."""
    small = files["accuracy-100k"]["figures"]
    large = files.get("accuracy-1m", {}).get("figures", {})
    names = sorted(
        (name[:-3] for name in small if name.endswith(" u1")), key=lambda name: -small[f"{name} u1"]
    )
    shown = {"RBM by user": '`RBM(by="user")`'}
    rows = [
        [shown.get(name, f"`{name}`"), cell(small, f"{name} u1", ".4f"), cell(small, f"{name} mean", ".4f"),
         cell(large, f"{name} mean", ".4f")]
        for name in names
    ]  # fmt: skip
    return grid(["RMSE", "100K, u1", "100K, mean of u1-u5", "1M, mean of 5 random 90/10"], rows)


def how_low(files: Files) -> str:
    """RMSE and seconds of every row of the picture, from the highest RMSE."""
    figures = files["how-low"]["figures"]
    names = sorted(
        (name[:-5] for name in figures if name.endswith(" rmse")), key=lambda n: -figures[f"{n} rmse"]
    )
    rows = [
        [name, cell(figures, f"{name} rmse", ".4f"), seconds(figures[f"{name} seconds"])] for name in names
    ]
    return grid(["u1, one thread", "RMSE", "fit, s"], rows)


def peers(files: Files) -> str:
    """Other libraries, job by job."""
    file = files["peers"]
    rows = []
    for place, row in enumerate(file["rows"]):
        if row["missing"]:
            continue
        errors = [cell(file["figures"], f"{place} {name}", ".4f") for name in ("peer_rmse", "rmse")]
        faster, gain = (
            ratio(file["figures"], f"{place} {name}")
            for name in ("times_faster_1_thread", "two_threads_against_one")
        )
        rows.append([row["job"], row["peer"], faster, gain, ", ".join(filter(None, errors))])
    headings = ["job (MovieLens 1M)", "against", "times faster", "2 threads over 1", "RMSE: theirs, ours"]
    return grid(headings, rows, 2)


def lists(files: Files) -> str:
    """nDCG of lists on both data sets."""
    figures = files["ranking"]["figures"]
    rows = [
        [name, *(cell(figures, f"{data} {key}", ".4f") for data in ("u1", "ml-1m"))]
        for name, key in LISTS.items()
    ]
    others = dict.fromkeys(name.partition(" best of ")[2] for name in figures if " best of " in name)
    rows += [
        [f"{name}, its best", *(cell(figures, f"{data} best of {name}", ".4f") for data in ("u1", "ml-1m"))]
        for name in others
    ]
    return grid(["nDCG@10", "100K, u1", "1M, random 90/10"], rows)


def new_users(files: Files) -> str:
    """RMSE for new users by the number of their ratings."""
    figures = files["new-users"]["figures"]
    rows = [
        [name.strip(), cell(figures, f"{model} none 0", ".4f"),
         *(cell(figures, f"{model} {way} {size}", ".4f") for size in (1, 3, 10, 20))]
        for name, (model, way) in NEW.items()
    ]  # fmt: skip
    return grid(["RMSE", "none", "1", "3", "10", "20"], rows)


def served(files: Files) -> str:
    """Median and 99th percentile of one answer."""
    figures = files["serving"]["figures"]

    def both(part: str, who: str) -> str:
        name = f"{part} {who}"
        if f"{name} p50" not in figures:
            return ""
        return ", ".join(
            f"{value:.1f}" if value < 10 else f"{value:,.0f}"
            for value in (figures[f"{name} p50"], figures[f"{name} p99"])
        )

    rows = [
        [name, *(both(part, who) for part, who in zip(("pair", "list", "given"), whom, strict=True))]
        for name, whom in SERVED.items()
    ]
    headings = [
        "",
        "`predict(user, item)`",
        "`recommend(user, n=10)`",
        "`recommend(given=`20 ratings`, n=10)`",
    ]
    return grid(headings, rows)


def bare(files: Files) -> str:
    """Kernels over bare C loops."""
    figures = files["kernels"]["figures"]
    names = dict.fromkeys(name.partition(",")[0] for name in figures)
    rows = []
    for data, level in dict.fromkeys((name.split()[0], name.split()[-1]) for name in names):
        cells = []
        for what in ("update", "pair"):
            both = [cell(figures, f"{data} {what} {level}, {end}", ".2f") for end in ("least", "most")]
            cells.append("-".join(dict.fromkeys(both)))
        rows.append([f"{data}, {level}", *cells])
    return grid(["kernel over bare C", "an SVD update", "a co-rated pair"], rows)


TABLES: dict[str, Callable[[Files], str]] = {
    "bare": bare,
    "compared": compared,
    "compared peers": compared_peers,
    "errors": errors,
    "how low": how_low,
    "lists": lists,
    "new users": new_users,
    "peers": peers,
    "served": served,
}


def readme(files: Files) -> str:
    """README's table of models and what is said below it."""
    from pages import machine

    small = files["compare"]["figures"]
    used = {"compare": "`cfcore compare ml-100k --no-reference`"}
    names = sorted(METHODS, key=lambda name: -small[f"{name} rmse"])
    rows = [
        [
            f"`{name}`",
            METHODS[name],
            cell(small, f"{name} rmse", ".4f"),
            seconds(small[f"{name} fit_seconds"]),
        ]
        for name in names
    ]
    if "how-low" in files:
        low = files["how-low"]["figures"]
        used["how-low"] = f"`{files['how-low']['command']}` (the blend, one thread)"
        blend = [cell(low, "Blend of six rmse", ".4f"), seconds(low["Blend of six seconds"])]
        rows.append(["`Blend`", "of six of these, weights from the training rows", *blend])
    said = "models for lists"
    if "ranking" in files:
        ranked = files["ranking"]["figures"]
        used["ranking"] = "`python benchmarks/ranking.py` (lists)"
        each = [f"{ranked[f'u1 {name} by preference']:.3f}" for name in ("EASE", "Ranker", "Popularity")]
        said += f" (nDCG@10 on u1: {', '.join(each)})"
    rows.append(["`EASE`, `Ranker`, `Popularity`", said, "", ""])
    where = "; ".join(dict.fromkeys(machine(files[name]) for name in used))
    table = grid(["model", "method", "RMSE, u1", "fit, s"], rows, 2)
    return f"{table}\n\nOutput of {', '.join(used.values())}; {where}.\n"
