"""Times of whole processes that import cfcore, read u1, fit and predict.

    python benchmarks/startup.py

Missed goals are marked. The machine must be otherwise idle.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from article import PEARSON, SVD
from measure import alternate, arguments, describe, machine, seconds, show, table, write

READ = "import cfcore as cf; train, test = cf.datasets.load('ml-100k', split='u1'); "
MEASURE = "print(cf.metrics.rmse(test.values, model.predict(test)))"
#: Process -> (program, seconds it may take).
PROCESSES = {
    "python, nothing else": ("pass", None),
    "import numpy": ("import numpy", None),
    "import cfcore": ("import cfcore", 0.2),
    "read u1": (READ, None),
    "article's item-based: read, fit, predict": (
        f"{READ}model = cf.ItemKNN(**{PEARSON!r}).fit(train); {MEASURE}",
        0.6,
    ),
    "article's SVD: read, fit, predict": (
        f"{READ}model = cf.SVD(**{SVD!r}, random_state=0).fit(train); {MEASURE}",
        0.6,
    ),
}


def process(program: str) -> Callable[[], float]:
    """A function that runs `program` in a new Python process and returns the seconds."""
    command = [sys.executable, "-c", program]
    return lambda: seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def main() -> None:
    """Measure, print, write."""
    options = arguments(__doc__.splitlines()[0]).parse_args()
    facts = machine()
    print(describe(facts), "\n")
    calls = {name: process(program) for name, (program, _) in PROCESSES.items()}
    times = alternate(calls, 1 if options.quick else 9)
    rows = []
    for name, (_, goal) in PROCESSES.items():
        missed = "missed" if goal is not None and times[name] > goal else ""
        rows.append([name, f"{times[name]:.3f}", show(goal, "{:.1f}"), missed])
    print(table(["whole process", "s", "goal", ""], rows))
    write(options.json, {"machine": facts, "seconds": times})


if __name__ == "__main__":
    main()
