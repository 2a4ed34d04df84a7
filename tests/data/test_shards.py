"""Ratings in folders of shards: what `save_shards` writes, `open` gives back, to the bit and in order."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data.shards import cuts
from cfcore.errors import FileFormatError

COLUMNS = ("user_ids", "item_ids", "user_codes", "item_codes", "values", "timestamps")


def ratings_of(n: int = 3000, seed: int = 0, strings: bool = False, timed: bool = True) -> cf.Ratings:
    rng = np.random.default_rng(seed)
    cells = rng.permutation(60 * 90)[:n]
    users: Any = cells // 90
    items: Any = cells % 90 + 7
    if strings:
        users = np.array([f"u{one}" for one in users])
        items = np.array([f"ö{one}" for one in items])
    values = rng.normal(3, 1, n).astype(np.float32)
    times = rng.integers(0, 10**9, n) if timed else None
    return cf.Ratings(users, items, values, times, scale=(-5, 11))


def same(one: cf.Ratings, other: cf.Ratings) -> None:
    for name in COLUMNS:
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs, err_msg=name)
    assert one.scale == other.scale
    assert one.mean == other.mean
    assert one.column_names == other.column_names
    for name in ("by_user", "by_item"):
        for part in ("indptr", "indices", "values", "order"):
            np.testing.assert_array_equal(
                getattr(getattr(one, name), part), getattr(getattr(other, name), part)
            )
    np.testing.assert_array_equal(one.user_counts, other.user_counts)
    np.testing.assert_array_equal(one.item_counts, other.item_counts)


@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("size", [1, 500, 10**9])
def test_open_gives_the_ratings_that_were_saved(
    tmp_path: Path, strings: bool, timed: bool, size: int
) -> None:
    ratings = ratings_of(strings=strings, timed=timed)
    opened = cf.Ratings.open(ratings.save_shards(tmp_path / "shards", shard_size=size))
    assert isinstance(opened, cf.Ratings)
    same(ratings, opened)
    same(ratings, opened.to_memory())
    same(ratings, pickle.loads(pickle.dumps(opened)))
    assert repr(opened) == repr(ratings)


def test_names_of_columns_and_users_without_ratings_are_kept(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"userId": [3, 1, 2], "movieId": [5, 6, 5], "rating": [1.0, 2.0, 3.0]})
    part = cf.Ratings.from_frame(frame).subset([0, 2])
    opened = cf.Ratings.open(part.save_shards(tmp_path / "shards"))
    same(part, opened)
    assert opened.n_users == 3


def test_each_shard_has_the_ratings_of_its_users_in_compressed_rows(tmp_path: Path) -> None:
    ratings = ratings_of()
    opened = cf.Ratings.open(ratings.save_shards(tmp_path / "shards", shard_size=500))
    assert len(opened.shards) == 5
    end = 0
    for shard in opened.shards:
        assert shard.begin == end
        end = shard.end
        assert shard.n_ratings >= 500
        rows = shard.rows
        np.testing.assert_array_equal(shard.user_codes(), ratings.user_codes[rows])
        np.testing.assert_array_equal(shard.items, ratings.item_codes[rows])
        np.testing.assert_array_equal(shard.values, ratings.values[rows])
        np.testing.assert_array_equal(shard.timestamps, ratings.timestamps[rows])
        by_item = shard.by_item()
        np.testing.assert_array_equal(by_item.values, shard.values[by_item.order])
        assert not shard.items.flags.writeable
        assert pickle.loads(pickle.dumps(shard)).path == shard.path
    assert end == ratings.n_users


def test_a_shard_of_large_data_has_five_million_ratings_at_least() -> None:
    rng = np.random.default_rng(0)
    for n_users in (300_000, 1_000_000):
        counts = rng.poisson(100, n_users)
        bounds = cuts(counts)
        sizes = np.add.reduceat(counts, bounds[:-1])
        assert sizes.min() >= 5_000_000
        assert sizes.max() < 11_000_000
    assert len(cuts(np.full(1000, 1000))) == 5  # four shards, for a few workers
    assert cuts(np.zeros(0, dtype=np.int64)).tolist() == [0, 0]


def test_fits_have_the_bits_of_fits_to_the_ratings_that_were_saved(tmp_path: Path) -> None:
    ratings = ratings_of()
    opened = cf.Ratings.open(ratings.save_shards(tmp_path / "shards", shard_size=500))
    for model in (
        cf.SVD(n_factors=4, n_epochs=3, random_state=0), cf.SVDpp(n_factors=4, n_epochs=2, random_state=0),
        cf.ALS(n_factors=4, n_epochs=2, random_state=0), cf.ItemKNN(),
    ):  # fmt: skip
        one, other = model.clone().fit(ratings), model.clone().fit(opened)
        np.testing.assert_array_equal(one.predict(ratings), other.predict(ratings))


def test_codes_of_raw_ids(tmp_path: Path) -> None:
    opened = cf.Ratings.open(ratings_of(strings=True).save_shards(tmp_path / "shards"))
    assert opened.encode(users=["u0", "nobody"])[1] == -1
    users, items = opened.encode(["u1"], ["ö7"])
    assert opened.user_ids[users[0]] == "u1"
    assert opened.item_ids[items[0]] == "ö7"


def test_folders_that_have_files_are_replaced_only_when_asked(tmp_path: Path) -> None:
    folder = ratings_of().save_shards(tmp_path / "shards", shard_size=500)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        ratings_of(seed=1).save_shards(folder)
    other = ratings_of(seed=1)
    same(other, cf.Ratings.open(other.save_shards(folder, overwrite=True)))
    assert len(list(folder.glob("shard-*"))) == len(cf.Ratings.open(folder).shards)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        other.save_shards(tmp_path / "own", overwrite=True)
    assert (tmp_path / "own" / "notes.txt").read_text() == "mine"


def test_folders_that_are_not_complete_or_damaged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        cf.Ratings.open(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="save_shards"):
        cf.Ratings.open(tmp_path)
    folder = ratings_of().save_shards(tmp_path / "shards", shard_size=500)
    header = json.loads((folder / "header.json").read_text())
    later = {**header, "format": header["format"] + 1}
    (folder / "header.json").write_text(json.dumps(later))
    with pytest.raises(FileFormatError, match="reads formats up to"):
        cf.Ratings.open(folder)
    for change in ({"n_users": 1}, {"shards": header["shards"][1:]}, {"scale": None}, {"kind": "x"}):
        (folder / "header.json").write_text(json.dumps({**header, **change}))
        with pytest.raises(FileFormatError):
            cf.Ratings.open(folder)
    outside = [{**header["shards"][0], "file": "../x"}, *header["shards"][1:]]
    (folder / "header.json").write_text(json.dumps({**header, "shards": outside}))
    with pytest.raises(FileFormatError, match="of a shard"):
        cf.Ratings.open(folder)
    (folder / "header.json").write_text(json.dumps(header))
    shard = folder / "shard-00002.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-8])
    with pytest.raises(FileFormatError, match="shard-00002"):
        cf.Ratings.open(folder).to_memory()
    shard.write_bytes(content)
    cf.Ratings.open(folder).to_memory()
    flipped = bytearray(content)
    flipped[-3] ^= 1
    shard.write_bytes(flipped)
    with pytest.raises(FileFormatError, match=r"shard-00002\.safetensors: damaged, its checksum"):
        cf.Ratings.open(folder).to_memory()
    (folder / "users.safetensors").write_bytes((folder / "items.safetensors").read_bytes())
    with pytest.raises(FileFormatError, match=r"users\.safetensors"):
        _ = cf.Ratings.open(folder).user_ids


@pytest.mark.parametrize("size", [0, -1, True, 2.5, "5"])
def test_sizes_of_shards_are_checked(tmp_path: Path, size: Any) -> None:
    with pytest.raises(ValueError, match="shard_size"):
        ratings_of().save_shards(tmp_path / "shards", shard_size=size)
