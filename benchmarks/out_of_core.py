"""Time and peak memory of fits in memory and with `memory_limit`, and bytes on disk; the bits are the same.

Each fit runs in a process of its own on synthetic ratings in a folder of shards. The limit is a part of what
the fit takes in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measure

import cfcore as cf

MODELS = ("SVD", "SVDpp", "ALS", "BayesianSVD")
#: Ratings, users and items.
SIZE, QUICK = (5_000_000, 300_000, 20_000), (300_000, 30_000, 3_000)
N_FACTORS = 32


def model_of(name: str) -> Any:
    """The model to fit, for two epochs."""
    own: dict[str, Any] = {"n_epochs": 2}
    if name == "BayesianSVD":
        own = {"n_samples": 1, "burn_in": 1, "n_kept": 1}
    return getattr(cf, name)(n_factors=N_FACTORS, random_state=0, n_threads=1, **own)


def fit(name: str, folder: str, limit: str) -> dict[str, Any]:
    """Fit in this process: seconds, peak of resident memory, and a digest of the predictions."""
    start = time.perf_counter()
    ratings = cf.Ratings.open(folder, memory_limit=int(limit) or None)
    model = model_of(name).fit(ratings)
    seconds = time.perf_counter() - start
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    users, items = ratings.user_ids[:1000], ratings.item_ids[:1000]
    predictions = model.predict(users[: len(items)], items, timestamps=False)
    return {"seconds": seconds, "peak": peak, "digest": hashlib.sha256(predictions.tobytes()).hexdigest()}


def run(*arguments: str) -> dict[str, Any]:
    """`fit` in another process."""
    command = [sys.executable, os.fspath(Path(__file__).resolve()), "--fit", *arguments]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def main() -> None:
    if "--fit" in sys.argv:
        print(json.dumps(fit(*sys.argv[2:])))
        return
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS), help="names, separated by commas")
    parser.add_argument("--part", type=float, default=0.4, help="of the peak in memory, as the limit")
    parser.add_argument("--folder", help="for the shards; by default a temporary one")
    options = parser.parse_args()
    n, n_users, n_items = QUICK if options.quick else SIZE
    facts = measure.machine()
    print(measure.describe(facts), end="\n\n")
    rows, results = [], []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        ratings = cf.datasets.synthetic(n_users, n_items, n, timestamps=True)
        start = time.perf_counter()
        ratings.save_shards(Path(folder, "shards"))
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder, "shards").iterdir())
        print(f"{len(ratings):,} ratings: {size / len(ratings):.1f} bytes a rating on disk, with timestamps, "
              f"ids and counts; written in {seconds:.1f} s", end="\n\n")  # fmt: skip
        del ratings
        for name in options.models.split(","):
            free = run(name, str(Path(folder, "shards")), "0")
            limit = max(int(free["peak"] * options.part), 200 << 20)
            bounded = run(name, str(Path(folder, "shards")), str(limit))
            same = free["digest"] == bounded["digest"]
            rows.append([
                name, f"{free['peak'] / 1e6:.0f}", f"{limit / 1e6:.0f}", f"{bounded['peak'] / 1e6:.0f}",
                f"{free['seconds']:.1f}", f"{bounded['seconds']:.1f}", "same" if same else "OTHER",
            ])  # fmt: skip
            results.append({"model": name, "free": free, "limit": limit, "bounded": bounded, "same": same})
    headings = ["model", "peak MB", "limit MB", "peak MB with it", "s", "s with it", "bits"]
    print(measure.table(headings, rows))
    measure.write(options.json, {"machine": facts, "ratings": n, "bytes": size / n, "results": results})


if __name__ == "__main__":
    main()
