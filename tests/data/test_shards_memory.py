"""`memory_limit`: large arrays are in files, fits have the same bits, and a process stays below the limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import arrays, memory
from cfcore.kernels.common import mapped

pytestmark = pytest.mark.skipif(not mapped.is_supported(), reason="no such mappings on Windows")

MODELS: list[Any] = [
    cf.SVD(n_factors=5, n_epochs=3, random_state=1),
    cf.SVDpp(n_factors=5, n_epochs=2, random_state=1),
    cf.TimeSVDpp(n_factors=5, n_epochs=2, random_state=1),
    cf.ALS(n_factors=5, n_epochs=2, random_state=1),
    cf.BayesianSVD(n_factors=3, n_samples=3, burn_in=2, n_kept=2, random_state=1),
    cf.RBM(n_hidden=5, n_epochs=1, random_state=1),
    cf.ItemKNN(),
    cf.EASE(),
]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit under which almost all arrays are in files."""
    monkeypatch.setattr(memory, "PART", 1 << 40)
    monkeypatch.setattr(memory, "LEAST_ARRAY", 4096)
    return memory.resident() + (200 << 20)


def ratings_of(n: int = 3000) -> cf.Ratings:
    rng = np.random.default_rng(3)
    cells = rng.permutation(70 * 80)[:n]
    return cf.Ratings(cells // 80, cells % 80, rng.integers(1, 6, n), rng.integers(9e8, 1e9, n), scale=(1, 5))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_fits_have_the_same_bits(tmp_path: Path, limit: int, model: Any) -> None:
    ratings = ratings_of()
    folder = ratings.save_shards(tmp_path / "shards", shard_size=700)
    times = ratings.timestamps[:50] if model.uses_timestamps() else None

    def predicted(fitted: Any) -> Any:
        return fitted.predict(ratings.users[:50], ratings.items[:50], timestamps=times)

    wanted = predicted(model.clone().fit(ratings))
    opened = model.clone().fit(cf.Ratings.open(folder, memory_limit=limit))
    assert mapped.mapped_bytes() > 0
    np.testing.assert_array_equal(predicted(opened), wanted)
    by_fit = model.clone().fit(ratings, memory_limit=limit)
    np.testing.assert_array_equal(predicted(by_fit), wanted)
    by_fit.save(tmp_path / "model")
    np.testing.assert_array_equal(predicted(cf.load(tmp_path / "model")), wanted)


def test_arrays_in_files_are_ordinary_arrays(tmp_path: Path, limit: int) -> None:
    before = mapped.mapped_bytes()
    with memory.limited(limit, tmp_path):
        assert arrays.in_files.get()
        numbers = np.arange(100_000)
        zeros = np.zeros(50_000)
        assert mapped.mapped_bytes() - before == numbers.nbytes + zeros.nbytes
        numbers.resize(150_000, refcheck=False)
        assert mapped.mapped_bytes() - before == numbers.nbytes + zeros.nbytes
    assert not arrays.in_files.get()
    assert np.zeros(100_000).sum() == zeros.sum() == 0
    assert numbers[:100_000].sum() == 4999950000
    assert not any(tmp_path.iterdir())  # files have no names
    del numbers, zeros
    assert mapped.mapped_bytes() == before


def test_limits_that_leave_too_little_name_the_least(tmp_path: Path) -> None:
    ratings = ratings_of()
    with pytest.raises(MemoryError, match=r"memory_limit=100,000,000 bytes is too little.*at least [\d,]+"):
        cf.SVD(n_factors=2).fit(ratings, memory_limit="100 MB" if memory.resident() > 4e7 else "1KB")


@pytest.mark.parametrize("wrong", ["", "much", "-1", 0, -5, True, float("nan"), [1]])
def test_limits_are_checked(wrong: Any) -> None:
    model = cf.SVD(n_factors=2, n_epochs=1).fit(ratings_of())
    with pytest.raises(ValueError, match="memory_limit must be"):
        model.fit(ratings_of(), memory_limit=wrong)
    assert model.mean_ > 0  # the earlier fit is kept
    with pytest.raises(ValueError, match="memory_limit must be"):
        cf.Ratings.open("nowhere", memory_limit=wrong)


def test_sizes_as_text() -> None:
    assert memory.as_bytes("2GB") == 2 * 10**9
    assert memory.as_bytes(" 1.5 GiB ") == 3 * 2**29
    assert memory.as_bytes("500 mb") == 5 * 10**8
    assert memory.as_bytes("100") == 100
    assert memory.as_bytes(None) is None


FIT = """
import json, sys
import numpy as np
import cfcore as cf
from cfcore import memory

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

folder, limited = sys.argv[1], sys.argv[2] == "limited"
kind, k = {"SVD": (cf.SVD, 80), "ALS": (cf.ALS, 32)}[sys.argv[3]]
model = kind(n_factors=k, n_epochs=1, random_state=0, n_threads=1)
before = memory.resident()
limit = before + (160 << 20)
model.fit(cf.Ratings.open(folder, memory_limit=limit if limited else None))
row = model.user_factors_[::1000].astype(float)
print(json.dumps({"before": before, "limit": limit, "peak": peak(), "sum": row.sum()}))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell of memory")
@pytest.mark.parametrize("kind", ["SVD"])
def test_a_process_stays_below_its_limit(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    n, n_users, n_items = 500_000, 300_000, 2_000
    cells = rng.integers(0, n_users, n) * n_items + rng.integers(0, n_items, n)
    cells = np.unique(cells)
    rng.shuffle(cells)
    values = rng.integers(1, 6, len(cells)).astype(np.float32)
    cf.Ratings(cells // n_items, cells % n_items, values).save_shards(tmp_path / "shards")
    found = {}
    for how in ("limited", "free"):
        command = [sys.executable, "-c", FIT, str(tmp_path / "shards"), how, kind]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[how] = json.loads(done.stdout)
    assert found["limited"]["sum"] == found["free"]["sum"]
    assert found["free"]["peak"] > found["free"]["limit"]
    assert found["limited"]["peak"] < found["limited"]["limit"]


def test_files_are_read_to_shards(tmp_path: Path) -> None:
    ratings = ratings_of()
    lines = [f"{user},{item},{value:g},{time}" for user, item, value, time in zip(
        ratings.users, ratings.items, ratings.values, ratings.timestamps, strict=True)]  # fmt: skip
    for at, part in enumerate(np.array_split(np.array(lines), 3)):
        text = "userId,movieId,rating,timestamp\n" + "\n".join(part.tolist())
        (tmp_path / f"part-{at}.csv").write_text(text)
    paths = sorted(tmp_path.glob("*.csv"))
    limit = memory.resident() + (200 << 20)
    found = cf.Ratings.read_to_shards(paths, tmp_path / "shards", memory_limit=limit, shard_size=500)
    assert found.memory_limit == limit
    read = cf.Ratings.read(paths)
    for name in ("user_codes", "item_codes", "values", "timestamps", "user_ids", "item_ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(read, name))
    assert found.column_names == read.column_names
    paths[1].write_text(paths[1].read_text() + "\n3,5,much,7")
    with pytest.raises(cf.DataError, match=r"part-1\.csv.*row 1000|row 1000.*part-1\.csv"):
        cf.Ratings.read_to_shards(paths, tmp_path / "shards", overwrite=True)
    assert len(cf.Ratings.open(tmp_path / "shards")) == len(read)  # what was there is still there
