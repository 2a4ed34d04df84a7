"""`load`: which class a file holds. That every model is loaded as it was saved is in contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import codec


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    cf.GlobalMean().fit(([1, 2], ["a", "b"], [3.0, 4.0])).save(tmp_path / "model")
    return tmp_path / "model"


def rewrite(path: Path, **changes: Any) -> None:
    """A file that is whole, but holds something else."""
    header, arrays = codec.read(path)
    for name, value in changes.items():
        target = header if name in header else arrays
        if value is None:
            del target[name]
        else:
            target[name] = value
    codec.write(path, header, arrays)


@pytest.mark.parametrize("name", ["os.system", "MODULES", "nothing", "", 3, ["GlobalMean"], "base"])
def test_only_models_are_made(saved: Path, name: Any) -> None:
    rewrite(saved, **{"class": name})
    with pytest.raises(cf.FileFormatError, match="model"):
        cf.load(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"class": None},
        {"params": {"x": 1}},
        {"params": None},
        {"scalars": {}},
        {"scalars": None},
        {"absent": 3},
        {"user_ids_": None},
        {"user_counts_": np.ones(5, dtype=np.int64)},
        {"seen_indptr_": np.zeros(1, dtype=np.int64)},
    ],
    ids=str,
)
def test_incomplete_models_are_refused(saved: Path, changes: dict[str, Any]) -> None:
    rewrite(saved, **changes)
    with pytest.raises(cf.FileFormatError, match="model"):
        cf.load(saved)


def test_not_a_model(tmp_path: Path) -> None:
    codec.write(tmp_path / "file", {}, {"x": np.arange(3)})
    with pytest.raises(cf.FileFormatError, match="file"):
        cf.load(tmp_path / "file")


def test_saving_replaces(saved: Path) -> None:
    cf.GlobalMean().fit(([1], [1], [1.0])).save(saved)
    assert cf.load(saved).mean_ == 1.0
