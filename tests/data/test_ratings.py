"""`Ratings`: codes and vocabularies, index, immutability, subsets, concatenation and conversion."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf
from cfcore.data import as_pairs, as_ratings
from tests.data.strategies import triples

BACKENDS = pytest.mark.parametrize("backend", ["compiled", "reference"])


def test_codes_are_positions_in_sorted_vocabularies(small: cf.Ratings) -> None:
    assert small.user_ids.tolist() == ["ann", "bob", "cat"]
    assert small.item_ids.tolist() == [10, 20, 30]
    assert small.user_codes.tolist() == [1, 0, 1, 2]
    assert small.item_codes.tolist() == [2, 0, 0, 1]
    assert small.users.tolist() == ["bob", "ann", "bob", "cat"]
    assert small.items.tolist() == [30, 10, 10, 20]
    assert (small.user_codes.dtype, small.values.dtype) == (np.int32, np.float32)
    assert small.timestamps is not None
    assert small.timestamps.dtype == np.int64
    assert (len(small), small.n_ratings, small.n_users, small.n_items) == (4, 4, 3, 3)
    assert small.scale == (1.0, 5.0)
    assert small.mean == pytest.approx(3.625)
    assert small.user_counts.tolist() == [1, 2, 1]
    assert small.item_counts.tolist() == [2, 1, 1]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64])
def test_integer_ids_keep_their_dtype(dtype: Any) -> None:
    users = np.array([100, 0, 127], dtype=dtype)
    ratings = cf.Ratings(users, [1, 2, 3], [1, 2, 3])
    assert ratings.user_ids.dtype == dtype
    assert ratings.users.tolist() == [100, 0, 127]


def test_ids_far_apart_and_at_the_ends_of_their_dtype() -> None:
    for users in (
        np.array([-(2**63), 2**63 - 1, 0]),
        np.array([2**64 - 1, 0, 2**63], dtype=np.uint64),
        np.array([2**64 - 1, 2**64 - 3, 2**64 - 2], dtype=np.uint64),
        np.array([-128, 127, 3], dtype=np.int8),
    ):
        ratings = cf.Ratings(users, [1, 1, 1], [1, 2, 3])
        assert ratings.users.tolist() == users.tolist()
        assert ratings.user_ids.tolist() == sorted(users.tolist())


def test_ids_that_only_unsigned_integers_hold() -> None:
    large = cf.Ratings([1, 2**63], [1, 1], [1.0, 2.0])
    assert large.user_ids.dtype == np.uint64
    assert large.users.tolist() == [1, 2**63]
    # NumPy's common dtype of int64 and uint64 is float64, which would merge neighbouring ids.
    small = cf.Ratings([5, 6], [1, 1], [1.0, 2.0])
    assert small.concat(large).users.tolist() == [5, 6, 1, 2**63]
    unsigned = cf.Ratings(np.array([7, 8], np.uint64), [1, 1], [1.0, 2.0])
    assert unsigned.concat(small).user_ids.dtype == np.int64
    with pytest.raises(cf.DataError, match="'users': 9223372036854775808"):
        large.concat(cf.Ratings([-1, 0], [1, 1], [1.0, 2.0]))


def test_columns_of_any_memory_layout() -> None:
    table = np.array([[0, 1], [1, 0], [2, 1]], dtype=np.int32)
    table.flags.writeable = False
    record = np.dtype([("user", "i4"), ("item", "i4"), ("pad", "i1"), ("rating", "f4")])
    records = np.array([(0, 1, 0, 5.0), (1, 0, 0, 3.0), (2, 1, 0, 4.0)], dtype=record)
    records.flags.writeable = False
    swapped = table.astype(">i4")
    for ratings in (
        cf.Ratings(table[:, 0], table[:, 1], [5.0, 3.0, 4.0]),
        cf.Ratings(records["user"], records["item"], records["rating"]),
        cf.Ratings(swapped[:, 0], swapped[:, 1], np.array([5, 3, 4], dtype=">f8")),
        cf.Ratings((k for k in range(3)), (k for k in (1, 0, 1)), (float(k) for k in (5, 3, 4))),
        cf.Ratings({0: 5, 1: 3, 2: 4}.keys(), [1, 0, 1], {0: 5, 1: 3, 2: 4}.values()),  # type: ignore[arg-type]
    ):
        assert ratings.by_item.values.tolist() == [3.0, 5.0, 4.0]


def test_string_ids_of_every_type() -> None:
    words = ["b", "é", "a", "b"]
    for users in (
        words,
        np.array(words),
        np.array(words, dtype=object),
        np.array(words, dtype=np.dtypes.StringDType()),
        np.array([word.encode() for word in words]),
    ):
        ratings = cf.Ratings(users, [1, 1, 1, 2], [1, 2, 3, 4])
        assert ratings.user_ids.dtype.kind == "U"
        assert ratings.users.tolist() == words
        assert ratings.user_codes.tolist() == [1, 2, 0, 1]


@BACKENDS
@given(triples, st.randoms())
def test_index_does_not_depend_on_the_order_of_rows(
    backend: str, rated: dict[Any, float], random: Any
) -> None:
    rows = [(user, item, value) for (user, item), value in rated.items()]
    random.shuffle(rows)
    users, items, values = zip(*rows, strict=True)
    with cf.backend(backend):
        ratings = cf.Ratings(np.array(users), np.array(items), np.array(values))
        by_user, by_item = ratings.by_user, ratings.by_item
        row_order, column_order = sorted(rows), sorted(rows, key=lambda row: (row[1], row[0]))
        for index, order in ((by_user, row_order), (by_item, column_order)):
            assert index.values.tolist() == [value for *_, value in order]
            assert ratings.users[index.order].tolist() == [user for user, _, _ in order]
            assert ratings.items[index.order].tolist() == [item for _, item, _ in order]
        assert ratings.item_ids[by_user.indices].tolist() == [item for _, item, _ in row_order]
        assert ratings.user_ids[by_item.indices].tolist() == [user for user, _, _ in column_order]
        assert np.diff(by_user.indptr).tolist() == ratings.user_counts.tolist()
        assert np.diff(by_item.indptr).tolist() == ratings.item_counts.tolist()
        assert [column_order[k] for k in by_user.to_other] == row_order
        assert [row_order[k] for k in by_item.to_other] == column_order


def test_index_is_kept_until_dropped(small: cf.Ratings) -> None:
    first = small.by_user
    assert small.by_user is first
    small.drop_index()
    assert small.by_user is not first
    assert small.by_user.order.dtype == np.int32


def test_nothing_can_be_changed(small: cf.Ratings) -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        small.values = np.zeros(4, dtype=np.float32)  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot be changed"):
        del small.scale
    arrays = [
        small.values,
        small.user_codes,
        small.item_codes,
        small.timestamps,
        small.user_ids,
        small.item_ids,
    ]
    for index in (small.by_user, small.by_item):
        with pytest.raises(AttributeError):
            index.values = small.values  # type: ignore[misc]
        arrays += [index.indptr, index.indices, index.values, index.order, index.to_other]
    for array in arrays:
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_writable_arrays_are_copied_and_read_only_ones_are_not(tmp_path: Path) -> None:
    users = np.array([0, 1, 1], dtype=np.int32)
    items, values, times = users[::-1].copy(), users.astype(np.float32), users.astype(np.int64)
    ratings = cf.Ratings(users, items, values, times)
    for array in (users, items, values, times):
        array[:] = 7
    assert ratings.users.tolist() == [0, 1, 1]
    assert ratings.items.tolist() == [1, 1, 0]
    assert ratings.values.tolist() == [0, 1, 1]
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == [0, 1, 1]
    mapped = {}
    for name, array in (("users", ratings.users), ("items", ratings.items), ("values", ratings.values)):
        np.save(tmp_path / f"{name}.npy", array)
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    on_disk = cf.Ratings(**mapped)
    assert np.shares_memory(on_disk.user_codes, mapped["users"])
    assert np.shares_memory(on_disk.item_codes, mapped["items"])
    assert np.shares_memory(on_disk.values, mapped["values"])


def test_input_is_not_changed() -> None:
    users, values = np.array([2, 1, 2]), np.array([1.0, 2.0, 3.0])
    cf.Ratings(users, [1, 1, 2], values).by_user  # noqa: B018
    assert users.flags.writeable
    assert values.flags.writeable
    assert (users.tolist(), values.tolist()) == ([2, 1, 2], [1.0, 2.0, 3.0])


def test_pickle_and_deepcopy(small: cf.Ratings) -> None:
    small.by_user  # noqa: B018
    for other in (pickle.loads(pickle.dumps(small)), copy.deepcopy(small)):
        assert other.users.tolist() == small.users.tolist()
        assert other.values.tolist() == small.values.tolist()
        assert other.scale == small.scale
        assert not other.values.flags.writeable
        assert other.by_item.values.tolist() == small.by_item.values.tolist()


def test_repr_summarises(small: cf.Ratings) -> None:
    assert repr(small) == (
        "Ratings(4 by 3 users of 3 items, 44.4% dense, scale 1 to 5, mean 3.62, 1970-01-01 to 1970-01-01)"
    )


def test_scale_comes_from_the_data_unless_given() -> None:
    assert cf.Ratings([1, 2], [1, 1], [2, 4.5]).scale == (2.0, 4.5)
    assert cf.Ratings([1, 2], [1, 1], [0.1, 0.7], scale=(0.1, 0.7)).scale == (0.1, 0.7)


def test_dates_become_seconds() -> None:
    days = np.array(["1970-01-02", "2000-01-01"], dtype="datetime64[D]")
    ratings = cf.Ratings([1, 2], [1, 1], [1, 2], days)
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == [86_400, 946_684_800]


def test_dates_of_python_become_seconds() -> None:
    from datetime import UTC, date, datetime, timedelta, timezone

    moments = [date(1970, 1, 2), datetime(1970, 1, 2, 0, 0, 1, 900_000), datetime(1970, 1, 2, tzinfo=UTC)]
    moments.append(datetime(1970, 1, 2, tzinfo=timezone(timedelta(hours=1))))
    ratings = cf.Ratings([1, 2, 3, 4], [1, 1, 1, 1], [1, 2, 3, 4], moments)
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == [86_400, 86_401, 86_400, 82_800]


def test_concat_unites_vocabularies(small: cf.Ratings) -> None:
    other = cf.Ratings(["dan", "ann"], [5, 20], [1.0, 0.5], [1, 2])
    both = small.concat(other)
    assert both.users.tolist() == [*small.users, *other.users]
    assert both.items.tolist() == [*small.items, *other.items]
    assert both.user_ids.tolist() == ["ann", "bob", "cat", "dan"]
    assert both.scale == (0.5, 5.0)
    halves = small.subset([0, 1]), small.subset([2, 3])
    assert halves[0].concat(halves[1]).user_ids is small.user_ids
    assert cf.Ratings.concat(*halves, other).n_ratings == 6


def test_concat_refuses(small: cf.Ratings) -> None:
    with pytest.raises(cf.DataError, match="concat takes Ratings; part 1 is a tuple"):
        small.concat(([1], [1], [1.0]))  # type: ignore[arg-type]
    with pytest.raises(cf.DataError, match=r"row 4 repeats row 0 \(user bob, item 30\)"):
        small.concat(small.subset([0]))
    assert small.concat(small.subset([0]), duplicates="last").n_ratings == 4
    with pytest.raises(cf.DataError, match="'timestamps' is missing in part 1"):
        small.concat(cf.Ratings(["x"], [1], [1.0]))
    with pytest.raises(cf.DataError, match=r"'users': the ids are strings .* integers were given"):
        small.concat(cf.Ratings([1], [1], [1.0], [1]))


def test_duplicates_last_and_mean() -> None:
    columns = ([1, 2, 1, 1], [7, 7, 7, 8], [1.0, 2.0, 4.0, 3.0], [10, 20, 30, 5])
    last = cf.Ratings(*columns, duplicates="last")
    assert (last.users.tolist(), last.values.tolist()) == ([2, 1, 1], [2.0, 4.0, 3.0])
    mean = cf.Ratings(*columns, duplicates="mean")
    assert mean.values.tolist() == [2.0, 2.5, 3.0]
    assert mean.timestamps is not None
    assert mean.timestamps.tolist() == [20, 30, 5]


@BACKENDS
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=30))
def test_duplicates_against_a_dictionary(backend: str, rows: list[tuple[int, int, int]]) -> None:
    latest: dict[tuple[int, int], list[int]] = {}
    for user, item, value in rows:
        # Removed and inserted, so that the order of the dictionary is that of the last rows.
        latest[user, item] = [*latest.pop((user, item), []), value]
    with cf.backend(backend):
        last = cf.Ratings(*map(list, zip(*rows, strict=True)), duplicates="last")
        mean = cf.Ratings(*map(list, zip(*rows, strict=True)), duplicates="mean")
    for ratings in (last, mean):
        assert list(zip(ratings.users.tolist(), ratings.items.tolist(), strict=True)) == list(latest)
    assert last.values.tolist() == [values[-1] for values in latest.values()]
    np.testing.assert_allclose(mean.values, [np.mean(values) for values in latest.values()], rtol=1e-6)


def test_scipy_and_back(small: cf.Ratings) -> None:
    matrix = small.to_scipy()
    assert matrix.shape == (3, 3)
    assert matrix.toarray().tolist() == [[2.5, 0, 0], [3, 0, 4], [0, 5, 0]]
    again = cf.Ratings.from_scipy(matrix)
    assert again.n_ratings == 4
    assert again.to_scipy().toarray().tolist() == matrix.toarray().tolist()


def test_dense_matrices_are_refused() -> None:
    with pytest.raises(cf.DataError, match="from_scipy takes a SciPy sparse matrix, got ndarray"):
        cf.Ratings.from_scipy(np.eye(3))


def test_scipy_keeps_zeros_and_empty_rows() -> None:
    from scipy.sparse import coo_array

    matrix = coo_array(([0.0, 2.0], ([0, 3], [1, 1])), shape=(5, 4))
    ratings = cf.Ratings.from_scipy(matrix)
    assert (ratings.n_users, ratings.n_items, ratings.n_ratings) == (5, 4, 2)
    assert ratings.values.tolist() == [0.0, 2.0]
    assert ratings.to_scipy().nnz == 2
    with pytest.raises(cf.DataError, match="row 1 repeats row 0"):
        cf.Ratings.from_scipy(coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(5, 4)))
    with pytest.raises(cf.DataError, match="empty"):
        cf.Ratings.from_scipy(coo_array((3, 3)))
    with pytest.raises(cf.DataError, match="nan at row 1"):
        cf.Ratings.from_scipy(coo_array(([1.0, np.nan], ([0, 1], [1, 1])), shape=(5, 4)))


def test_arguments_that_models_accept(small: cf.Ratings) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"userId": [1, 2], "movieId": [3, 3], "rating": [1.0, 2.0]})
    assert as_ratings(small) is small
    for x in (frame, ([1, 2], [3, 3], [1.0, 2.0]), small.to_scipy()):
        assert as_ratings(x, scale=(1, 9)).scale == (1.0, 9.0)
    for wrong in ("ratings.csv", [1, 2, 3], ([1], [2]), np.zeros(3), None):
        with pytest.raises(cf.DataError, match=r"ratings must be|ratings: row 0 has 1 values"):
            as_ratings(wrong)
    for x in (frame, frame[["userId", "movieId"]], ([1, 2], [3, 3]), ([1, 2], [3, 3], [1.0, 2.0])):
        users, items, times = as_pairs(x)
        assert (list(users), list(items), times) == ([1, 2], [3, 3], None)
    assert as_pairs(small)[2] is small.timestamps
    assert [list(column) for column in as_pairs(small.to_scipy())[:2]] == [[0, 1, 1, 2], [0, 0, 2, 1]]
    with pytest.raises(cf.DataError, match="pairs must be"):
        as_pairs([1, 2])


def test_a_frame_is_named_by_from_frame() -> None:
    frame = pd.DataFrame({"user": [1, 1], "item": [1, 2], "rating": [3.0, 4.0]})
    with pytest.raises(TypeError, match=r"users, items and values; of a frame Ratings\.from_frame\(frame"):
        cf.Ratings(frame)


def test_columns_that_were_received_anywhere_in_memory_are_aligned() -> None:
    ratings = cf.datasets.synthetic(20, 10, 60, random_state=0)

    def shifted(one: Any) -> Any:
        if not isinstance(one, np.ndarray) or one.dtype.itemsize == 1:
            return one
        held = np.empty(one.nbytes + 1, dtype=np.uint8)
        moved = held[1:].view(one.dtype)
        moved[:] = one
        return moved

    made = cf.Ratings.__new__(cf.Ratings)
    made.__setstate__(tuple(shifted(one) for one in ratings.__getstate__()))
    np.testing.assert_array_equal(made.values, ratings.values)
    assert made.user_codes.flags.aligned
    model = cf.SVD(n_factors=2, n_epochs=2, random_state=0, n_threads=1)
    np.testing.assert_array_equal(model.fit(made).predict(ratings), model.fit(ratings).predict(ratings))
