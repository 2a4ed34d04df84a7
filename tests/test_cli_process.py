"""The command line among other processes: pipes, closed streams, full disks, signals, exit codes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cfcore as cf

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of POSIX")

COMMAND = shlex.join([sys.executable, "-m", "cfcore"])


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which `cfcore` is the command."""
    script = f'cfcore() {{ {COMMAND} "$@"; }}; set -o pipefail; {line}'
    own = {**os.environ, "PYTHONPATH": str(Path(cf.__file__).parents[1]), **environment}
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=own, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings, a model, and many pairs."""
    path = tmp_path_factory.mktemp("process")
    ratings = cf.datasets.synthetic(60, 40, 900, random_state=0)
    rows = zip(ratings.users, ratings.items, ratings.values, strict=True)
    (path / "ratings.csv").write_text("user,item,rating\n" + "".join(f"{u},{i},{v:g}\n" for u, i, v in rows))
    cf.Baseline().fit(ratings).save(path / "m.cf")
    (path / "pairs.csv").write_text("user,item\n" + "".join(f"{k % 60},{k % 40}\n" for k in range(150_000)))
    return path


def test_a_reader_that_ends_early_ends_the_command_without_a_word(folder: Path) -> None:
    done = shell("cfcore predict m.cf pairs.csv | head -n 2", folder)
    assert done.stdout.startswith("user,item,prediction")
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "line",
    ["cfcore predict m.cf pairs.csv > /dev/full", "cfcore info m.cf > /dev/full",
     "cfcore recommend m.cf 1 --out /dev/full", "cfcore fit ratings.csv -m baseline --out /dev/full"],
)  # fmt: skip
def test_a_full_disk_is_told_in_a_line(folder: Path, line: str) -> None:
    done = shell(line, folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("cfcore predict m.cf pairs.csv >&-", 1, "cfcore: standard output is closed\n"),
        ("cfcore predict m.cf - <&-", 1, "cfcore: standard input is closed: there is nothing to read\n"),
        ("cfcore info m.cf 2>&-", 0, ""),
        ("cfcore recommend m.cf 9999 -n 1 2>&-", 0, ""),
    ],
)
def test_closed_streams(folder: Path, line: str, code: int, message: str) -> None:
    done = shell(line, folder)
    assert (done.returncode, done.stderr) == (code, message)


def test_ctrl_c_and_termination_leave_no_file(folder: Path, tmp_path: Path) -> None:
    for number, code, message in ((signal.SIGINT, 130, "cfcore: interrupted\n"), (signal.SIGTERM, 143, "")):
        process = subprocess.Popen(
            [sys.executable, "-m", "cfcore", "predict", folder / "m.cf", "-", "-o", tmp_path / "p.csv"],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write("user,item\n" + "1,2\n" * 150_000)
        process.stdin.flush()
        until = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < until:  # the first rows are being written
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (code, message)
        assert list(tmp_path.iterdir()) == []


def test_names_that_are_no_text(folder: Path, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/m\xff.cf"
    arguments = [sys.executable, "-m", "cfcore", "fit", folder / "ratings.csv", "-m", "baseline", "-o", name]
    done = subprocess.run(arguments, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert os.path.exists(name)
    missing = subprocess.run(
        [sys.executable, "-m", "cfcore", "info", name + b"x"], capture_output=True, timeout=60, check=False
    )
    assert missing.returncode == 2
    assert missing.stderr.count(b"\n") == 1
