"""Frames as users of Dask have them, and what is refused."""

from __future__ import annotations

import math
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client

import cfcore as cf
from cfcore.errors import DataError, FileFormatError

COLUMNS = ("user_ids", "item_ids", "user_codes", "item_codes", "values", "timestamps")


def table(n: int = 900) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    cells = rng.permutation(40 * 50)[:n]
    values, times = rng.integers(1, 6, n).astype(float), rng.integers(0, 9**9, n)
    return pd.DataFrame({"user": cells // 50 * 3, "item": cells % 50, "rating": values, "timestamp": times})


def in_parts(frame: pd.DataFrame, n: int = 3) -> Any:
    import dask.dataframe as dd

    return dd.from_pandas(frame.reset_index(drop=True), npartitions=n, sort=False)


def of_parts(*parts: pd.DataFrame) -> Any:
    import dask.dataframe as dd

    return dd.from_map(lambda at: parts[at], range(len(parts)), meta=parts[0].iloc[:0])


def same(one: cf.Ratings, other: cf.Ratings) -> None:
    for name in COLUMNS:
        mine, theirs = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(mine, theirs, err_msg=name)
        assert mine.dtype == theirs.dtype, name


def frames() -> dict[str, tuple[pd.DataFrame, Any, dict[str, Any]]]:
    """The rows in one frame, in a frame of Dask, and arguments."""
    whole = table()
    named = whole.assign(item=[f"m{one}" for one in whole["item"]])
    first, second = whole.iloc[:400], whole.iloc[400:]
    words = second.assign(user=second.user.astype(str))
    times = pd.to_datetime(whole.timestamp, unit="s", utc=True).dt.tz_convert("Europe/Berlin")
    arrow = whole.convert_dtypes(dtype_backend="pyarrow")
    text = named.astype({"item": "string[pyarrow]"})
    kinds = {
        "categories": named.astype({"item": "category"}), "nullable": whole.convert_dtypes(), "arrow": arrow,
        "text of arrow": text, "moments": whole.assign(timestamp=times),
    }  # fmt: skip
    found: dict[str, tuple[pd.DataFrame, Any, dict[str, Any]]] = {
        name: (frame, in_parts(frame), {}) for name, frame in kinds.items()
    }
    narrow = second.astype({"user": "int32", "item": "float64"})
    none = whole.iloc[:0]
    return found | {
        "unknown categories": (named, in_parts(named).astype({"item": "category"}), {}),
        "no divisions": (whole, in_parts(whole).clear_divisions(), {}),
        "empty partitions": (whole, of_parts(none, first, none, second, none), {}),
        "other dtypes": (whole, of_parts(first, narrow), {}),
        "numbers and strings": (pd.concat([first, words]), of_parts(first, words), {"ids": str}),
        "other order of columns": (
            whole,
            of_parts(first, second[["rating", "timestamp", "item", "user"]]),
            {},
        ),
    }


@pytest.mark.parametrize("name", list(frames()))
def test_ratings_are_those_of_the_rows_in_memory(name: str, client: Client) -> None:
    whole, parts, options = frames()[name]
    same(cf.distributed.Ratings.from_dask(parts, **options), cf.Ratings.from_frame(whole, **options))


def test_users_in_the_index(client: Client, tmp_path: Path) -> None:
    whole = table().sort_values("user", kind="stable", ignore_index=True)
    indexed = in_parts(whole).set_index("user", sorted=True)
    same(cf.distributed.Ratings.from_dask(indexed), cf.Ratings.from_frame(indexed.compute()))
    indexed.to_parquet(tmp_path / "ratings")
    found = cf.distributed.Ratings.from_parquet(tmp_path / "ratings")
    same(found, cf.Ratings.from_frame(indexed.compute()))


def test_what_is_no_frame_model_or_client_is_refused(client: Client, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"not DataFrame; dask\.dataframe\.from_pandas"):
        cf.distributed.Ratings.from_dask(table())
    with pytest.raises(TypeError, match=r"client must be a dask\.distributed\.Client, not str"):
        cf.distributed.Ratings.from_dask(in_parts(table()), "tcp://localhost:8786")
    with pytest.raises(TypeError, match=r"such as cf\.SVD\(\), not the class SVD"):
        cf.distributed.fit(cf.SVD, table())
    with pytest.raises(TypeError, match="must be a model of cfcore"):
        cf.distributed.recommend("SVD")
    with pytest.raises(ValueError, match="npartitions: it must be at least 1"):
        cf.distributed.recommend(cf.Popularity().fit(table()), npartitions=0)
    (tmp_path / "ratings.parquet").write_text("no parquet")
    with pytest.raises(FileFormatError, match=r"ratings\.parquet: not read as parquet"):
        cf.distributed.Ratings.from_parquet(tmp_path / "ratings.parquet")
    closed = Client(client.scheduler.address, set_as_default=False)
    closed.close()
    for call in (cf.distributed.fit, cf.distributed.cross_validate):
        with pytest.raises(ConnectionError, match="closed"):
            call(cf.Baseline(), table(), client=closed)


def test_workers_of_another_version_are_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cf, "__version__", "99.0")
    for call in (
        lambda: cf.distributed.fit(cf.SVD(), table()),
        lambda: cf.distributed.Ratings.from_dask(in_parts(table())),
        lambda: cf.distributed.cross_validate(cf.Baseline(), table(), 2),
    ):
        with pytest.raises(ImportError, match=r"has cfcore .*, and this process 99\.0.*pip install"):
            call()


def test_a_folder_that_workers_do_not_share(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cfcore.distributed import ingest_tasks

    # As if this process wrote to another disk.
    monkeypatch.setattr(ingest_tasks, "mark", lambda folder, token: tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"is not that of the worker tcp://.*folder=\.\.\."):
        cf.distributed.Ratings.from_dask(in_parts(table()), folder=tmp_path / "shards")


def test_a_sharded_model_that_workers_do_not_have(client: Client, tmp_path: Path) -> None:
    model = cf.SVD(n_factors=3, n_epochs=1, random_state=0).fit(table())
    sharded = cf.distributed.shard(model, tmp_path / "model", shard_size=300)
    with pytest.raises(ValueError, match="a partition a shard"):
        cf.distributed.recommend(sharded, npartitions=2)
    lazy = sharded.predict(in_parts(table()))
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="all workers must share the folder"):
        lazy.compute()


def test_lazy_predictions_keep_index_and_divisions(client: Client) -> None:
    import dask.dataframe as dd

    model = cf.SVD(n_factors=3, n_epochs=1, random_state=0).fit(table())
    pairs = table().set_index(np.arange(900) * 2 + 7)
    for frame in (dd.from_pandas(pairs, npartitions=3), in_parts(pairs), in_parts(pairs).persist()):
        lazy = model.predict(frame)
        assert lazy.divisions == frame.divisions
        pd.testing.assert_series_equal(lazy.compute(), model.predict(frame.compute()))
    bad = in_parts(pairs.assign(user=pairs.user.astype(float).where(np.arange(900) != 650)))
    with pytest.raises(DataError, match="partition 2: column 'user': missing id at row 50"):
        model.predict(bad).compute()
    with pytest.raises(TypeError, match=r"model\.predict\(ddf\)"):
        model.predict(bad.user, bad["item"])
    users = dd.from_pandas(pd.Series(model.known_users_[:5]), npartitions=2)
    assert set(cf.distributed.recommend(model, n=2, users=users).compute().user) == set(users.compute())


def test_a_task_of_predictions_uses_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    import dask

    from cfcore.models.core.predicting import Predicting
    from cfcore.threads import minimum_work

    model = cf.Baseline().fit(table())
    found, own = [], Predicting.predict

    def predict(self: Any, *arguments: Any, **options: Any) -> Any:
        found.append(minimum_work("numbers"))
        return own(self, *arguments, **options)

    lazy = model.predict(in_parts(table()))
    monkeypatch.setattr(Predicting, "predict", predict)
    with dask.config.set(scheduler="synchronous"):
        lazy.compute()
    assert found == [math.inf] * 3


def slow(frame: pd.DataFrame) -> pd.DataFrame:
    time.sleep(30)
    return frame


def test_an_interrupt_cancels_the_tasks(client: Client) -> None:
    frame = in_parts(table()).map_partitions(slow, meta=table().iloc[:0])

    def interrupt() -> None:
        while not any(client.processing().values()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        cf.distributed.Ratings.from_dask(frame, client)
    until = time.monotonic() + 20
    while any(client.processing().values()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(client.processing().values())
