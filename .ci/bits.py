"""A hash of the predictions and lists of each model, to compare builds: compilers, processors, wheels.

    python .ci/bits.py                        # all models
    python .ci/bits.py SVD RBM > other.txt    # some of them
    CFCORE_SIMD=baseline python .ci/bits.py

On one machine all have the same bits at any SIMD level. On another, so do all but what calls exp and log of
the C library, NumPy or BLAS: predictions by RBM differ in the last bits where the processor has no FMA, as
glibc has another exp for it.
"""

from __future__ import annotations

import hashlib
import sys

import numpy as np

import cfcore as cf
from cfcore.config import config
from cfcore.registry import ENTRIES


def columns() -> tuple[np.ndarray, ...]:
    """Users, items, ratings and times, without a number that a library rounds."""
    rng = np.random.default_rng(0)
    cells = rng.choice(150 * 100, 5_000, replace=False)
    return cells // 100, cells % 100, rng.integers(1, 6, 5_000).astype(np.float32), cells * 3600


def bits(entry: object) -> str:
    """Hash of what a model answers."""
    kind = entry.load()
    settings = dict(entry.small)
    names = kind.default_params()
    settings |= {"n_threads": 2} if "n_threads" in names else {}
    settings |= {"random_state": 0} if "random_state" in names else {}
    data = columns()
    model = kind(**settings).fit(data)
    digest = hashlib.sha256()
    digest.update(np.asarray(model.predict(data[0], data[1], data[3]), dtype=np.float64).tobytes())
    lists = model.recommend(list(range(40)), 5)
    for one in lists[:2]:
        digest.update(np.ascontiguousarray(one).tobytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    facts = config()
    print(f"# {cf.__file__} {facts}", file=sys.stderr)
    for entry in ENTRIES:
        if entry.name not in ("Blend", "Ranker") and (not sys.argv[1:] or entry.name in sys.argv[1:]):
            print(entry.name, bits(entry), flush=True)
