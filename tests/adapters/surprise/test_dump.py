"""Files of algorithms and predictions: no pickles, and no code that runs at loading."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
import cfcore.surprise as surprise
from cfcore import codec
from cfcore.surprise import dump

ALGORITHMS = [
    "BaselineOnly", "CoClustering", "KNNBaseline", "KNNBasic", "KNNWithMeans", "KNNWithZScore", "NMF",
    "NormalPredictor", "SVD", "SVDpp", "SlopeOne",
]  # fmt: skip
QUIET: dict[str, dict[str, Any]] = {name: {"verbose": False} for name in ALGORITHMS}
QUIET["NormalPredictor"] = QUIET["SlopeOne"] = {}


def trainset_of(users: Any) -> surprise.Trainset:
    rng = np.random.default_rng(0)
    rows = [(users(user), item, float(rng.integers(1, 6)), None) for user in range(20) for item in range(30)]
    kept = [rows[row] for row in rng.permutation(600)[:250]]
    return surprise.Dataset(surprise.Reader()).construct_trainset(kept)


@pytest.fixture(scope="module")
def trainset() -> surprise.Trainset:
    return trainset_of(lambda user: f"u{user}")


def predictions_of(algo: Any, trainset: surprise.Trainset) -> list[Any]:
    np.random.seed(0)  # noqa: NPY002  # NormalPredictor draws from it
    pairs = [
        *trainset.build_testset(),
        *trainset.build_anti_testset()[:50],
        ("unknown", 3, 4.0),
        ("u1", -1, 2.0),
    ]
    found: list[Any] = algo.test(pairs)
    return found


@pytest.mark.parametrize("name", [*ALGORITHMS, "SVD on cfcore", "KNNBaseline on cfcore"])
def test_algorithms_come_back(name: str, trainset: surprise.Trainset, tmp_path: Path) -> None:
    name, _, engine = name.partition(" on ")
    options = QUIET[name] | ({"engine": engine} if engine else {})
    algo = getattr(surprise, name)(**options).fit(trainset)
    predictions = predictions_of(algo, trainset)
    dump.dump(tmp_path / "file", predictions, algo)
    start = (tmp_path / "file").read_bytes()
    assert not start.startswith(b"\x80")
    assert b"__reduce__" not in start
    assert b"cfcore.adapters" not in start  # no name of a module to import
    kept, loaded = dump.load(tmp_path / "file")
    assert kept == predictions
    assert type(loaded) is type(algo)
    assert predictions_of(loaded, trainset) == predictions
    assert loaded.trainset.build_testset() == trainset.build_testset()
    assert loaded.trainset.to_raw_uid(3) == trainset.to_raw_uid(3)
    one = predictions_of(algo, trainset)[0]
    if name != "NormalPredictor":
        assert loaded.predict(one.uid, one.iid, one.r_ui) == one
    if name == "SVD":
        assert loaded.to_cfcore().predict(["u1"], [3]) == algo.to_cfcore().predict(["u1"], [3]) or not engine
    # And it can be fitted again.
    assert len(loaded.fit(trainset).test([("u1", 3, 4.0)])) == 1


def test_what_is_left_out_comes_back_as_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump.dump(tmp_path / "file")
    assert dump.load(tmp_path / "file") == (None, None)
    dump.dump(str(tmp_path / "file"), [], verbose=1)
    assert dump.load(str(tmp_path / "file")) == ([], None)
    assert capsys.readouterr().out == f"The dump has been saved as file {tmp_path / 'file'}\n"
    for method in (dump.dump, dump.load):
        with pytest.raises(FileNotFoundError):
            method(tmp_path / "nowhere" / "file")


@pytest.mark.parametrize(
    "ids", [int, float, str, lambda user: (user, "x"), lambda user: str(user) if user % 2 else user]
)
def test_ids_of_any_type(ids: Any, tmp_path: Path) -> None:
    trainset = trainset_of(ids)
    algo = surprise.SVD(n_epochs=1, random_state=np.random.RandomState(3)).fit(trainset)
    predictions = algo.test(trainset.build_testset())
    dump.dump(tmp_path / "file", predictions, algo)
    kept, loaded = dump.load(tmp_path / "file")
    assert kept == predictions
    assert loaded.test(trainset.build_testset()) == predictions
    assert type(loaded.trainset.to_raw_uid(0)) is type(trainset.to_raw_uid(0))
    assert np.array_equal(algo.fit(trainset).pu, loaded.fit(trainset).pu)  # the generator goes on as here


def test_predictions_of_any_kind(tmp_path: Path) -> None:
    rows = [
        surprise.Prediction("a", 1, None, 3, {"was_impossible": True, "reason": "no"}),
        surprise.Prediction(
            2, (1, 2), 4.0, 2.5, {"actual_k": 3, "was_impossible": False, "of": [1, {"x": None}]}
        ),
    ]
    dump.dump(tmp_path / "file", rows)
    kept, _ = dump.load(tmp_path / "file")
    assert kept == rows
    assert str(kept[0]) == str(rows[0])
    assert [type(row.est) for row in kept] == [type(row.est) for row in rows]
    kept[0].details["x"] = 1
    assert "x" not in kept[1].details


def test_estimates_keep_their_types(tmp_path: Path) -> None:
    for estimates in ([np.float64(2.5), np.float64(3.0)], [np.float64(2.5), 5, 1.0], [2**60, 1.5]):
        rows = [surprise.Prediction("a", item, 4.0, est, {}) for item, est in enumerate(estimates)]
        dump.dump(tmp_path / "file", rows)
        kept, _ = dump.load(tmp_path / "file")
        assert repr(kept) == repr(rows)


class Own(surprise.AlgoBase):
    """An algorithm of one's own."""

    def estimate(self, u: Any, i: Any) -> float:
        return 3.0


