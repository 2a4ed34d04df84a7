"""Conversion of ids to codes: the same by table, by binary search and by hashing."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf
from cfcore.data import ids

kinds = st.one_of(
    st.lists(st.integers(-20, 20), min_size=1),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4), min_size=1
    ),
)


@given(kinds, kinds)
def test_codes_are_positions_of_ids(known: list[Any], asked: list[Any]) -> None:
    column = ids.as_id_column(known, "users")
    vocabulary, codes = ids.factorize(column, "users")
    assert vocabulary.tolist() == sorted(set(known))
    assert vocabulary[codes].tolist() == known
    assert codes.dtype == np.int32
    if isinstance(known[0], str) == isinstance(asked[0], str):
        found = ids.encode(vocabulary, asked)
        assert [vocabulary[code] if code >= 0 else None for code in found.tolist()] == [
            one if one in set(known) else None for one in asked
        ]
    else:
        with pytest.raises(cf.DataError, match="'users': the ids are"):
            ids.encode(vocabulary, asked, "users")


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.uint64])
def test_ids_of_another_dtype_are_found(dtype: Any) -> None:
    vocabulary = np.array([0, 5, 2**40])
    assert ids.encode(vocabulary, np.array([5, 7, 0, 100], dtype=dtype)).tolist() == [1, -1, 0, -1]
    assert ids.encode(np.array([-3, 5]), np.array([2**64 - 3, 5], dtype=np.uint64)).tolist() == [-1, 1]


def test_no_ids() -> None:
    assert ids.encode(np.array([1, 2]), []).tolist() == []
    assert ids.encode(np.array([], dtype=np.int64), [1, 2]).tolist() == [-1, -1]


def test_many_strings() -> None:
    rng = np.random.default_rng(0)
    raw = np.char.add("user-", rng.integers(0, 500, ids.CHUNK + 10).astype(str))
    vocabulary, codes = ids.factorize(raw, "users")
    assert (vocabulary == np.unique(raw)).all()
    assert (vocabulary[codes] == raw).all()


def test_dense_codes_are_not_copied() -> None:
    raw = np.array([2, 0, 1, 1], dtype=np.int32)
    assert ids.factorize(raw, "users")[1] is raw


def test_strings_that_are_equal_to_numpy_are_refused() -> None:
    with pytest.raises(cf.DataError, match="'users': ids that differ only in NULs at the end, such as 'a'"):
        cf.Ratings(["a", "b", "a\0"], [1, 1, 1], [1, 2, 3])


# ------------------------------------------------------------------ long strings


def long_ids(n: int = 20_000) -> tuple[list[str], list[str], list[float]]:
    users = [f"user{number:06d}" for number in range(n)]
    items = [f"item{number % 500:04d}" for number in range(n)]
    users[7], items[9] = "x" * 2000, "y" * 3000
    return users, items, [number % 5 + 1.0 for number in range(n)]


def peak(call: Any) -> tuple[Any, float]:
    """Result of a call, and the most memory that it took, in bytes."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_one_long_id_does_not_widen_the_others(tmp_path: Path) -> None:
    """2,000 characters for each of 20,000 ids would be 160 MB."""
    users, items, values = long_ids()
    limit = 16e6

    def within(call: Any) -> Any:
        found, memory = peak(call)
        assert memory < limit, memory
        return found

    ratings = within(lambda: cf.Ratings(users, items, values))
    assert ratings.user_ids.nbytes < 1e6
    assert within(lambda: ratings.users).tolist() == users
    model = within(lambda: cf.Baseline().fit(ratings))
    expected = model.predict(users[:100], items[:100])
    within(lambda: model.save(tmp_path / "model.cf"))
    assert (tmp_path / "model.cf").stat().st_size < 3e6
    for copied in (within(lambda: cf.load(tmp_path / "model.cf")), pickle.loads(pickle.dumps(model))):
        assert copied.user_ids_.tolist() == sorted(users)
        np.testing.assert_array_equal(within(lambda m=copied: m.predict(users[:100], items[:100])), expected)
        assert within(lambda m=copied: m.predict(users, items)).shape == (len(users),)
    listed = within(lambda: model.recommend(users[:100], n=3, exclude=(users[:50], items[:50])))[0]
    assert listed.shape == (100, 3)
    for library in ("pandas", "polars", "pyarrow"):
        pytest.importorskip(library)
        frame = within(lambda name=library: ratings.to_frame(name))
        assert within(lambda given=frame: cf.Ratings.from_frame(given)).users.tolist() == users
        within(lambda name=library: model.recommend(users[:100], n=3, as_frame=name))
    more = within(lambda: ratings.concat(cf.Ratings(["z" * 500, "a"], ["y", "y"], [1.0, 2.0])))
    assert more.user_ids.tolist() == sorted({*users, "z" * 500, "a"})
    assert within(lambda: ratings.subset(slice(0, 10))).users.tolist() == users[:10]
    svd = cf.SVD(n_factors=2, n_epochs=1, random_state=0).fit(ratings)
    within(lambda: svd.fold_in((["new", "w" * 900], items[:2], [1.0, 2.0])))
    assert svd.is_known(["w" * 900, "x" * 2000, "x" * 1999]).tolist() == [True, True, False]


def test_one_long_id_in_files(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    users, items, values = long_ids()
    frame = pandas.DataFrame({"user": users, "item": items, "rating": values})
    frame.to_csv(tmp_path / "r.csv", index=False)
    frame.to_parquet(tmp_path / "r.parquet")
    for name in ("r.csv", "r.parquet"):
        made, memory = peak(lambda name=name: cf.Ratings.read(tmp_path / name))
        assert made.users.tolist() == users
        assert memory < 48e6  # with a block of the file


@given(
    st.lists(st.text("ab", min_size=1, max_size=3) | st.text("ab", min_size=64, max_size=66), min_size=1),
    st.lists(st.text("ab", min_size=1, max_size=3) | st.text("ab", min_size=64, max_size=66), min_size=1),
    st.integers(0, 40),
)
def test_ids_of_any_length_have_the_codes_of_their_order(
    known: list[str], asked: list[str], more: int
) -> None:
    """Whatever the width of the vocabulary, of the ids asked for, and the number of both."""
    known = known + [f"c{number:03d}" for number in range(more)]
    vocabulary, codes = ids.factorize(ids.as_id_column(known, "users"), "users")
    assert vocabulary.tolist() == sorted(set(known))
    assert vocabulary[codes].tolist() == known
    place = {one: code for code, one in enumerate(sorted(set(known)))}
    for column in (asked, np.array(asked), np.array(asked, dtype=object)):
        assert ids.encode(vocabulary, column).tolist() == [place.get(one, -1) for one in asked]
    other, _ = ids.factorize(ids.as_id_column(asked, "users"), "users")
    assert ids.merge(vocabulary, other, "users").tolist() == sorted({*known, *asked})


def test_objects_among_the_ids_of_a_model_are_refused() -> None:
    with pytest.raises(ValueError, match="user_ids_ holds objects that are no strings"):
        cf.Baseline().with_parameters(
            user_ids=np.array([1, 2], dtype=object), item_ids=np.array([1, 2]), scale=(1, 5), mean=3.0,
            user_bias=np.array([0.5, -0.5]), item_bias=np.array([1.0, 0.0]),
        )  # fmt: skip
