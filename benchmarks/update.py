"""Run the commands behind README and the benchmarks page, and fill the figures in: all, some, or old ones.

    python benchmarks/update.py                        # missing ones, and those older than 12 hours
    python benchmarks/update.py --hours 0              # everything
    python benchmarks/update.py --only how-low,peers   # these, in any case
    python benchmarks/update.py --list                 # names, dates and commands
    python benchmarks/update.py --pages                # the pages alone, from the files that are there

Each command writes ``benchmarks/results/NAME.json``: the command, the date, the machine and all that it
measured. A file appears when its command has ended, so that a run that was interrupted goes on where it
stopped. A command that fails is reported, and its old file stays. Then `pages.py` fills the figures of
the files in: into ``docs/benchmarks.md``, from the template beside it, and into README's table.

The machine should be otherwise idle: some three hours for all. Other libraries are those that
``pip install '.[bench]'`` installs, and ``myfm 'setuptools<80'``.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import figures
import pages
from measure import heading, machine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"

BAYESIAN = "BayesianSVD,ItemKNN,UserKNN,SVDpp,TimeSVDpp,RBM"
#: File -> the command, in the order in which they are run: first what does not depend on the load.
COMMANDS = {
    "accuracy-100k": "accuracy.py --data ml-100k",
    "bayesian-features": "bayesian.py accuracy --data u1 --seeds 3 --features",
    "bayesian-u1": "bayesian.py accuracy --data u1 --seeds 3",
    "bayesian-latest": "bayesian.py accuracy --data latest --seeds 3",
    "bayesian-movietweetings": "bayesian.py accuracy --data movietweetings --splits 5 --seeds 1",
    "bayesian-rhat": "bayesian.py rhat --data u1",
    "bayesian-coverage": "bayesian.py coverage --data ml-1m --splits 5 --seeds 1",
    "als-accuracy": "als.py accuracy",
    "ranking": "ranking.py",
    "new-users": "new_users.py --seeds 0,1,2 --models SVD,SVDpp,TimeSVDpp,AsymmetricSVD,ItemKNN,RBM",
    "time-ablation": "time_ablation.py --data ml-100k",
    "time-ablation-1m": "time_ablation.py --data ml-1m",
    "blend": "blend.py",
    "blend-pair": "blend.py --splits u1 --members SVDpp,RBM",
    "blend-rbms": "blend.py --splits u1 --members 'RBM,RBM by user'",
    "blend-weighted": "blend.py --splits u1 --methods feature-weighted",
    "blend-bayesian": f"blend.py --splits u1 --members {BAYESIAN}",
    "blend-features": f"blend.py --splits u1 --members {BAYESIAN} --features",
    "rbm-story": "rbm_story.py --plot benchmarks/rbm_story.png",
    "accuracy-1m": "accuracy.py --data ml-1m",
    "bayesian-features-1m": "bayesian.py accuracy --data ml-1m --splits 5 --seeds 1 --features",
    "compare": "cfcore compare ml-100k --no-reference",
    "twins": "cfcore compare ml-100k --no-peers",
    "article": "article.py",
    "startup": "startup.py",
    "how-low": "how_low.py --plot benchmarks/how_low.png",
    "family": "family.py",
    "lists": "lists.py",
    "serving": "serving.py",
    "bayesian-speed": "bayesian.py speed",
    "als-speed": "als.py speed",
    "kernels": "kernels.py --sizes 100k,1m",
    "rbm": "rbm.py",
    "peers": "peers.py",
    "scale-bayesian": "scale.py --models BayesianSVD --factors 32 --sizes 1m,20m",
    "scale": "scale.py --sizes 1m,20m,100m --factors 64 --plot benchmarks/scale.png",
}
#: `cfcore` of this interpreter, whether its script is on the PATH or not.
CFCORE = "import sys; sys.argv[0] = 'cfcore'; from cfcore.cli import main; main()"


def said(name: str) -> str:
    """The command as one types it."""
    command = COMMANDS[name]
    return command if command.startswith("cfcore ") else f"python benchmarks/{command}"


def when(name: str) -> datetime | None:
    """When a file was written."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    date = json.loads(path.read_text(encoding="utf-8"))["date"]
    return datetime.strptime(date, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)


def whole(name: str, report: dict[str, Any]) -> str:
    """A file: its heading, its named figures, and all that was measured."""
    first = {part: report[part] for part in ("command", "date", "machine")}
    return json.dumps({**first, "figures": figures.of(name, report), **report}, indent=1) + "\n"


def name_anew() -> None:
    """Take the named figures of the files that are there from their measurements again."""
    for name, report in pages.read().items():
        report.pop("figures", None)
        text, path = whole(name, report), RESULTS / f"{name}.json"
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def run(name: str) -> bool:
    """Run a command, and put its file in place if it succeeds."""
    words = shlex.split(COMMANDS[name])
    new = RESULTS / f"{name}.json.new"
    new.unlink(missing_ok=True)
    if words[0] == "cfcore":
        call = [sys.executable, "-c", CFCORE, *words[1:]]
    else:
        call = [sys.executable, f"benchmarks/{words[0]}", *words[1:]]
    # cfcore is that of this checkout, installed or built in place.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "160"}
    load = [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None
    done = subprocess.run([*call, "--json", str(new)], cwd=ROOT, env=environment, check=False)
    if done.returncode or not new.exists():
        new.unlink(missing_ok=True)
        return False
    report = json.loads(new.read_text(encoding="utf-8"))
    if "command" not in report:  # `cfcore compare` writes no heading
        sys.path.insert(0, str(ROOT))
        facts = {"machine": {**machine(), "load": load}}
        report = {**heading(said(name)), **facts, **report}
    new.write_text(whole(name, report), encoding="utf-8")
    new.replace(RESULTS / f"{name}.json")
    return True


def chosen(options: argparse.Namespace) -> list[str]:
    """Names of the commands to run."""
    if options.pages:
        return []
    if options.only:
        return list(options.only.split(","))
    least = datetime.now(UTC) - timedelta(hours=options.hours)
    return [name for name in COMMANDS if (date := when(name)) is None or date < least]


def main() -> None:
    """Run what is chosen, and fill in the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="NAMES", help="comma-separated; see --list")
    parser.add_argument("--hours", type=float, default=12, help="files that are younger are kept (12)")
    parser.add_argument("--list", action="store_true", help="names, dates and commands, and nothing else")
    parser.add_argument("--pages", action="store_true", help="fill in the pages, and run nothing")
    options = parser.parse_args()
    if unknown := sorted(set(filter(None, options.only.split(","))) - set(COMMANDS)):
        parser.error(f"--only: {', '.join(unknown)}; known: {', '.join(COMMANDS)}")
    if options.list:
        for name in COMMANDS:
            date = when(name)
            print(f"{name:22}{date.strftime('%Y-%m-%d %H:%M') if date else '-':18}{said(name)}")
        return
    RESULTS.mkdir(exist_ok=True)
    failed = []
    for name in chosen(options):
        print(f"\n== {name}: {said(name)}", flush=True)
        start = time.perf_counter()
        if not run(name):
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - start:.0f} s", flush=True)
    name_anew()
    for page in pages.write():
        print(f"{page} has new figures")
    if failed:
        sys.exit(f"failed, with their old files left: {', '.join(failed)}")


if __name__ == "__main__":
    main()
