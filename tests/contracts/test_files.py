"""Files, pickles and copies: the same predictions to the bit, and damage refused."""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import codec, tensor_file
from tests.contracts.conftest import plain


def assert_same(model: Any, other: Any, test: cf.Ratings) -> None:
    assert type(other) is type(model)
    assert plain(other.get_params()) == plain(model.get_params())
    assert other.history_ == model.history_
    assert other.scale_ == model.scale_
    assert other.user_ids_.dtype == model.user_ids_.dtype
    users, items = np.append(test.users, [-99, test.users[0]]), np.append(test.items, [test.items[0], -99])
    np.testing.assert_array_equal(other.predict(users, items), model.predict(users, items))
    for given, expected in zip(
        other.recommend(test.users[0], n=8), model.recommend(test.users[0], n=8), strict=True
    ):
        np.testing.assert_array_equal(given, expected)
    try:
        expected = model.similar_items(test.items[0])
    except TypeError:
        return
    for given, wanted in zip(other.similar_items(test.items[0]), expected, strict=True):
        np.testing.assert_array_equal(given, wanted)


def test_save_and_load(fitted: Any, test: cf.Ratings, tmp_path: Path) -> None:
    path = tmp_path / "model.cfcore"
    fitted.save(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.cfcore"]
    loaded = cf.load(path)
    assert_same(fitted, loaded, test)
    # Saved again it gives the same file, and it can be fitted again.
    loaded.save(str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    loaded.fit(test)


def test_load_from_a_map(
    fitted: Any, test: cf.Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_file, "SMALL", 1)  # all arrays
    path = tmp_path / "model.cfcore"
    fitted.save(path)
    content = path.read_bytes()
    loaded = cf.load(path, memory_map=True)
    assert_same(fitted, loaded, test)
    # The file may be replaced, also by the model itself, and removed: the map is of the old one.
    loaded.save(path)
    assert path.read_bytes() == content
    path.unlink()
    assert_same(fitted, copy.deepcopy(loaded), test)
    assert_same(fitted, pickle.loads(pickle.dumps(loaded)), test)
    loaded.fit(test)


def test_copies(fitted: Any, test: cf.Ratings) -> None:
    assert_same(fitted, copy.deepcopy(fitted), test)
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        assert_same(fitted, pickle.loads(pickle.dumps(fitted, protocol)), test)


def test_joblib_memory_map(fitted: Any, test: cf.Ratings, tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    joblib.dump(fitted, tmp_path / "model.joblib")
    assert_same(fitted, joblib.load(tmp_path / "model.joblib", mmap_mode="r"), test)


def test_unfitted_copies(model: Any) -> None:
    assert plain(pickle.loads(pickle.dumps(model)).get_params()) == plain(model.get_params())
    assert plain(copy.deepcopy(model).get_params()) == plain(model.get_params())


def test_string_ids_are_kept(model: Any, tmp_path: Path) -> None:
    users, items = ["ann", "bob", "bob", "çelik"], ["x", "x", "物語", "物語"]
    model.fit((users, items, [1.0, 2.0, 3.0, 5.0], [0, 0, 90_000, 0])).save(tmp_path / "model")
    loaded = cf.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.user_ids_, model.user_ids_)
    assert loaded.item_ids_.dtype == model.item_ids_.dtype
    np.testing.assert_array_equal(loaded.predict(users, items), model.predict(users, items))


def test_no_pickle_inside(fitted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("unpickling")

    fitted.save(tmp_path / "model")
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    cf.load(tmp_path / "model")


def test_damage_is_refused(fitted: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    fitted.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for cut in [0, 1, 7, 8, 9, *rng.integers(10, len(whole), 8).tolist(), len(whole) - 1]:
        path.write_bytes(whole[:cut])
        with pytest.raises(cf.FileFormatError, match="model"):
            cf.load(path)
    for position in [0, 8, *rng.integers(9, len(whole), 25).tolist(), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(cf.FileFormatError, match="model"):
            cf.load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(cf.FileFormatError):
        cf.load(path)


def test_arrays_of_other_shapes_are_refused(fitted: Any, tmp_path: Path) -> None:
    """A file can be whole and still be made up."""
    path = tmp_path / "model"
    fitted.save(path)
    header, arrays = codec.read(path)
    for name, array in arrays.items():
        if not array.size:
            continue
        made_up = {"short": array[: len(array) // 2]}
        if array.ndim > 1:
            made_up |= {
                "flat": array.reshape(-1),
                "turned": array.reshape(*array.shape[:-2], -1, array.shape[-2]),
            }
        for other in made_up.values():
            if other.shape == array.shape:
                continue
            codec.write(path, header, arrays | {name: other})
            with pytest.raises(cf.FileFormatError, match="model"):
                cf.load(path)


def test_numbers_that_do_not_belong_together_harm_nothing(
    fitted: Any, test: cf.Ratings, tmp_path: Path
) -> None:
    """Codes and bounds out of range are refused, or fail later; nothing outside of an array is read."""
    path = tmp_path / "model"
    fitted.save(path)
    header, arrays = codec.read(path)
    for name, array in arrays.items():
        if not array.size or array.dtype.kind != "i":
            continue
        top = np.iinfo(array.dtype).max
        for other in (np.full_like(array, top), np.full_like(array, -5), array + 10**6):
            codec.write(path, header, arrays | {name: other})
            try:
                loaded = cf.load(path)
                loaded.predict(test)
                loaded.recommend(test.users[0])
                loaded.similar_items(test.items[0])
            except (ValueError, IndexError, TypeError):
                pass


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    archive = io.BytesIO()
    np.savez(archive, x=np.arange(3))
    for content in (b"", b"hello", pickle.dumps({"a": 1}), archive.getvalue(), b"\xff" * 64, bytes(100)):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(cf.FileFormatError, match="other"):
            cf.load(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        cf.load(tmp_path / "nothing")
    with pytest.raises(OSError):
        cf.load(tmp_path)
