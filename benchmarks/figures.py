"""The named figures of each file in ``benchmarks/results``: what README and the benchmarks page may print.

`update.py` stores them in the file, beside all that the command measured, in the units in which the pages
print them. Means, differences and ratios are computed here, once, from the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import Any

Report = Mapping[str, Any]
Figures = dict[str, float]

SPLITS = ("u1", "u2", "u3", "u4", "u5")
#: Members of the SVD family, to which ratings can be added.
FAMILY = ("SVD", "SVDpp", "TimeSVDpp", "AsymmetricSVD")


def ends(name: str, values: Iterable[float]) -> Figures:
    """The least and the largest of several values."""
    values = list(values)
    return {f"{name}, least": min(values), f"{name}, most": max(values)} if values else {}


def known(found: Mapping[str, float | None]) -> Figures:
    """Figures without those that were not measured."""
    return {name: value for name, value in found.items() if value is not None}


def compare(report: Report) -> Figures:
    """The tables of ``cfcore compare``."""
    found: dict[str, float | None] = {}
    fits = {}
    for row in report["models"]:
        name = row["model"]
        fits[name] = row["fit_seconds"]
        found |= {f"{name} {what}": row[what] for what in ("rmse", "mae", "fit_seconds")}
        found[f"{name} predictions_per_second"] = row["predictions_per_second"]
        found[f"{name} peak_mb"] = row["peak_bytes"] and row["peak_bytes"] / 1e6
    for row in report["peers"]:
        name = f"peer {row['algorithm']}"
        found |= {f"{name} {what}": row[what] for what in ("rmse", "mae", "fit_seconds")}
        found[f"{name} predictions_per_second"] = row["predictions_per_second"]
        if row["fit_seconds"] and fits.get(row["counterpart"]):
            found[f"{name} over ours"] = row["fit_seconds"] / fits[row["counterpart"]]
    return known(found)


def twins(report: Report) -> Figures:
    """Seconds of the twin of each model, and how many times as fast the model is."""
    found = {f"{row['model']} twin_seconds": row["reference_seconds"] for row in report["models"]}
    return known(found | {f"{row['model']} speedup": row["speedup"] for row in report["models"]})


def article(report: Report) -> Figures:
    """The article's algorithms: RMSE (of several seeds: both ends), its Python's seconds and cfcore's."""
    found: dict[str, float | None] = {}
    for row in report["rows"]:
        found |= ends(f"{row['row']} rmse", row["rmse"])
        found |= {f"{row['row']} seconds": row["seconds"], f"{row['row']} its": row.get("article_seconds")}
    return known(found)


def startup(report: Report) -> Figures:
    """Seconds of whole processes."""
    return dict(report["seconds"])


def accuracy(report: Report) -> Figures:
    """RMSE of each model: the mean over splits, and of u1."""
    found: Figures = {}
    for name in dict.fromkeys(row["model"] for row in report["rows"]):
        own = {row["split"]: row["rmse"] for row in report["rows"] if row["model"] == name}
        found[f"{name} mean"] = fmean(own.values())
        if "u1" in own:
            found[f"{name} u1"] = own["u1"]
    return found


def bayesian(report: Report) -> Figures:
    """RMSE of `BayesianSVD`, with its times and without, and of the models beside it: means over runs."""
    found: Figures = {}
    for row in report["rows"]:
        name = row.get("model") or ("BayesianSVD" if row["sessions"] else "BayesianSVD without times")
        found[name] = fmean(row["rmse"])
    if "SVDpp" in found:
        found["gain over SVDpp"] = found["SVDpp"] - found["BayesianSVD"]
    return found


def ranking(report: Report) -> Figures:
    """nDCG of each model by data set, the best of each other library, and times."""
    found: Figures = {}
    for data, each in report["data"].items():
        best: dict[str, float] = {}
        for row in each["rows"]:
            if row["library"] == "cfcore":
                found[f"{data} {row['model']} {row['data']}"] = row["ndcg"]
            else:
                best[row["library"]] = max(row["ndcg"], best.get(row["library"], 0.0))
        found |= {f"{data} best of {name}": value for name, value in best.items()}
    return found


def new_users(report: Report) -> Figures:
    """RMSE for new users, by model, way and number of given ratings; the largest excess over a fit of all."""
    found: Figures = {}
    excess = []
    for name, ways in report["rows"].items():
        found["Baseline"] = ways["Baseline"]["0"]
        for way, by_size in ways.items():
            found |= {f"{name} {way} {size}": value for size, value in by_size.items()}
        if name in FAMILY:
            excess += [ways["fold_in"][size] - value for size, value in ways["fit"].items()]
    if excess:
        found["largest excess of fold_in over a fit"] = max(excess)
    return found


