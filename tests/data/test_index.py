"""Compressed forms of ratings: equal however they are computed, kept, dropped, and safe in threads."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import threads
from cfcore.data import index


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_building_both_forms_at_once_changes_nothing(n_threads: int, backend: str) -> None:
    made = cf.datasets.synthetic(60, 40, 900, random_state=1)
    by_user, by_item = made.by_user, made.by_item
    user_counts, item_counts = made.user_counts, made.item_counts
    made.drop_index()
    with cf.backend(backend), threads.policy(minimum_work=0):
        made.build_index(n_threads)
        for old, new in ((by_user, made.by_user), (by_item, made.by_item)):
            for name in ("indptr", "indices", "values", "order", "to_other"):
                np.testing.assert_array_equal(getattr(old, name), getattr(new, name), strict=True)
        np.testing.assert_array_equal(made.user_counts, user_counts, strict=True)
        np.testing.assert_array_equal(made.item_counts, item_counts, strict=True)


def test_counts_are_the_same_with_and_without_an_index() -> None:
    made = cf.datasets.synthetic(50, 30, 400, random_state=2)
    part = made.subset(np.arange(100))
    without = part.user_counts.copy(), part.item_counts.copy()
    part.drop_index()
    part.build_index(1)
    np.testing.assert_array_equal(part.user_counts, without[0], strict=True)
    np.testing.assert_array_equal(part.item_counts, without[1], strict=True)
    assert not part.user_counts.flags.writeable


@pytest.mark.parametrize("first", ["rows_by_user", "items_by_user", "by_user"])
@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_rows_by_user_are_a_part_of_by_user(
    backend: str, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfcore.data.index.SLICE", 37)
    made = cf.datasets.synthetic(60, 40, 900, random_state=1).subset(
        np.random.default_rng(0).permutation(800)
    )
    expected = made.by_user
    made.drop_index()
    with cf.backend(backend):
        getattr(made, first)
        found = made.rows_by_user
        for name, part in zip(("indptr", "indices", "values"), found, strict=True):
            np.testing.assert_array_equal(part, getattr(expected, name), strict=True)
            assert not part.flags.writeable
        assert made.items_by_user[1] is found[1]  # once in memory, not twice
        assert made.by_user.indices is found[1]


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_items_by_user_is_a_part_of_by_user(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfcore.data.index.SLICE", 37)
    made = cf.datasets.synthetic(60, 40, 900, random_state=1).subset(
        np.random.default_rng(0).permutation(800)
    )
    with cf.backend(backend):
        indptr, items = made.items_by_user
        assert not indptr.flags.writeable
        assert not items.flags.writeable
        np.testing.assert_array_equal(indptr, made.by_user.indptr, strict=True)
        assert made.by_user.indices is items  # once in memory, not twice
        made.drop_index()
        expected = made.by_user
        assert made.items_by_user[1] is expected.indices
        np.testing.assert_array_equal(items, expected.indices, strict=True)


def test_threads_that_read_at_once_get_the_same_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads begin to compute before one has finished, and return the value of the first to finish."""
    n_readers = 4
    made = cf.datasets.synthetic(60, 40, 900, random_state=1)
    begun = threading.Barrier(n_readers)
    compress = index.compress

    def compress_together(*arguments: Any) -> index.Compressed:
        begun.wait(timeout=30)
        return compress(*arguments)

    monkeypatch.setattr(index, "compress", compress_together)
    with ThreadPoolExecutor(n_readers) as executor:
        results = list(executor.map(lambda _: made.by_user, range(n_readers)))
    assert all(result is results[0] for result in results)
    assert made.by_user is results[0]


def test_readers_are_right_while_another_thread_drops_the_index() -> None:
    made = cf.datasets.synthetic(60, 40, 900, random_state=1)
    expected = made.by_user.values.copy(), made.by_item.to_other.copy(), made.user_counts.copy()

    def read(_: int) -> bool:
        found = made.by_user.values, made.by_item.to_other, made.user_counts
        return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))

    with ThreadPoolExecutor(3) as executor:
        right = executor.map(read, range(300))
        dropped = executor.submit(lambda: [made.drop_index() for _ in range(300)])
        assert all(right)
        dropped.result()


def test_pickles_hold_no_index() -> None:
    made = cf.datasets.synthetic(60, 40, 900, random_state=1)
    small = len(pickle.dumps(made))
    made.build_index(1)
    assert len(pickle.dumps(made)) == small
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.by_user.values, made.by_user.values)


def test_dropping_the_index_frees_it() -> None:
    made = cf.datasets.synthetic(60, 40, 900, random_state=1)
    kept = weakref.ref(made.by_user.values)
    gc.collect()
    assert kept() is not None
    made.drop_index()
    gc.collect()
    assert kept() is None
