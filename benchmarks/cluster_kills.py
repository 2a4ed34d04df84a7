"""Fits on a cluster that lose a worker, or the scheduler, at random moments; a part of `cluster.py`."""

from __future__ import annotations

import dataclasses
import faulthandler
import logging
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["KILLS", "differing", "kills", "schedulers"]

#: Models and their hyper-parameters: a fit takes some seconds, so that most kills are in mid-epoch.
KILLS: dict[str, dict[str, Any]] = {
    "SVD": {"n_factors": 32, "n_epochs": 12},
    "ALS": {"n_factors": 32, "n_epochs": 8},
    "BayesianSVD": {"n_factors": 16, "burn_in": 3, "n_samples": 5},
}
#: Workers; seconds after which a fit is taken to hang.
WORKERS, MOST_SECONDS = 3, 400.0


def made(name: str, **more: Any) -> Any:
    import cfcore as cf

    return getattr(cf, name)(**{**KILLS[name], **more}, random_state=0, n_threads=1)


def differing(one: Any, other: Any) -> list[str]:
    """Fields of the states of two fits whose bits differ."""
    found = []
    for field in dataclasses.fields(one._state):
        a, b = (getattr(model._state, field.name) for model in (one, other))
        if isinstance(a, np.ndarray) and a.dtype != object:
            same = a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        else:
            same = repr(a) == repr(b)
        if not same:
            found.append(field.name)
    return found


def fitted(model: Any, train: Any, **options: Any) -> tuple[Any, float]:
    """A model fitted on the cluster, and the seconds; ends the process with a traceback if it hangs."""
    import cfcore as cf

    faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
    start = time.perf_counter()
    found = cf.distributed.fit(model, train, **options)
    faulthandler.cancel_dump_traceback_later()
    return found, time.perf_counter() - start


def kills(cluster_of: Any, train: Any, models: list[str], n_kills: int) -> list[dict[str, Any]]:
    """Fits of which a worker is killed at a random moment; its nanny starts another one."""
    rows = []
    for name in models:
        local, rng = made(name).fit(train), random.Random(0)
        n_killed, n_same, spent = 0, 0, []
        usual = None
        while n_killed < n_kills:  # a nanny gives up a worker that is killed as it starts: a new cluster then
            with cluster_of(WORKERS) as (cluster, client):
                if usual is None:
                    fitted(made(name), train)  # so that workers have imported all modules before
                    usual = fitted(made(name), train)[1]
                while n_killed < n_kills:
                    try:
                        client.wait_for_workers(WORKERS, timeout=30)
                    except TimeoutError:
                        break
                    after = rng.uniform(0, usual)
                    killed = killer(cluster, after, rng)
                    found, each = fitted(made(name), train)
                    if not killed():
                        usual = min(usual, each)
                        continue
                    n_killed += 1
                    n_same += not (differ := differing(local, found))
                    spent.append(each)
                    print(
                        f"{name}: worker {n_killed} killed after {after:.2f} s; {each:.2f} s; "
                        f"{'other bits: ' + ', '.join(differ) if differ else 'same bits'}",
                        file=sys.stderr,
                        flush=True,
                    )
        row = {"model": name, "kills": n_killed, "same": n_same, "usual": usual}
        rows.append({**row, "median": statistics.median(spent), "most": max(spent)})
    return rows


def known(cluster: Any) -> list[int]:
    """Processes of workers that the scheduler knows."""
    workers = cluster.scheduler.workers
    return [
        nanny.process.pid
        for nanny in cluster.workers.values()
        if nanny.worker_address in workers and nanny.process is not None and nanny.process.pid
    ]


def killer(cluster: Any, after: float, rng: random.Random) -> Callable[[], bool]:
    """Kill a worker after some seconds; what is returned tells whether it was, and ends the waiting."""
    done, found = threading.Event(), []

    def kill() -> None:
        if not done.wait(after) and (workers := known(cluster)):
            os.kill(rng.choice(workers), signal.SIGKILL)
            found.append(True)

    thread = threading.Thread(target=kill)
    thread.start()

    def killed() -> bool:
        done.set()
        thread.join()
        return bool(found)

    return killed


@contextmanager
def cluster_of_commands(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """A scheduler and two workers, each started by its command: the scheduler's process, and a client."""
    from distributed import Client

    contact = folder / "scheduler.json"
    contact.unlink(missing_ok=True)
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    given = "--scheduler-file", str(contact), "--no-dashboard"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", *given]
    running = [subprocess.Popen(command, **quiet)]
    try:
        while not contact.exists():
            time.sleep(0.05)
        command = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            "--nthreads",
            "1",
            "--no-nanny",
            *given,
        ]
        for number in range(2):
            own = ["--no-nanny", "--local-directory", str(folder / f"worker-{number}")]
            running.append(subprocess.Popen([*command, *own], **quiet))
        with Client(scheduler_file=str(contact), set_as_default=False, timeout=60) as client:
            client.wait_for_workers(2, timeout=120)
            yield running[0], client
    finally:
        for process in running:
            process.kill()
            process.wait()


def schedulers(train: Any, models: list[str], n_kills: int) -> list[dict[str, Any]]:
    """Fits with ``checkpoint=`` whose scheduler is killed, and that go on with another one."""
    import distributed

    # It tells of the lost scheduler.
    logging.getLogger(distributed.client.__name__).setLevel(logging.CRITICAL)
    logging.getLogger(distributed.utils.__name__).setLevel(logging.CRITICAL)
    rows = []
    for name in models:
        local, rng, n_same, n_left = made(name).fit(train), random.Random(0), 0, []
        for number in range(n_kills):
            with tempfile.TemporaryDirectory(prefix="cfcore-kills-") as place:
                given = Path(place), name, train
                n_done = interrupted(*given, rng.randrange(1, 6), rng.uniform(0, 0.3))
                found, n_more = resumed(*given)
            n_left.append(n_more)
            differ = differing(local, found)
            n_same += not differ
            print(
                f"{name}: scheduler {number + 1} killed after {n_done} epochs; {n_more} more with another; "
                f"{'other bits: ' + ', '.join(differ) if differ else 'same bits'}",
                file=sys.stderr,
                flush=True,
            )
        rows.append({"model": name, "kills": n_kills, "same": n_same, "epochs left": n_left})
    return rows


def interrupted(folder: Path, name: str, train: Any, last: int, after: float) -> int:
    """A fit whose scheduler is killed some seconds after epoch `last`; its epochs."""
    seen: list[int] = []
    with cluster_of_commands(folder) as (scheduler, client):

        def kill(epochs: int, history: Any) -> None:
            seen.append(epochs)
            if epochs == last:
                threading.Timer(after, scheduler.kill).start()
            elif epochs > last:  # the epoch was short
                scheduler.kill()

        try:
            fitted(made(name), train, client=client, checkpoint=folder / "checkpoint", callback=kill)
        except ConnectionError:
            return len(seen)
    raise RuntimeError(f"the fit of {name} was done before its scheduler was killed")


def resumed(folder: Path, name: str, train: Any) -> tuple[Any, int]:
    """The fit of `interrupted`, ended on another cluster, and the epochs that were left."""
    seen: list[int] = []
    with cluster_of_commands(folder) as (_, client):
        found, _ = fitted(
            made(name), train, client=client, checkpoint=folder / "checkpoint",
            callback=lambda epochs, history: seen.append(epochs),
        )  # fmt: skip
    return found, len(seen)