def time_ablation(report: Report) -> Figures:
    """By how much each setting of `TimeSVDpp` has a lower RMSE than `SVDpp`, by split."""
    plain = {row["split"]: fmean(row["rmse"]) for row in report["rows"] if row["setting"] == "SVDpp"}
    return {
        f"{row['split']}: {row['setting'].removeprefix('... ')}": plain[row["split"]] - fmean(row["rmse"])
        for row in report["rows"]
        if row["setting"] != "SVDpp"
    }


def blend(report: Report) -> Figures:
    """RMSE of the blend and of its members on u1, and by how much it is below its best member."""
    first = report["blends"][0]
    found = {"blend": first["rmse"], "best member": first["members"][first["best"]]}
    found |= {f"member {name}": value for name, value in first["members"].items()}
    return found | ends("below the best member", [row["below_best"] for row in report["blends"]])


def rbm_story(report: Report) -> Figures:
    """Mean RMSE of each row, and its difference from the second, whose rates were swept."""
    means = {name: fmean(values) for name, values in report["rmse"].items()}
    base = means["the same, rates swept"]
    wrong, right = (means[f"rate of D as W's, sign {which}"] for which in ("wrong", "right"))
    return {
        **means,
        **{f"change: {name}": value - base for name, value in means.items()},
        "cost of the wrong sign at the rate of W": wrong - right,
        "largest gain of the other choices": max(
            base - means[name]
            for name in (
                "no decay", "decay x 30", "rates fall to a twentieth", "T = 1", "T = 1 to 5, growing",
                "averaged over the last epochs", "predicted exactly", "100 hidden",
            )
        ),
    }  # fmt: skip


def how_low(report: Report) -> Figures:
    """RMSE and seconds to fit of each model and each other library's."""
    found: Figures = {}
    for row in report["rows"]:
        name = row.get("model") or f"{row['library'].split()[0]} {row['algorithm']}"
        found |= {f"{name} rmse": row["rmse"], f"{name} seconds": row["fit_seconds"]}
    return found


def family(report: Report) -> Figures:
    """Time of an epoch over that of the simpler model, and what a second thread gains."""
    found = {f"{row['model']} over": row["epoch_ratio"] for row in report["rows"]}
    gains = [row["epoch_two_threads_against_one"] for row in report["rows"]]
    return known(found) | ends("two threads", gains)


def lists(report: Report) -> Figures:
    """How many times as fast lists for all users are, by number of threads; and `EASE`."""
    measured = report["lists"]
    found = {"EASE fit seconds": measured["ease_fit_seconds"]}
    for n, times in measured["seconds"].items():
        for peer in ("numpy", "implicit"):
            if peer not in times:
                continue
            found[f"{peer} {n}"] = times[peer] / times["cfcore"]
        found |= {f"EASE {n} seconds": times["ease"], f"EASE {n} over SVD": times["ease"] / times["cfcore"]}
        found[f"first {n} ms"] = 1e3 * (times["first"] - times["cfcore"])
    return found


def serving(report: Report) -> Figures:
    """Microseconds of one answer: median and 99th percentile, by what is asked and whom."""
    found: Figures = {}
    for part in ("pair", "list", "given", "load"):
        for who, times in report[part].items():
            found |= {f"{part} {who} {what}": 1e6 * times[what] for what in ("p50", "p99")}
    for kind in ("four readers", "beside partial_fit"):
        found[f"load {kind} p99 ms"] = 1e3 * report["load"][kind]["p99"]
    found["given SVD first ms"] = 1e3 * report["given"]["SVD"]["first"]
    return found


def bayesian_speed(report: Report) -> Figures:
    """Milliseconds of a sweep, of myFM's too, and what a second thread and a second process gain."""
    found: dict[str, float | None] = {}
    sweeps = [row for row in report["rows"] if "setting" in row]
    for row in sweeps:
        name, times = row["setting"], row["seconds"]
        found |= {f"{name} ms": 1e3 * times["1 thread"], f"{name} over": row["over_myfm"]}
        found[f"{name} myFM ms"] = 1e3 * times["myFM"] if "myFM" in times else None
    return {
        **known(found),
        **ends("two threads", [row["threads"] for row in sweeps]),
        **ends("two processes", [row["processes"] for row in sweeps]),
        **ends("over bare C", [row["kernel_over_bare"] for row in report["rows"] if "level" in row]),
    }


