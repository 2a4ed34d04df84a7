"""`cf.selection.search` from bad starting values within a budget, with and without a kill half-way.

    python benchmarks/search.py                 # five minutes, and five minutes with a kill in the middle
    python benchmarks/search.py --no-kill --budget 1m
    python benchmarks/search.py --quick         # smoke test

SVDpp on u1 of MovieLens 100K. The error of a setting is that over five folds of the training rows; the test
rows are predicted once, at the end, with seed 0: with the starting values, the defaults and the best setting.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import arguments, describe, machine, table, write

import cfcore as cf
from cfcore.selection.searching import parse_budget

BAD = {"n_factors": 5, "n_epochs": 8, "lr": 0.05, "lr_decay": 1.0, "reg": 0.3}


def training_rows(quick: bool) -> tuple[cf.Ratings, cf.Ratings]:
    """Training and test rows of u1."""
    train, test = cf.datasets.load("ml-100k", split="u1", progress=False)
    return (train.subset(slice(None, None, 10)) if quick else train), test


def run(budget: str, study: Path, n_jobs: int, quick: bool) -> Any:
    """Run the search; if the study exists, the rest of it."""
    train, _ = training_rows(quick)
    return cf.selection.search(
        cf.SVDpp(**BAD, random_state=0), ratings=train, budget=budget, study=study, n_jobs=n_jobs
    )


#: Value and settings of a trial.
Trial = tuple[float | None, dict[str, Any]]


def finished(study: Path) -> dict[int, Trial]:
    """Trials that a study holds with a result, by number."""
    import optuna

    trials = optuna.load_study(study_name="cfcore", storage=f"sqlite:///{study}").trials
    return {
        trial.number: (trial.value, trial.params)
        for trial in trials
        if trial.state.name in ("COMPLETE", "PRUNED")
    }


def killed(budget: str, study: Path, n_jobs: int, quick: bool) -> dict[int, Trial]:
    """Run the search in a process, kill it half-way, and return the trials that it had finished."""
    options = [budget, str(study), str(n_jobs), str(int(quick))]
    program = "import sys; from search import *; b, s, n, q = sys.argv[1:]; run(b, Path(s), int(n), q == '1')"
    process = subprocess.Popen([sys.executable, "-c", program, *options], cwd=Path(__file__).parent)
    # From the first trial on, so that the start of the process is excluded.
    while process.poll() is None and not study.exists():
        time.sleep(0.1)
    time.sleep((parse_budget(budget)[0] or 0.0) / 2)
    if process.poll() is not None:
        raise SystemExit(f"the search ended by itself, with {process.returncode}, before it could be killed")
    process.kill()
    process.wait()
    return finished(study)


def shown(value: Any) -> str:
    """A hyper-parameter as text; None is the rule of the class."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Search, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--budget", default="5m", help="time for each search")
    parser.add_argument("--n-jobs", type=int, default=1, help="trials at a time")
    parser.add_argument("--no-kill", action="store_true", help="leave out the search that is killed half-way")
    options = parser.parse_args()
    budget = "6s" if options.quick else options.budget
    facts = machine()
    print(describe(facts), "\n")
    train, test = training_rows(options.quick)

    def test_rmse(model: Any) -> float:
        return cf.metrics.evaluate(model, test, "rmse")["rmse"]

    def cv_rmse(model: Any) -> float:
        return cf.selection.cross_validate(model, train, metrics=("rmse",)).mean("rmse")

    report: dict[str, Any] = {"machine": facts, "budget": budget, "rows": []}
    for name, model in (
        ("starting values", cf.SVDpp(**BAD, random_state=0)),
        ("defaults", cf.SVDpp(random_state=0)),
    ):
        report["rows"].append(
            {"what": name, "cv": cv_rmse(model), "test": test_rmse(model.fit(train)), "params": {}}
        )
    with tempfile.TemporaryDirectory() as folder:
        for name in ("searched",) if options.no_kill else ("searched", "killed half-way"):
            study = Path(folder) / f"{name[:6]}.db"
            left = killed(budget, study, options.n_jobs, options.quick) if "killed" in name else {}
            start = time.perf_counter()
            found = run(budget, study, options.n_jobs, options.quick)
            states = list(found.table["state"])
            kept = finished(study)
            again = [trial[1] for number, trial in kept.items() if number not in left and trial[1]]
            if any(kept.get(number) != trial or trial[1] in again for number, trial in left.items()):
                raise SystemExit("trials from before the kill were lost or run again")
            report["rows"].append(
                {
                    "what": name,
                    "cv": found.value,
                    "test": test_rmse(found.model),
                    "seconds": time.perf_counter() - start,
                    "trials": {state: states.count(state) for state in dict.fromkeys(states)},
                    "trials_before_kill": len(left) if "killed" in name else None,
                    "params": found.params,
                }
            )
    rows = []
    for row in report["rows"]:
        trials = ", ".join(f"{n} {state}" for state, n in row.get("trials", {}).items())
        if row.get("trials_before_kill") is not None:
            number = row["trials_before_kill"]
            trials += f" ({number} finished before the kill{', all of them kept' if number else ''})"
        seconds = f"{row['seconds']:.0f}" if "seconds" in row else ""
        rows.append([row["what"], f"{row['cv']:.4f}", f"{row['test']:.4f}", seconds, trials])
    print(f"SVDpp on u1, budget {budget}, {options.n_jobs} trial(s) at a time")
    print(table(["", "CV RMSE", "test RMSE", "s", "trials"], rows), "\n")
    defaults = report["rows"][1]["test"]
    for row in report["rows"][2:]:
        verdict = "at least as good as" if row["test"] <= defaults else "worse than"
        print(f"{row['what']}: {verdict} the defaults on u1 ({row['test'] - defaults:+.4f})")
        print("  ", ", ".join(f"{key}={shown(value)}" for key, value in row["params"].items()))
    write(options.json, report)


if __name__ == "__main__":
    main()
