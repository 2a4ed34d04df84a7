"""Workers on hosts of their own: a worker is cut off from the network in mid-epoch, and comes back.

    sudo python tests/crash/network.py

Hosts are network namespaces, joined by a bridge (Linux, root, `ip`): the scheduler and the fit are in one,
and each of two workers in another. Twice in each fit the link of a worker goes down in mid-epoch: for less
than the scheduler's patience, and for longer. Prints whether the fit has the bits of one in this process.
Exit codes: 1, a fit has other bits; 2, there can be no network namespaces here, as in most containers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
#: Seconds without a sign of life after which the scheduler gives a worker up.
PATIENCE = 10
HOSTS = {"cfcore-s": "10.231.7.1", "cfcore-a": "10.231.7.2", "cfcore-b": "10.231.7.3"}
BRIDGE = "cfcore-br"


def ip(*words: str) -> None:
    """Run a command of `ip`."""
    subprocess.run(["ip", *words], check=True)


def missing() -> str:
    """What this machine lacks for network namespaces; empty if nothing."""
    if sys.platform != "linux":
        return "they are of Linux"
    if shutil.which("ip") is None:
        return "there is no command `ip` (apt-get install iproute2)"
    if os.geteuid() != 0:
        return "they need root: sudo python tests/crash/network.py"
    probe = ["netns", "add", "cfcore-probe"], ["netns", "exec", "cfcore-probe", "true"]
    tried = [subprocess.run(["ip", *words], capture_output=True, text=True, check=False) for words in probe]
    tried.append(subprocess.run(["ip", "link", "add", "cfcore-probe", "type", "bridge"], capture_output=True,
                                text=True, check=False))  # fmt: skip
    for words in (["link", "del", "cfcore-probe"], ["netns", "del", "cfcore-probe"]):
        subprocess.run(["ip", *words], check=False, stderr=subprocess.DEVNULL)
    return next((one.stderr.strip() or "refused" for one in tried if one.returncode), "")


def set_up() -> None:
    """Make the namespaces and the bridge."""
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("link", "set", BRIDGE, "up")
    for host, address in HOSTS.items():
        ip("netns", "add", host)
        ip("link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", host)
        ip("link", "set", host, "master", BRIDGE, "up")
        ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", host, "link", "set", "eth0", "up")
        ip("-n", host, "link", "set", "lo", "up")


def tear_down() -> None:
    """Remove them."""
    gone = [["netns", "del", host] for host in HOSTS] + [["link", "del", name] for name in (*HOSTS, BRIDGE)]
    for words in gone:
        subprocess.run(["ip", *words], check=False, stderr=subprocess.DEVNULL)


def on(host: str, *command: str) -> subprocess.Popen[bytes]:
    """Start a command of this Python on a host."""
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{PATIENCE}s",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    }  # fmt: skip
    return subprocess.Popen(
        ["ip", "netns", "exec", host, sys.executable, *command], env=environment,
        stderr=subprocess.DEVNULL if command[0] == "-m" else None,
    )  # fmt: skip


def keep(running: list[subprocess.Popen[Any]], host: str, command: tuple[str, ...]) -> None:
    """Start a worker, and again when it ends, as it does when the scheduler has given it up."""
    while True:
        running.append(on(host, *command))
        running[-1].wait()
        time.sleep(1)


def fit(contact: str) -> None:
    """Fit on the cluster, cut workers off, and compare; runs on the scheduler's host."""
    from distributed import Client

    import cfcore as cf
    from cfcore.distributed import fit_blocks

    fit_blocks.LATENCY = 0.0
    train = cf.datasets.synthetic(2_000, 400, 100_000)
    fits: dict[str, dict[str, Any]] = {
        "SVD": {"n_factors": 32, "n_epochs": 16},
        "ALS": {"n_factors": 32, "n_epochs": 16},
        "BayesianSVD": {"n_factors": 16, "burn_in": 4, "n_samples": 12},
    }
    differ = 0
    with Client(contact, timeout=60) as client:
        client.wait_for_workers(2, timeout=60)
        for name, params in fits.items():
            local = getattr(cf, name)(random_state=0, **params).fit(train)
            cuts: list[float] = []

            def cut(epochs: int, history: Any, cuts: list[float] = cuts) -> None:
                seconds = {3: 2.0, 8: 1.5 * PATIENCE}.get(epochs)
                if seconds is not None:
                    cuts.append(seconds)
                    host = list(HOSTS)[len(cuts)]
                    threading.Timer(0.05, cut_off, (host, seconds)).start()

            start = time.perf_counter()
            model = cf.distributed.fit(
                getattr(cf, name)(random_state=0, **params), train, client=client, callback=cut
            )
            seconds = time.perf_counter() - start
            same = all(
                np.array_equal(getattr(model, field), getattr(local, field))
                for field in ("user_factors_", "item_factors_", "user_bias_", "item_bias_")
            )
            told = " and ".join(f"{each:g}" for each in cuts)
            print(
                f"{name}: workers cut off for {told} s, fitted in {seconds:.1f} s, same bits: {same}",
                flush=True,
            )
            differ += not same
            # Until the second cut is over, whether or not the fit has waited for that.
            time.sleep(1.5 * PATIENCE)
            client.wait_for_workers(2, timeout=120)
    sys.exit(1 if differ else 0)


def cut_off(host: str, seconds: float) -> None:
    """Take the link of a host down for some seconds; asks the parent process, which has the other end."""
    print(f"cut {host} {seconds}", file=sys.stderr, flush=True)


def main() -> None:
    """Set up, run, tear down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", metavar="ADDRESS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        fit(options.fit)
        return
    if lacking := missing():
        print(f"no network namespaces here: {lacking}", file=sys.stderr)
        sys.exit(2)
    tear_down()
    running: list[subprocess.Popen[Any]] = []
    try:
        set_up()
        contact = f"tcp://{HOSTS['cfcore-s']}:8786"
        running.append(
            on(
                "cfcore-s",
                "-m",
                "distributed.cli.dask_scheduler",
                "--host",
                HOSTS["cfcore-s"],
                "--no-dashboard",
            )
        )
        options = "--nthreads", "1", "--no-dashboard", "--local-directory"
        for host in list(HOSTS)[1:]:
            given = ["--host", HOSTS[host], *options, tempfile.mkdtemp()]
            command = "-m", "distributed.cli.dask_worker", contact, *given
            threading.Thread(target=keep, args=(running, host, command), daemon=True).start()
        here = subprocess.Popen(
            ["ip", "netns", "exec", "cfcore-s", sys.executable, __file__, "--fit", contact],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(here)
        assert here.stderr is not None
        for line in here.stderr:
            words = line.split()
            if words[:1] == ["cut"] and len(words) == 3:
                ip("link", "set", words[1], "down")
                back = threading.Timer(float(words[2]), ip, ("link", "set", words[1], "up"))
                back.daemon = True
                back.start()
            elif "Traceback" in line or "Error" in line:
                print(line, end="", file=sys.stderr)
        sys.exit(here.wait())
    finally:
        for process in running:
            process.kill()
        tear_down()


if __name__ == "__main__":
    main()