def bayesian_rhat(report: Report) -> Figures:
    """The largest R-hat of the seeds of fits with the defaults, and the most samples that one took."""
    default = [row for row in report["rows"] if row["n_chains"] == 1 and row["correlation"]]
    seeds = [seed for row in default for seed in row["seeds"]]
    return {
        "of predictions": max(seed["r_hat_max"] for seed in seeds),
        "of the log-likelihood": max(seed["r_hat_log_likelihood"] for seed in seeds),
        "most samples": max(seed["n_samples"] for seed in seeds),
    }


def bayesian_coverage(report: Report) -> Figures:
    """Percent of held-out ratings in intervals, by their coverage: ends over splits and seeds."""
    found: Figures = {}
    for part in sorted({row["coverage"] for row in report["rows"]}):
        held = [100 * row["covered"] for row in report["rows"] if row["coverage"] == part]
        found |= {f"{100 * part:.0f}%": 100 * part, **ends(f"{100 * part:.0f}%", held)}
    return found


def als(report: Report) -> Figures:
    """Milliseconds of an iteration, or RMSE, of each model; the best of each other library."""
    unit = "ms" if "seconds" in report["rows"][0] else "RMSE"
    found = {row["model"]: 1e3 * row["seconds"] if unit == "ms" else row["rmse"] for row in report["rows"]}
    best = {
        f"best {library}": min(value for name, value in found.items() if name.startswith(library))
        for library in ("cmfrec", "LensKit")
        if any(name.startswith(library) for name in found)
    }
    return {f"{name} {unit}": value for name, value in (found | best).items()}


def kernels(report: Report) -> Figures:
    """Kernels over bare C loops, by data, work and SIMD level: ends over numbers of factors."""
    found: Figures = {}
    for data in dict.fromkeys(row["data"] for row in report["rows"]):
        for what in ("update", "pair"):
            for level in dict.fromkeys(row["level"] for row in report["rows"]):
                own = [
                    row["kernel_over_bare"]
                    for row in report["rows"]
                    if row["data"] == data and row["level"] == level and what in row["what"]
                ]
                found |= ends(f"{data} {what} {level}", own)
    return found


def rbm(report: Report) -> Figures:
    """A pass of the RBM over bare C, gains of a second thread, and others on the same job."""
    rows, others = report["rows"], report["others"]
    found = ends("over bare C", [row["1"] / row["C"] for row in rows.values() if "C" in row])
    gains = {name: row["1"] / row["2"] for name, row in rows.items()}
    found |= ends("two threads", gains.values())
    found["nanoseconds"] = 1e9 * others["cfcore"]
    return found | {name: value / others["cfcore"] for name, value in others.items() if name != "cfcore"}


def peers(report: Report) -> Figures:
    """How many times as fast each job is, what a second thread gains, and errors."""
    found: dict[str, float | None] = {}
    for place, row in enumerate(report["rows"]):
        columns = ("times_faster_1_thread", "two_threads_against_one", "peer_rmse", "rmse")
        found |= {f"{place} {column}": row[column] for column in columns}
    return known(found)


def scale(report: Report) -> Figures:
    """Growth of the time a rating from the least to the largest size, memory at the largest."""
    found = ends("growth", [row["growth"] for row in report["growth"]])
    largest = max(cell["n"] for cell in report["cells"])
    for cell in report["cells"]:
        if cell["n"] == largest:
            name = f"{cell['model']} GB"
            found[name] = max(cell["peak"] / 1e9, found.get(name, 0.0))
            found[f"{cell['model']} {cell['n_threads']} seconds"] = cell["epoch"]
    if report["read"]:
        found["read GB"] = report["read"]["peak"] / 1e9
    return found


#: Function that takes the figures of a file, by the name of the file or the beginning of it.
OF: dict[str, Callable[[Report], Figures]] = {
    "accuracy": accuracy,
    "als": als,
    "article": article,
    "bayesian": bayesian,
    "bayesian-coverage": bayesian_coverage,
    "bayesian-rhat": bayesian_rhat,
    "bayesian-speed": bayesian_speed,
    "blend": blend,
    "compare": compare,
    "family": family,
    "how-low": how_low,
    "kernels": kernels,
    "lists": lists,
    "new-users": new_users,
    "peers": peers,
    "ranking": ranking,
    "rbm": rbm,
    "rbm-story": rbm_story,
    "scale": scale,
    "serving": serving,
    "startup": startup,
    "time-ablation": time_ablation,
    "twins": twins,
}


def of(name: str, report: Report) -> Figures:
    """The figures of a file by its name."""
    kind = max((kind for kind in OF if name == kind or name.startswith(f"{kind}-")), key=len)
    return OF[kind](report)