def test_own_algorithms_need_a_pickle(trainset: surprise.Trainset, tmp_path: Path) -> None:
    algo = Own().fit(trainset)
    with pytest.raises(
        TypeError, match=r"Own is not one of the built-in algorithms; dump\(\.\.\., pickle=True\)"
    ):
        dump.dump(tmp_path / "file", algo=algo)
    assert not (tmp_path / "file").exists()
    with pytest.warns(UserWarning, match="is a pickle.*loading it runs the code in it"):
        dump.dump(tmp_path / "file", algo=algo, pickle=True)
    with pytest.raises(cf.FileFormatError, match=r"a pickle.*load\(\.\.\., pickle=True\)"):
        dump.load(tmp_path / "file")
    _, loaded = dump.load(tmp_path / "file", pickle=True)
    assert loaded.predict("u1", 3).est == 3.0
    # Its predictions need none, unless details do.
    dump.dump(tmp_path / "file", algo.test(trainset.build_testset()))
    with pytest.raises(TypeError, match=r"x: array\(\[0, 1\]\).*pickle=True"):
        dump.dump(tmp_path / "file", [surprise.Prediction("a", 1, None, 3, {"x": np.arange(2)})])


def test_subclasses_of_built_in_algorithms_are_own(trainset: surprise.Trainset, tmp_path: Path) -> None:
    class SVD(surprise.SVD):
        pass

    with pytest.raises(TypeError, match="SVD is not one of the built-in algorithms"):
        dump.dump(tmp_path / "file", algo=SVD(n_epochs=1).fit(trainset))


class Evil:
    """Pickles as a call that leaves a trace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_is_run(protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "file").write_bytes(pickle.dumps({"predictions": None, "algo": Evil(trace)}, protocol))
    with pytest.raises(cf.FileFormatError):
        dump.load(tmp_path / "file")
    assert not trace.exists()
    dump.load(tmp_path / "file", pickle=True)
    assert trace.exists()


def test_other_and_damaged_files(trainset: surprise.Trainset, tmp_path: Path) -> None:
    path = tmp_path / "file"
    cf.Baseline().fit((["a"], ["b"], [3])).save(path)
    with pytest.raises(cf.FileFormatError, match=r"not a file that surprise\.dump wrote"):
        dump.load(path)
    dump.dump(path, algo=surprise.SVD(n_epochs=1).fit(trainset))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(cf.FileFormatError):
        dump.load(path)
    path.write_bytes(b"")
    with pytest.raises(cf.FileFormatError):
        dump.load(path)


def strange(array: Any) -> Iterator[Any]:
    """Arrays in place of one: of another length or dtype, and with other numbers."""
    yield array[: len(array) // 2]
    if array.dtype.kind in "fi":
        yield array.astype(np.float32)
        yield np.full_like(array, 10**6)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_strange_arrays_under_a_right_checksum(
    name: str, trainset: surprise.Trainset, tmp_path: Path
) -> None:
    """They are refused when the file is read, or the algorithm predicts with them."""
    path = tmp_path / "file"
    dump.dump(path, algo=getattr(surprise, name)(**QUIET[name]).fit(trainset))
    header, arrays = codec.read(path)
    pairs = trainset.build_testset()[:20]
    refused = 0
    for key, array in arrays.items():
        for changed in strange(array.reshape(-1) if not array.ndim else array):
            try:
                codec.write(path, header, arrays | {key: changed})
                loaded = dump.load(path)[1]
            except (cf.FileFormatError, TypeError):
                refused += 1
                continue
            assert len(loaded.test(pairs)) == 20
            assert loaded.trainset.n_ratings == trainset.n_ratings
    assert refused > len(arrays)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"class": "SVD"', '"class": "Own"'),
        ('"class": "SVD"', '"class": ["SVD"]'),
        ('"engine": "surprise"', '"engine": "os"'),
        ('"sizes": [20, 30', '"sizes": [2, 30'),
        ('"sizes": [20, 30', '"sizes": [20, 3'),
        ('"$trainset"', '"$other"'),
        ('{"$array": "', '{"$array": "x'),
    ],
)
def test_changed_content_under_a_right_checksum(
    trainset: surprise.Trainset, tmp_path: Path, old: str, new: str
) -> None:
    path = tmp_path / "file"
    dump.dump(path, algo=surprise.SVD(n_epochs=1).fit(trainset))
    header, arrays = codec.read(path)
    text = json.dumps(header)
    assert old in text
    codec.write(path, json.loads(text.replace(old, new)), arrays)
    with pytest.raises(cf.FileFormatError, match=r"not a file that surprise\.dump wrote"):
        dump.load(path)
