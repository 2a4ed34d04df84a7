"""Files that are whole but hold something else are refused by the field, or load as models that work."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import codec
from tests.contracts.conftest import MODELS, make, numbers
from tests.resealing import check_all, sealed

RATINGS = cf.Ratings(*numbers(12, 9, 60))


@pytest.mark.parametrize("name", list(MODELS))
def test_altered_entries(name: str, tmp_path: Path) -> None:
    """A few hundred of all alterations."""
    loaded, refused = check_all(tmp_path, make(name).fit(RATINGS), RATINGS, 250)
    assert loaded > 5
    assert refused > 50


def test_string_ids(tmp_path: Path) -> None:
    train = cf.Ratings([f"u{k}" for k in RATINGS.users], [f"i{k}" for k in RATINGS.items], RATINGS.values)
    check_all(tmp_path, cf.SVD(n_factors=2, n_epochs=1, random_state=0).fit(train), train, 300)


def altered_table(path: Path, change: Any) -> None:
    """Change the table of contents of a file, and leave its arrays as they are."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    table = json.loads(content[8 : 8 + length])
    text = change(table)
    text = (json.dumps(table) if text is None else text).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


def test_tables_of_contents(tmp_path: Path) -> None:
    """Places, shapes and dtypes that disagree with the file are refused before anything is allocated."""
    path = tmp_path / "model"
    model = cf.SVD(n_factors=2, n_epochs=1, random_state=0).fit(RATINGS)
    strange = (None, True, -1, 0, 1, 1.5, 2**62, 2**64, 10**30, "x", "F64", [], {}, [2**62], [-1], [1, 2])
    refused = 0
    for name in ("item_factors_", "user_ids_", "seen_items_"):
        for entry in ("dtype", "shape", "data_offsets"):
            for value in strange:
                model.save(path)

                def change(table: Any, at: tuple[str, str] = (name, entry), value: Any = value) -> None:
                    table[at[0]][at[1]] = value

                altered_table(path, change)
                with pytest.raises(cf.FileFormatError, match="model"):
                    cf.load(path)
                refused += 1
    assert refused == 144


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.update(extra={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}),
        lambda table: table.update(extra={"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}),
        lambda table: table.pop("item_factors_") and None,
        lambda table: table.update(__metadata__=3),
        lambda table: table.update(__metadata__={}),
        lambda table: table.update(__metadata__={"cfcore": 3}),
        lambda table: table.update(item_factors_=None),
        lambda table: "[" * 50_000,
        lambda table: '{"a":' * 50_000,
        lambda table: "[]",
        lambda table: "1" * 5000,
        lambda table: json.dumps(table)[:-1] + ', "__metadata__": {}}',
        lambda table: json.dumps(table)[:-1] + ', "user_bias_": {}}',
    ],
)
def test_whole_tables(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    cf.SVD(n_factors=2, n_epochs=1, random_state=0).fit(RATINGS).save(path)
    altered_table(path, change)
    with pytest.raises(cf.FileFormatError, match="model"):
        cf.load(path)


def test_offsets_of_strings(tmp_path: Path) -> None:
    path = tmp_path / "file"
    text = json.dumps({"format": 1, "cfcore": "0", "dtypes": {"ids": "<U3"}, "header": {}})
    data = np.frombuffer(b"abcdef", dtype=np.uint8)
    good = np.array([0, 3, 6])
    for offsets in (
        good[:0], good[1:], np.array([0, 6, 3]), np.array([0, -3, 6]), np.array([0, 6, 0, 6]), good * 2,
        np.array([0, 2**62, 6]), good.astype(np.int32), good.astype(float), good[None],
    ):  # fmt: skip
        tensors = {"ids.utf8": data, "ids.offsets": offsets}
        with open(path, "wb") as file:
            codec.write_tensors(file, {"cfcore": f"{codec.checksum(text, tensors)} {text}"}, tensors)
        with pytest.raises(cf.FileFormatError, match="ids"):
            codec.read(path)


def test_memory_and_time_are_bounded_by_the_size_of_the_file(tmp_path: Path) -> None:
    """Few bytes that ask for much: wide strings, a large pool, wide arrays without rows, many epochs."""
    path = tmp_path / "model"
    model = cf.SVD(n_factors=2, n_epochs=1, random_state=np.random.SeedSequence(5)).fit(RATINGS)
    model.save(path)
    header, arrays = codec.read(path)
    pool = json.loads(json.dumps(header))
    pool["params"]["random_state"]["$seed_sequence"]["pool_size"] = 10**6
    ids = np.array([f"{k:09d}" for k in range(20_000)], dtype=object)
    long = ids.copy()
    long[-1] = "z" * 200_000
    bombs: list[tuple[Any, dict[str, Any]]] = [
        (pool, arrays),
        ({**header, "scalars": {**header["scalars"], "n_epochs_": 10**300}}, arrays),
        (header, {**arrays, "user_ids_": long}),
        (header, {**arrays, "user_factors_": np.zeros((0, 10**12), dtype=np.float32)}),
    ]
    for number, (altered, held) in enumerate(bombs):
        dtypes = {name: array.dtype.str for name, array in held.items()}
        if number == 2:
            dtypes["user_ids_"] = "<U200000"  # 16 GB
        sealed(path, altered, held, dtypes=dtypes)
        size = path.stat().st_size
        tracemalloc.start()
        start = time.process_time()
        with pytest.raises(cf.FileFormatError):
            cf.load(path)
        assert time.process_time() - start < 5
        assert tracemalloc.get_traced_memory()[1] < 50 * size + 5_000_000
        tracemalloc.stop()


class Broken(cf.SVD):
    """A fit that ends with numbers that no file may hold."""

    def _fit(self, train: cf.Ratings, context: Any) -> Any:
        state = super()._fit(train, context)
        return state.changed(item_factors=np.full_like(state.item_factors, np.nan))


def test_what_cannot_be_loaded_is_not_saved(tmp_path: Path) -> None:
    broken = Broken(n_factors=2, n_epochs=1, random_state=0).fit(RATINGS)
    with pytest.raises(ValueError, match=r"Broken cannot be saved: item_factors_ .*nan"):
        broken.save(tmp_path / "model")
    model = cf.SVD(n_factors=2, n_epochs=1, random_state=0).fit(RATINGS)
    with pytest.raises(ValueError, match=r"SVD cannot be saved: n_epochs"):
        model.set_params(n_epochs=-1).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
