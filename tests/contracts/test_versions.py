"""Files that earlier versions wrote are loaded, and the models answer as they did then, to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.checkpoints import same
from tests.data_files.make import answers, known_pairs

FOLDER = Path(__file__).parents[1] / "data_files"
VERSIONS = sorted(path.name for path in FOLDER.iterdir() if (path / "expected.json").exists())
FILES = [
    pytest.param(version, path.stem, id=f"{version}-{path.stem}")
    for version in VERSIONS
    for path in sorted((FOLDER / version).glob("*.cf"))
]


#: Models that predict unknown users and items by another rule since 0.2.0, in files of 0.1.0 as well: what
#: 0.1.0 had, biases alone, was worse than the baseline.
CHANGED = {"SVD", "SVDpp", "TimeSVDpp", "Blend"}


def expected(version: str) -> dict[str, dict[str, Any]]:
    """What that version answered, by file."""
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / version / "expected.json").read_text())
    return found


@pytest.mark.parametrize(("version", "name"), FILES)
def test_answers_are_those_of_the_version_that_wrote_it(version: str, name: str) -> None:
    model = cf.load(FOLDER / version / f"{name}.cf")
    assert type(model).__name__ == name.partition("-")[0]
    known = known_pairs(model)
    wanted, found = expected(version)[name], json.loads(json.dumps(answers(model)))
    assert list(found) == list(wanted)
    if "updated" in wanted:  # later ratings are taken by the rules of this version
        updated, (low, high) = np.array(found.pop("updated")), model.scale_
        assert np.isfinite(updated).all()
        assert low <= updated.min() < updated.max() <= high
        wanted.pop("updated")
    if type(model).__name__ in CHANGED:
        assert 0 < known.sum() < len(known)
        for answers_of in (wanted, found):
            for what in ("predict", "dated"):
                answers_of[what] = np.array(answers_of[what])[known].tolist()
    for what, answer in wanted.items():
        assert found[what] == answer, what


@pytest.mark.parametrize(("version", "name"), FILES)
def test_it_is_saved_anew(version: str, name: str, tmp_path: Path) -> None:
    model = cf.load(FOLDER / version / f"{name}.cf")
    model.save(tmp_path / "model")
    same(cf.load(tmp_path / "model"), model)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_file_is_missing(version: str) -> None:
    files = {path.stem for path in (FOLDER / version).glob("*.cf")}
    assert files == set(expected(version))
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 1_000_000


def test_the_first_version_has_all_its_models() -> None:
    assert VERSIONS[0] == "0.1.0"
    assert {name.partition("-")[0] for name in expected("0.1.0")} == {
        "GlobalMean", "Baseline", "ItemKNN", "UserKNN", "SVD", "SVDpp", "TimeSVDpp", "RBM", "Blend",
    }  # fmt: skip
