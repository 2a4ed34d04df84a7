"""Checkpoints that hold something else, and checkpoints that another fit is using."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import codec
from tests.checkpoints import broken_off, same
from tests.contracts.conftest import make, numbers
from tests.resealing import chosen, sealed

RATINGS = cf.Ratings(*numbers(12, 9, 60))
HELD_OUT = cf.Ratings(*numbers(12, 9, 30, seed=1))
KINDS = ("Baseline-sgd", "SVD", "SVDpp", "TimeSVDpp", "AsymmetricSVD", "RBM")


@pytest.mark.filterwarnings("ignore::cfcore.ConvergenceWarning")
@pytest.mark.parametrize("name", KINDS)
def test_altered_checkpoints(name: str, tmp_path: Path) -> None:
    """Each alteration is refused by the field, or is another fit's, or the fit goes on to finite numbers."""
    path, model = tmp_path / "run", make(name)
    model.set_params(n_epochs=3)
    given: dict[str, Any] = {"validation": HELD_OUT, "early_stopping": 2}
    broken_off(path, model.clone(), RATINGS, **given)
    content = codec.read(path)
    refused = 0
    for label, (header, arrays) in chosen(content, 250, seed=1):
        try:
            sealed(path, header, arrays)
        except (AttributeError, TypeError):
            continue
        try:
            model.clone().fit(RATINGS, checkpoint=path, **given).predict(HELD_OUT)
        except Exception as error:
            if not isinstance(error, (cf.FileFormatError, cf.DataError)) or str(path) not in str(error):
                pytest.fail(f"{label}: {type(error).__name__}: {error}")
            refused += 1
    assert refused > 100


FIT = """
import sys
import cfcore as cf
from tests.contracts.conftest import numbers
def wait(epochs, history):
    if epochs == 2:
        print("here", flush=True)
        sys.stdin.read()
model = cf.Baseline(method="sgd", n_epochs=4, random_state=0)
model.fit(numbers(12, 9, 60), checkpoint=sys.argv[1], callback=wait)
"""


def started(path: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", FIT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    return process


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_a_second_fit_is_told_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "run"
    (tmp_path / "link").symlink_to("run")
    model = cf.Baseline(method="sgd", n_epochs=4, random_state=0)
    whole = model.clone().fit(RATINGS)
    with started(path) as first:
        before = sorted(tmp_path.iterdir())
        for other in (path, tmp_path / "link"):
            with pytest.raises(OSError, match=f"in use by a fit in process {first.pid} on") as caught:
                model.fit(RATINGS, checkpoint=other)
            assert caught.value.filename == str(other)
        assert sorted(tmp_path.iterdir()) == before
        first.communicate()
        assert first.returncode == 0
    same(model.fit(RATINGS, checkpoint=path), whole)
    with started(tmp_path / "killed") as second:
        second.kill()
        second.wait(10)
    same(model.fit(RATINGS, checkpoint=tmp_path / "killed"), whole)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["killed", "link", "run"]


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_fits_of_threads_do_not_share_a_checkpoint(tmp_path: Path) -> None:
    path, found = tmp_path / "run", []

    def refused() -> None:
        with pytest.raises(OSError, match="in use") as caught:
            fit()
        found.append(str(caught.value))

    def second(epochs: int, history: dict[str, list[float]]) -> None:
        if epochs == 2:
            thread = threading.Thread(target=refused)
            thread.start()
            thread.join(20)

    def fit(**given: Any) -> None:
        cf.Baseline(method="sgd", n_epochs=4, random_state=0).fit(RATINGS, checkpoint=path, **given)

    fit(callback=second)
    assert f"process {os.getpid()}" in found[0]
    fit()
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_a_fit_that_fails_frees_the_checkpoint(tmp_path: Path) -> None:
    path, model = tmp_path / "run", cf.Baseline(method="sgd", n_epochs=4, random_state=0)
    broken_off(path, model.clone(), RATINGS)
    for _ in range(2):
        with pytest.raises(cf.DataError, match="another fit"):
            model.clone().set_params(lr=0.5).fit(RATINGS, checkpoint=path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    model.fit(RATINGS, checkpoint=path)


def test_a_place_that_cannot_be_written_is_said_before_the_fit(tmp_path: Path) -> None:
    def never(epochs: int, history: dict[str, list[float]]) -> None:
        raise AssertionError("an epoch was trained")

    for path, said in ((tmp_path, "directory"), (tmp_path / "nothing" / "run", "no folder .*nothing")):
        with pytest.raises(OSError, match=said):
            cf.Baseline(n_epochs=2).fit(RATINGS, checkpoint=path, callback=never)


def test_numbers_of_live_arrays(tmp_path: Path) -> None:
    path, model = tmp_path / "run", cf.SVD(n_factors=2, n_epochs=4, random_state=0)
    broken_off(path, model.clone(), RATINGS)
    header, arrays = codec.read(path)
    factors = arrays["state.user_factors_"].copy()
    factors[0, 0] = np.nan
    # A fit that has stopped without kept arrays takes the live ones too.
    for header["state"]["stop"] in (False, True):
        codec.write(path, header, {**arrays, "state.user_factors_": factors})
        with pytest.raises(cf.FileFormatError, match=r"run: user_factors.* not finite"):
            model.fit(RATINGS, checkpoint=path)


@pytest.mark.parametrize("wrong", [5, b"run", io.BytesIO()])
def test_what_is_no_path_is_refused_by_the_name_of_the_argument(wrong: Any) -> None:
    ratings = cf.datasets.synthetic(20, 10, 80, random_state=0)
    with pytest.raises(TypeError, match=f"^checkpoint must be a path, not {type(wrong).__name__}$"):
        cf.SVD(n_factors=2, n_epochs=1).fit(ratings, checkpoint=wrong)
