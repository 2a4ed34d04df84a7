"""Sums over the sets N(u), and where the parts of the table begin in each."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from cfcore.kernels import available_levels, use_level
from cfcore.kernels import svdpp as compiled
from cfcore.kernels.records import ImplicitRows, ImplicitSets, UserBatchLayout
from cfcore.reference.factorization import svdpp as twin
from tests.kernels.factorization.batch_case import frozen
from tests.kernels.factorization.svdpp_case import Case, cases

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]


def rows_of(case: Case) -> ImplicitRows:
    table = frozen(case.start["implicit_factors"].astype(case.dtype))
    return ImplicitRows(table, np.full((case.n_users, case.width), 7, dtype=case.dtype))


@given(cases)
def test_sums_are_those_of_the_sets(case: Case) -> None:
    expected = [case.sum_of(u, case.start["implicit_factors"]) for u in range(case.n_users)]
    found = []
    for level in available_levels():
        with use_level(level):
            for n_threads in (1, 3):
                rows = rows_of(case)
                compiled.implicit_sums(case.sets, rows, n_threads)
                found.append(rows.sums)
    assert all(np.array_equal(sums, found[0]) for sums in found)
    rows = rows_of(case)
    twin.implicit_sums(case.sets, rows, 1)
    for sums in (rows.sums, found[0]):
        np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_of_many_users(weighted: bool) -> None:
    case = Case(1000, 300, 20_000, weighted=weighted)
    rows, again = rows_of(case), rows_of(case)
    compiled.implicit_sums(case.sets, rows, 1)
    compiled.implicit_sums(case.sets, again, 4)
    assert rows.sums.tobytes() == again.sums.tobytes()
    expected = [case.sum_of(u, case.start["implicit_factors"]) for u in range(case.n_users)]
    np.testing.assert_allclose(rows.sums, expected, rtol=1e-4, atol=1e-5)


@given(cases)
def test_cuts_divide_the_sets(case: Case) -> None:
    found = []
    for module, n_threads in ((compiled, 1), (compiled, 3), (twin, 1)):
        layout = UserBatchLayout(*case.arrays())
        layout.cuts[:] = -7
        module.cut_sets(case.sets, layout, n_threads)
        found.append(layout.cuts)
    assert all(np.array_equal(cuts, found[0]) for cuts in found)
    assert np.array_equal(found[0][:, 0], case.sets.indptr[:-1])
    assert np.array_equal(found[0][:, -1], case.sets.indptr[1:])
    for row in found[0]:
        for part, (begin, end) in enumerate(pairwise(row)):
            own = case.sets.members[begin:end]
            assert ((own >= case.parts[part]) & (own < case.parts[part + 1])).all()


@pytest.mark.parametrize("module", BOTH)
class TestSumsAreRefused:
    def test_tables_and_sums_of_other_shapes(self, module: Any) -> None:
        case = Case()
        rows = rows_of(case)
        for other in (replace(rows, table=rows.table[:-1]), replace(rows, sums=rows.sums[:-1])):
            with pytest.raises(ValueError, match="implicit_sums: rows must have a sum for each user"):
                module.implicit_sums(case.sets, other, 1)

    @pytest.mark.parametrize("n_threads", [1, 3])
    def test_sets_that_changed(self, module: Any, n_threads: int) -> None:
        for at, code in ((0, -1), (-1, 9), (-1, 0)):
            case = Case()
            case.sets.members[at] = code  # after the record has checked it
            with pytest.raises(ValueError, match="implicit_sums: sets are not ascending or out of range"):
                module.implicit_sums(case.sets, rows_of(case), n_threads)
        case = Case()
        case.sets.indptr[3] = 1000
        with pytest.raises(ValueError, match=r"implicit_sums: sets.indptr falls at row 3"):
            module.implicit_sums(case.sets, rows_of(case), n_threads)

    def test_sums_that_are_read_only_or_share_memory(self, module: Any) -> None:
        case = Case(n_users=9)
        rows = rows_of(case)
        with pytest.raises(ValueError, match="ImplicitRows: sums is read-only"):
            module.implicit_sums(case.sets, replace(rows, sums=frozen(rows.sums.copy())), 1)
        memory = np.zeros((12, 16), dtype=np.float32)
        with pytest.raises(ValueError, match=r"ImplicitRows: .* share memory"):
            module.implicit_sums(case.sets, ImplicitRows(memory[:9], memory[3:]), 1)
        assert not memory.any()
        weights = memory.reshape(-1)[: len(case.sets.members)]
        sets = ImplicitSets(case.sets.indptr, case.sets.members, 9, weights)
        with pytest.raises(ValueError, match="ImplicitSets: weights and ImplicitRows: sums share memory"):
            module.implicit_sums(sets, replace(rows, sums=memory[:9]), 1)

    def test_arguments_of_other_kinds(self, module: Any) -> None:
        case = Case()
        with pytest.raises(TypeError, match="implicit_sums: sets must be a ImplicitSets, not tuple"):
            module.implicit_sums((), rows_of(case), 1)
        with pytest.raises(TypeError, match="implicit_sums: rows must be a ImplicitRows, not NoneType"):
            module.implicit_sums(case.sets, None, 1)


@pytest.mark.parametrize("module", BOTH)
class TestCutsAreRefused:
    def test_layouts_of_other_sets(self, module: Any) -> None:
        case = Case()
        layout = UserBatchLayout(*case.arrays())
        fewer = ImplicitSets(case.sets.indptr, case.sets.members, 12)
        with pytest.raises(ValueError, match="cut_sets: layout must be of the users"):
            module.cut_sets(fewer, layout, 1)
        other = UserBatchLayout(*Case(n_users=8).arrays())
        with pytest.raises(ValueError, match="cut_sets: layout must be of the users"):
            module.cut_sets(case.sets, other, 1)

    def test_sets_that_changed(self, module: Any) -> None:
        case = Case()
        layout = UserBatchLayout(*case.arrays())
        case.sets.indptr[3] = 1000
        with pytest.raises(ValueError, match=r"cut_sets: sets.indptr falls at row 3"):
            module.cut_sets(case.sets, layout, 1)

    def test_cuts_that_are_read_only_or_share_memory(self, module: Any) -> None:
        case = Case()
        layout = UserBatchLayout(*case.arrays())
        with pytest.raises(ValueError, match="UserBatchLayout: cuts is read-only"):
            module.cut_sets(case.sets, replace(layout, cuts=frozen(layout.cuts.copy())), 1)
        cuts = np.zeros((9, 4), dtype=np.int64)
        with pytest.raises(ValueError, match="share memory"):
            module.cut_sets(case.sets, replace(layout, cuts=cuts, user_counts=cuts.reshape(-1)[:9]), 1)

    def test_arguments_of_other_kinds(self, module: Any) -> None:
        case = Case()
        with pytest.raises(TypeError, match="cut_sets: sets must be a ImplicitSets"):
            module.cut_sets([], UserBatchLayout(*case.arrays()), 1)
        with pytest.raises(TypeError, match="cut_sets: layout must be a UserBatchLayout"):
            module.cut_sets(case.sets, [], 1)
