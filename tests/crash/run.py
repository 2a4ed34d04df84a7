"""Kills, interrupts and full disks in numbers: ``python tests/crash/run.py --kills 200 --interrupts 100``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.crash import trials


def main() -> None:
    """Run the trials, and print their counts; an assertion fails where something is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--interrupts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, start = Path(name), time.monotonic()
        counts = trials.Kills(folder, given.seed).run(given.kills)
        print(
            f"kills: {dict(counts)}; nothing lost, no file left, {time.monotonic() - start:.0f} s", flush=True
        )
        waits = sorted(trials.interrupts(folder, given.interrupts, given.seed))
        if waits:
            print(
                f"interrupts: {len(waits)}; until the fit ended: median {waits[len(waits) // 2]:.3f} s, "
                f"longest {waits[-1]:.3f} s; {sum(wait > 1 for wait in waits)} over 1 s; process sound",
                flush=True,
            )
        (folder / "small").mkdir()
        print(f"full disk ({trials.full_disk(folder / 'small')}): errors name the file, old files intact")


if __name__ == "__main__":
    main()
