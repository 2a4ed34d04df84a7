"""Pickles of scikit-surprise, whose classes and attributes are others, become algorithms of this package."""

from __future__ import annotations

import pickle
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cfcore.surprise as surprise
from cfcore.surprise import dump

ROWS = [("a", "x", 3.0), ("a", "y", 4.0), ("b", "x", 5.0), ("b", "z", 1.0), ("c", "y", 2.0), ("c", "x", 4.0)]
WHERE = {"Trainset": "trainset", "SVD": "prediction_algorithms.matrix_factorization"}


def stand_in(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A class that pickles under the name that a class has in scikit-surprise."""
    path = f"surprise.{WHERE.get(name, 'prediction_algorithms.knns')}"
    module = sys.modules.get(path) or ModuleType(path)
    kind = type(name, (), {"__module__": path})
    setattr(module, name, kind)
    monkeypatch.setitem(sys.modules, path, module)
    parts = path.split(".")
    for end in range(1, len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(".".join(parts[:end])))
    return kind()


def pickled(algo: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a fitted algorithm with the attributes that it has in scikit-surprise."""
    trainset, found = algo.trainset, stand_in("Trainset", monkeypatch)
    ur, ir = defaultdict(list, trainset.ur), defaultdict(list, trainset.ir)
    ids = trainset.inner_ids()
    sizes = {name: getattr(trainset, name) for name in ("n_users", "n_items", "n_ratings", "rating_scale")}
    raw = {"_raw2inner_id_users": ids["users"], "_raw2inner_id_items": ids["items"]}
    computed_later = dict.fromkeys(["_global_mean", "_inner2raw_id_users", "_inner2raw_id_items"])
    vars(found).update({"ur": ur, "ir": ir} | sizes | raw | computed_later)
    made = stand_in(type(algo).__name__, monkeypatch)
    kept = {name: value for name, value in vars(algo).items() if name not in ("_kept", "_own_lists")}
    vars(made).update(kept | {"trainset": found})
    if isinstance(algo, surprise.KNNBasic):
        made.xr, made.yr = algo.switch(ur, ir)
    with path.open("wb") as file:
        pickle.dump({"predictions": None, "algo": made}, file)
    monkeypatch.undo()


@pytest.mark.parametrize(
    "algo",
    [
        surprise.SVD(n_factors=2, random_state=0),
        surprise.KNNBasic(verbose=False),
        surprise.KNNBasic(verbose=False, sim_options={"user_based": False}),
    ],
)
def test_a_pickle_of_scikit_surprise(algo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(*row, None) for row in ROWS]
    trainset = surprise.Dataset(surprise.Reader()).construct_trainset(rows)
    algo.fit(trainset)
    pickled(algo, tmp_path / "theirs", monkeypatch)
    assert "surprise" not in sys.modules
    _, loaded = dump.load(tmp_path / "theirs", pickle=True)
    assert type(loaded) is type(algo)
    pairs = [*ROWS, *trainset.build_anti_testset(), ("unknown", "x", 1.0)]
    assert loaded.test(pairs) == algo.test(pairs) == [loaded.predict(*pair) for pair in pairs]
    assert loaded.trainset.ur == trainset.ur
    assert loaded.trainset.global_mean == trainset.global_mean
    assert loaded.fit(loaded.trainset).test(pairs) == algo.test(pairs)
    # From here on, no pickle is needed.
    dump.dump(tmp_path / "ours", algo=loaded)
    _, again = dump.load(tmp_path / "ours")
    assert again.test(pairs) == algo.test(pairs)
