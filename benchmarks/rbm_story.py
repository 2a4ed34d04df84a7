"""Why the article's RBM stayed at 0.98: the effects of its faults and choices, on MovieLens 100K, u1.

    python benchmarks/rbm_story.py                          # some twenty minutes on one core
    python benchmarks/rbm_story.py --only cfcore            # the rows of the library alone: a minute
    python benchmarks/rbm_story.py --sweep                  # search the rates anew, print them
    python benchmarks/rbm_story.py --plot story.png
    python benchmarks/rbm_story.py --quick                  # smoke test

The first row is the program as its author published it, with the learning rates of the test script beside the
article's code. The second row has rates that were swept; each further row makes one change to the second. A
change of the scale of a step (a sum instead of a mean, a sign with which D can learn) would be measured at
unsuitable rates, so these rates are swept again; the table marks such rows with *. Sweeps measure the error
on a random tenth of u1.base, never on u1.test, and are coarse: factors of 3, one parameter after the other,
one seed. The rates found are in `TUNED`. The rows of "together" add one change after the other; with all
faults corrected the model is that of `cfcore.RBM`, which is faster and is used for the sweeps of these rows.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from article_rbm import ArticleRBM, Ones, Settings
from measure import arguments, describe, machine, table, write
from threadpoolctl import threadpool_limits

import cfcore as cf

RATES = ("lr_weights", "lr_hidden", "lr_visible", "lr_conditional")
#: Rates found by `--sweep`, by row, if they differ from those of the row that it changes; in comments the
#: error on the held-out tenth, before and after.
TUNED: dict[str, dict[str, float]] = {
    "the same, rates swept": {"lr_weights": 0.0017, "lr_conditional": 0.00011},  # .9988 -> .9744
    "b_j and D: a sum per rating": {"lr_hidden": 0.15, "lr_conditional": 3.7e-05},  # 1.0090 -> .9915
    "all divided by the batch": {"lr_weights": 0.015},  # 1.0227 -> .9682
    "rates fall to a twentieth": {"lr_weights": 0.015},  # .9991 -> .9802
    "... rates fall, T grows, averaged": {"lr_weights": 0.0051},  # .9781 -> .9670
    "... 100 hidden": {"weight_decay": 0.09},  # .9673 -> .9647
    "... 100 hidden, divided by the batch": {"lr_weights": 0.045, "weight_decay": 0.01},  # 1.0200 -> .9569
}
#: Smaller gains in error do not change a rate: errors of seeds differ by as much.
SIGNIFICANT = 1e-3
GROUPS = ("article", "faults", "choices", "together", "cfcore")
GROWING = (1, 2, 3, 4, 5)
BASE = "the same, rates swept"


@dataclass(frozen=True)
class Row:
    """A line of the table: a change to another row, and the rates that must be swept for it.

    Attributes
    ----------
    name, group : str
    changes : dict
        Fields of `Settings`.
    predict : dict
        Options of `ArticleRBM.predict`.
    tune : tuple of str
        Rates swept for this row.
    of : str
        The row that it changes.
    """

    name: str
    group: str
    changes: dict[str, Any] = field(default_factory=dict)
    predict: dict[str, bool] = field(default_factory=dict)
    tune: tuple[str, ...] = ()
    of: str = BASE


D = ("lr_conditional",)
MENDED = "all faults mended"
DECAYED = "... decay x 30"
BEST = {"averaged": True, "fallback": True}
ROWS = [
    Row("as published, its author's rates", "article", of=""),
    Row(BASE, "article", tune=RATES, of="as published, its author's rates"),
    Row("b_j and D: a sum per rating", "article", {"per_rating": True}, tune=("lr_hidden", *D)),
    Row("sign of D", "faults", {"sign": 1}, tune=D),
    Row("no D", "faults", {"conditional": None}),
    Row("gradient of D its own", "faults", {"conditional": "own"}, tune=D),
    Row("sign and gradient of D", "faults", {"sign": 1, "conditional": "own"}, tune=D),
    Row("D decays as W does", "faults", {"conditional_decay": "weight_decay"}),
    Row("rate of D as W's, sign wrong", "faults", {"lr_conditional": "lr_weights"}),
    Row("rate of D as W's, sign right", "faults", {"lr_conditional": "lr_weights", "sign": 1}),
    Row("short batch by its own size", "faults", {"normalize": "count"}),
    Row("first b_ik smoothed", "faults", {"start": "smoothed"}),
    Row("items never seen: user's mean", "faults", predict={"fallback": True}),
    Row("all divided by the batch", "choices", {"normalize": "batch"}, tune=RATES),
    Row("no decay", "choices", {"weight_decay": 0.0}),
    Row("decay x 30", "choices", {"weight_decay": 30.0}, tune=("lr_weights", "weight_decay")),
    Row("rates fall to a twentieth", "choices", {"lr_decay": 0.05}, tune=("lr_weights",)),
    Row("T = 1", "choices", {"cd_steps": (1,)}),
    Row("T = 1 to 5, growing", "choices", {"cd_steps": GROWING}),
    Row("averaged over the last epochs", "choices", predict={"averaged": True}),
    Row("predicted exactly", "choices", predict={"exact": True}),
    Row("100 hidden", "choices", {"n_hidden": 100}),
    Row(
        MENDED, "together",
        {"sign": 1, "conditional": "own", "normalize": "count", "start": "smoothed"},
        {"fallback": True}, ("lr_weights", *D),
    ),
    Row(
        "... rates fall, T grows, averaged", "together", {"lr_decay": 0.05, "cd_steps": GROWING}, BEST,
        ("lr_weights",), of=MENDED,
    ),
    Row(
        DECAYED, "together", {"weight_decay": 30.0}, BEST, (*RATES, "weight_decay"),
        of="... rates fall, T grows, averaged",
    ),
    Row("... 100 hidden", "together", {"n_hidden": 100}, BEST, ("lr_weights", "weight_decay"), of=DECAYED),
    Row(
        "... 100 hidden, divided by the batch", "together", {"normalize": "batch"}, BEST,
        (*RATES, "weight_decay"), of="... 100 hidden",
    ),
]  # fmt: skip
BY_NAME = {row.name: row for row in ROWS}
#: The row that is repeated with `cfcore.RBM` with the same settings: both programs train the same model.
CHECKED = DECAYED
QUICK = ("as published, its author's rates", "sign of D", DECAYED)


def settings_of(row: Row) -> Settings:
    """The settings of a row: those of the row it changes, its changes, its tuned rates.

    A string is the name of a field whose value is taken; a weight decay is a multiple of the previous one.
    """
    before = settings_of(BY_NAME[row.of]) if row.of else Settings()
    changes = {}
    for name, value in row.changes.items():
        if name in ("conditional_decay", "lr_conditional"):
            value = getattr(before, value)
        elif name == "weight_decay":
            value *= before.weight_decay
        changes[name] = value
    return replace(before, **{**changes, **TUNED.get(row.name, {})})


def error(train: cf.Ratings, test: cf.Ratings, settings: Settings, row: Row) -> float:
    """RMSE on `test` of one model trained on `train` with settings tried for `row`."""
    if row.group != "together":
        return errors(train, test, settings, 0, [row.predict])[0]
    model = same_as(settings, 0).set_params(average=row.predict.get("averaged", False), n_threads=1)
    return cf.metrics.rmse(test.values, model.fit(train).predict(test))


def errors(
    train: cf.Ratings, test: cf.Ratings, settings: Settings, seed: int, ways: Sequence[dict[str, bool]]
) -> list[float]:
    """RMSE on `test` of one model trained on `train`, for several ways to predict."""
    with threadpool_limits(1):  # products this small are slower on several threads
        trained = ArticleRBM(Ones.of(train), settings, seed).fit()
    predicted = (trained.predict(test.user_codes, test.item_codes, **way) for way in ways)
    return [cf.metrics.rmse(test.values, values) for values in predicted]


# ---------------------------------------------------------------------- sweeping


def sweep(
    pool: ProcessPoolExecutor, rows: Iterable[Row], train: cf.Ratings, n_epochs: int | None
) -> list[dict[str, Any]]:
    """Rates for every row with `tune`, from a tenth of the training rows held out; sets `TUNED`."""
    part, held_out = cf.split.holdout(train, 0.1, random_state=0)
    report = []
    for row in rows:
        TUNED.pop(row.name, None)
        if not row.tune:
            continue
        best = settings_of(row)
        best = best if n_epochs is None else replace(best, n_epochs=n_epochs)
        lowest = pool.submit(error, part, held_out, best, row).result()
        start = lowest
        for name in row.tune:
            middle = getattr(best, name)
            tried = [replace(best, **{name: rounded(middle * factor)}) for factor in (1 / 3, 3)]
            while tried:
                jobs = [pool.submit(error, part, held_out, one, row) for one in tried]
                found = [(job.result(), position) for position, job in enumerate(jobs)]
                lower, position = min(found)
                for one, (rmse, _) in zip(tried, found, strict=True):
                    print(f"{row.name}: {name} {getattr(one, name)}: {rmse:.4f}", file=sys.stderr)
                report.extend(
                    {"row": row.name, "settings": vars(one), "rmse": job.result()}
                    for one, job in zip(tried, jobs, strict=True)
                )
                if not lower < lowest - SIGNIFICANT:
                    break
                up = getattr(tried[position], name) > getattr(best, name)
                lowest, best = lower, tried[position]
                tried = [replace(best, **{name: rounded(getattr(best, name) * (3 if up else 1 / 3))})]
        TUNED[row.name] = {name: getattr(best, name) for name in row.tune}
        print(f"    {row.name!r}: {TUNED[row.name]},  # {start:.4f} -> {lowest:.4f}", flush=True)
    return report


def rounded(value: float) -> float:
    """A value rounded to two digits."""
    return float(f"{value:.2g}")


# ---------------------------------------------------------------------- measuring


def same_as(settings: Settings, seed: int) -> cf.RBM:
    """`cfcore.RBM` with the settings of a corrected `ArticleRBM`; its rates are lr / (1 - momentum)."""
    slower = 1 - settings.momentum
    return cf.RBM(
        by="user", n_hidden=settings.n_hidden, n_epochs=settings.n_epochs, batch_size=settings.batch_size,
        lr={
            "weights": settings.lr_weights / slower, "visible_bias": settings.lr_visible / slower,
            "hidden_bias": settings.lr_hidden / slower, "conditional": settings.lr_conditional / slower,
        },
        lr_decay=settings.lr_decay ** (1 / max(1, settings.n_epochs - 1)), momentum=settings.momentum,
        weight_decay=settings.weight_decay, cd_steps=settings.cd_steps, normalize=settings.normalize,
        visible="softmax", random_state=seed,
    )  # fmt: skip


def library(seed: int, quick: bool, n_epochs: int | None) -> dict[str, cf.RBM]:
    """The rows of cfcore: the check, then defaults."""
    check = settings_of(BY_NAME[CHECKED])
    if n_epochs is not None:
        check = replace(check, n_epochs=n_epochs)
    small = {"n_hidden": 8, "n_epochs": 2} if quick else {}
    return {
        f"cfcore.RBM set as {CHECKED[4:]!r}": same_as(check, seed),
        '... visible="ordinal"': same_as(check, seed).set_params(visible="ordinal"),
        'cfcore.RBM(by="user")': cf.RBM(by="user", random_state=seed, **small),
        'cfcore.RBM(by="item")': cf.RBM(by="item", random_state=seed, **small),
    }


def measure(
    pool: ProcessPoolExecutor, rows: Sequence[Row], train: cf.Ratings, test: cf.Ratings,
    seeds: int, n_epochs: int | None,
) -> dict[str, list[float]]:  # fmt: skip
    """RMSE by row, one for each seed. Rows that differ in prediction only share one training."""
    together: dict[Settings, list[Row]] = {}
    for row in rows:
        settings = settings_of(row)
        if n_epochs is not None:
            settings = replace(settings, n_epochs=n_epochs)
        together.setdefault(settings, []).append(row)
    jobs = {
        settings: [
            pool.submit(errors, train, test, settings, seed, [row.predict for row in shared])
            for seed in range(seeds)
        ]
        for settings, shared in together.items()
    }
    found: dict[str, list[float]] = {}
    for settings, shared in together.items():
        by_seed = [job.result() for job in jobs[settings]]
        for position, row in enumerate(shared):
            found[row.name] = [values[position] for values in by_seed]
        print(f"{time.strftime('%X')} {', '.join(row.name for row in shared)}", file=sys.stderr)
    return {row.name: found[row.name] for row in rows}


def lines(found: dict[str, list[float]]) -> list[list[str]]:
    """The table's rows: mean, range over seeds, and the mean's distance from that of the row changed."""
    out = []
    for name, values in found.items():
        row = BY_NAME.get(name)
        mean = statistics.fmean(values)
        gap = f"{mean - statistics.fmean(found[row.of]):+.4f}" if row and row.of in found else ""
        marked = " *" if row and row.tune else ""
        out.append([name + marked, f"{mean:.4f}", f"{min(values):.4f}-{max(values):.4f}", gap])
    return out


def draw(found: dict[str, list[float]], path: Path) -> None:
    """Dots for the means, lines from the lowest to the highest seed, a colour for each group."""
    from matplotlib.figure import Figure

    groups = {name: BY_NAME[name].group if name in BY_NAME else "cfcore" for name in found}

    def rank(name: str) -> tuple[int, float]:
        # Single changes from the worst to the best; cumulative changes in their order.
        error = statistics.fmean(found[name]) if groups[name] in ("faults", "choices") else 0.0
        return GROUPS.index(groups[name]), -error

    order = sorted(found, key=rank)
    colors = dict(zip(GROUPS, ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7"), strict=True))
    figure = Figure(figsize=(8, 0.5 + 0.24 * len(order)), layout="constrained")
    ax = figure.add_subplot()
    for position, name in enumerate(order):
        color, values = colors[groups[name]], found[name]
        ax.plot([min(values), max(values)], [position, position], "-", color=color, linewidth=3, alpha=0.4)
        ax.plot(statistics.fmean(values), position, "o", color=color, markersize=5)
    if BASE in found:
        ax.axvline(statistics.fmean(found[BASE]), color="#999999", linewidth=1, zorder=0)
    ax.set_yticks(range(len(order)), order, fontsize=8)
    for label, name in zip(ax.get_yticklabels(), order, strict=True):
        label.set_color(colors[groups[name]])
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.set_xlabel("RMSE on u1.test: mean and range over seeds")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


def main() -> None:
    """Measure or sweep, print, draw, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of the NumPy model (100)")
    parser.add_argument("--only", choices=GROUPS, action="append", help="only these groups of rows")
    parser.add_argument("--sweep", action="store_true", help="search the rates within u1.base")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the table (needs matplotlib)")
    options = parser.parse_args()
    train, test = cf.datasets.load("ml-100k", split="u1")
    facts = machine()
    print(describe(facts), "\n")
    groups = options.only or GROUPS
    rows = [row for row in ROWS if row.group in groups and (not options.quick or row.name in QUICK)]
    n_epochs = options.epochs or (4 if options.quick else None)
    seeds = 1 if options.quick else options.seeds
    report: dict[str, Any] = {"machine": facts, "seeds": seeds, "epochs": n_epochs or 100}
    with ProcessPoolExecutor(options.jobs) as pool:
        if options.sweep:
            report["sweep"] = sweep(pool, rows, train, n_epochs)
            report["tuned"] = TUNED
        else:
            found = measure(pool, rows, train, test, seeds, n_epochs)
    if not options.sweep:
        for seed in range(seeds if "cfcore" in groups else 0):
            for name, model in library(seed, options.quick, n_epochs).items():
                rmse = cf.metrics.rmse(test.values, model.fit(train).predict(test))
                found.setdefault(name, []).append(rmse)
        report["rmse"] = found
        print(table(["u1", "RMSE", "range", "change"], lines(found)))
        print(
            f"\nMeans over {seeds} seed{'s' * (seeds > 1)}. *: with rates swept for this row, within u1.base."
            '\nchange: from the row that this one changes, the second or, under "together", the one above.'
        )
        if options.plot is not None:
            draw(found, options.plot)
    write(options.json, report)


if __name__ == "__main__":
    main()
