"""Sharded models have the answers of the model that they were made of; lists and predictions are lazy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client

import cfcore as cf
from cfcore.errors import FileFormatError

MODELS: list[Any] = [
    cf.SVD(n_factors=4, n_epochs=2, random_state=0),
    cf.SVDpp(n_factors=4, n_epochs=2, random_state=0),
    cf.TimeSVDpp(n_factors=4, n_epochs=2, random_state=0),
    cf.ALS(n_factors=4, n_epochs=2, random_state=0),
    cf.BayesianSVD(n_factors=3, n_samples=3, burn_in=2, n_kept=2, random_state=0),
    cf.Baseline(),
    cf.ItemKNN(),
    cf.EASE(),
]


def pairs_of(train: cf.Ratings, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    users, items = rng.choice(train.user_ids, n), rng.choice(train.item_ids, n)
    users[::9], items[4::11] = train.user_ids.max() + 1, train.item_ids.max() + 1  # unknown
    times = rng.choice(train.timestamps, n)
    return pd.DataFrame({"user": users, "item": items, "timestamp": times})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_answers_of_a_sharded_model(tmp_path: Path, train: cf.Ratings, model: Any) -> None:
    model = model.clone().fit(train)
    sharded = cf.distributed.shard(model, tmp_path / "model", shard_size=2500)
    assert len(sharded.shards) == 3
    assert sharded.n_users == len(model.user_ids_)
    pairs = pairs_of(train)
    wanted = model.predict(pairs)
    pd.testing.assert_series_equal(sharded.predict(pairs), wanted)
    np.testing.assert_array_equal(
        sharded.predict(pairs.user.to_numpy(), pairs.item.to_numpy(), pairs.timestamp.to_numpy()), wanted
    )
    one = pairs.user[1], pairs.item[1], pairs.timestamp[1]
    assert sharded.predict(*one) == model.predict(*one)
    users = train.user_ids[::7]
    for found, listed in zip(sharded.recommend(users, 5), model.recommend(users, 5), strict=True):
        np.testing.assert_array_equal(found, listed)
    again = cf.distributed.load(tmp_path / "model")
    local = again.to_local()
    assert type(local) is type(model)
    pd.testing.assert_series_equal(local.predict(pairs), wanted)
    local.save(tmp_path / "local")
    pd.testing.assert_series_equal(cf.load(tmp_path / "local").predict(pairs), wanted)


def test_what_cannot_be_divided_is_refused(tmp_path: Path, train: cf.Ratings) -> None:
    with pytest.raises(TypeError, match=r"UserKNN cannot be divided by users: \w+_ is of all"):
        cf.distributed.shard(cf.UserKNN().fit(train), tmp_path / "model", shard_size=2500)
    with pytest.raises(cf.NotFittedError):
        cf.distributed.shard(cf.SVD(), tmp_path / "model")
    with pytest.raises(TypeError, match="model of cfcore"):
        cf.distributed.shard("SVD", tmp_path / "model")


def test_lazy_predictions_and_lists(client: Client, tmp_path: Path, train: cf.Ratings) -> None:
    import dask.dataframe as dd

    model = cf.SVD(n_factors=4, n_epochs=2, random_state=0).fit(train)
    sharded = cf.distributed.shard(model, tmp_path / "model", shard_size=2500)
    pairs = pairs_of(train)
    frame = dd.from_pandas(pairs, npartitions=3)
    known = model.known_users_
    lists = model.recommend(known, 4, as_frame="pandas")
    for held in (model, sharded):
        lazy = held.predict(frame)
        assert isinstance(lazy, dd.Series)
        pd.testing.assert_series_equal(lazy.compute(), model.predict(pairs))
        with pytest.raises(TypeError, match="return_std"):
            held.predict(frame, return_std=True)
        listed = cf.distributed.recommend(held, n=4)
        listed.to_parquet(tmp_path / "lists")
        found = pd.read_parquet(tmp_path / "lists")
        pd.testing.assert_frame_equal(
            found.sort_values(["user", "rank"], ignore_index=True),
            lists.sort_values(["user", "rank"], ignore_index=True),
        )
        some = cf.distributed.recommend(held, n=2, users=known[:5]).compute()
        assert set(some.user) == set(known[:5])
    assert listed.npartitions == 3


def test_folders_of_models(tmp_path: Path, train: cf.Ratings) -> None:
    model = cf.Baseline().fit(train)
    sharded = cf.distributed.shard(model, tmp_path / "model", shard_size=2500)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        cf.distributed.shard(model, tmp_path / "model")
    cf.distributed.shard(model, tmp_path / "model", overwrite=True)
    copied = cf.distributed.load(sharded.save(tmp_path / "copy"))
    np.testing.assert_array_equal(copied.to_local().predict(train), model.predict(train))
    with pytest.raises(FileNotFoundError, match=r"model\.json"):
        cf.distributed.load(tmp_path)
    place = tmp_path / "copy" / "model.json"
    header = json.loads(place.read_text())
    for change, match in (
        ({"format": 9}, "reads formats up to"),
        ({"shards": []}, "damaged"),
        ({"kind": 1}, ""),
    ):
        place.write_text(json.dumps({**header, **change}))
        with pytest.raises(FileFormatError, match=match):
            cf.distributed.load(tmp_path / "copy")
    place.write_text("{")
    with pytest.raises(FileFormatError):
        cf.distributed.load(tmp_path / "copy")
    assert not any(path.suffix in (".pkl", ".pickle") for path in (tmp_path / "model").iterdir())


@pytest.mark.parametrize("limit", [None, "1GB"])
def test_a_fit_gives_a_sharded_model(limit: Any, client: Any, train: cf.Ratings, tmp_path: Path) -> None:
    ratings = cf.Ratings.open(train.save_shards(tmp_path / "shards"), memory_limit=limit)
    local = cf.SVD(n_factors=8, n_epochs=3, random_state=0).fit(train)
    model = cf.SVD(n_factors=8, n_epochs=3, random_state=0)
    found = cf.distributed.fit(model, ratings, sharded=tmp_path / "model")
    assert isinstance(found, cf.distributed.ShardedModel)
    assert len(found.shards) > 1
    users, items = train.user_ids[train.user_codes[:300]], train.item_ids[train.item_codes[:300]]
    np.testing.assert_array_equal(found.predict(users, items), local.predict(users, items))
    np.testing.assert_array_equal(found.to_local().user_factors_, local.user_factors_)
    seen: list[int] = []
    with pytest.raises(FileExistsError, match="give a new folder"):  # before the fit, not after it
        cf.distributed.fit(model, ratings, sharded=tmp_path / "model", callback=lambda *given: seen.append(1))
    assert not seen
