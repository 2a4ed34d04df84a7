"""`bayesian.py memory`: memory of a process that loads a model, mapped from its file and not."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import table

import cfcore as cf

#: What a process does. After each step: MiB of its own, and of files, which the system may take back.
SCRIPT = """
import json, sys, warnings
import cfcore as cf

warnings.simplefilter("ignore")

def memory():
    with open("/proc/self/status") as file:
        held = dict(line.split(":", 1) for line in file)
    return [int(held[name].split()[0]) // 1024 for name in ("RssAnon", "RssFile")]

steps = {"imported": memory()}
model = cf.load(sys.argv[1], memory_map=sys.argv[2] == "mapped")
steps["loaded"] = memory()
model.predict(model.user_ids_[:500], model.item_ids_[:500])
steps["500 predictions"] = memory()
model.recommend(model.user_ids_[:100])
steps["100 lists"] = memory()
print(json.dumps(steps))
"""

Row = dict[str, Any]


def memory(data: str, params: dict[str, Any]) -> list[Row]:
    """MiB of a process that loads the model and uses it, read into memory and mapped (Linux)."""
    ratings = cf.datasets.load("ml-100k" if data.startswith("u") else data)
    model = cf.BayesianSVD(random_state=0, **params).fit(ratings)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cf"
        model.save(path)
        size = path.stat().st_size >> 20
        for how in ("read", "mapped"):
            command = [sys.executable, "-c", SCRIPT, str(path), how]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows += [
                {"how": how, "after": after, "own": own, "files": files}
                for after, (own, files) in json.loads(done.stdout).items()
            ]
    print(f"{data}, {model.n_kept} samples of {model.n_factors_} factors at most, a file of {size} MiB")
    print(table(["", "after", "own MiB", "of files MiB"], [list(row.values()) for row in rows]))
    return rows
