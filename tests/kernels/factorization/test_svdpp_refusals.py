"""`svdpp.train` and its twin refuse bad arguments, in the same words."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from cfcore.kernels import svdpp as compiled
from cfcore.kernels.records import ImplicitRows, ImplicitSets, UserBatchLayout, UserBatchVisits
from cfcore.reference.factorization import svdpp as twin
from tests.kernels.factorization.batch_case import frozen
from tests.kernels.factorization.svdpp_case import PARAMETERS, Case

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]


def refused(module: Any, message: str, span: tuple[int, int] = (0, 2), **changes: Any) -> None:
    """`train` raises ValueError and leaves the parameters as they were."""
    given = {**Case().records(), **changes}
    before = [held.copy() for _, held, _ in given["factors"].arrays()]
    with pytest.raises(ValueError, match=message):
        module.train(**given, span=span, n_threads=1)
    for held, expected in zip(given["factors"].arrays(), before, strict=True):
        assert np.array_equal(held[1], expected)


def zeros(*shape: int, dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype=dtype)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_codes_of_ratings_out_of_range(module: Any, n_threads: int) -> None:
    for column, code in (("user", 9), ("user", -1), ("item", 7), ("item", -(2**31))):
        layout = UserBatchLayout(*Case().arrays())
        ratings = layout.ratings.copy()
        ratings[column][-1] = code
        with pytest.raises(ValueError, match="train: a user or an item in block 7 is out of range"):
            Case().train(module, layout=replace(layout, ratings=ratings), n_threads=n_threads)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_sets_and_cuts_that_are_not_sound(module: Any, n_threads: int) -> None:
    message = "train: sets are not ascending, or layout.cuts are not those of the sets"
    for user in (0, 8):
        begin, end = Case().sets.indptr[user : user + 2]
        for at, code in ((begin, -1), (end - 1, 9), (end - 1, Case().sets.members[end - 2])):
            case = Case()
            given = case.records()
            case.sets.members[at] = code  # after the record has checked it
            with pytest.raises(ValueError, match=message):
                case.train(module, **given, n_threads=n_threads)
    case = Case()
    layout = UserBatchLayout(*case.arrays())
    for cuts in (layout.cuts + 1, layout.cuts - 1, np.roll(layout.cuts, 1, axis=1), layout.cuts * 0 + 10**9):
        with pytest.raises(ValueError, match=message):
            case.train(module, layout=replace(layout, cuts=cuts), n_threads=n_threads)
    parts = np.array([0, 4, 5, 9], dtype=np.int32)
    with pytest.raises(ValueError, match=message):
        case.train(module, layout=replace(layout, parts=parts), n_threads=n_threads)


@pytest.mark.parametrize("module", BOTH)
class TestArraysThatChangedSinceTheirRecordsWereMade:
    def test_bounds_of_sets(self, module: Any) -> None:
        case = Case()
        given = case.records()
        case.sets.indptr[3] = 1000
        with pytest.raises(ValueError, match=r"train: sets.indptr falls at row 3"):
            module.train(**given, span=(0, 2), n_threads=1)

    @pytest.mark.parametrize(
        ("name", "at", "value", "message"),
        [
            ("block_ptr", 3, 41, "UserBatchLayout: block_ptr falls at row 3"),
            ("stripe_ptr", 2, -1, "UserBatchLayout: stripe_ptr falls at row 1"),
            ("stripe_ptr", 4, 10, "UserBatchLayout: stripe_ptr must run from 0 to 9"),
            ("parts", 1, 20, "UserBatchLayout: parts falls at row 1"),
        ],
    )
    def test_bounds_of_the_layout(self, module: Any, name: str, at: int, value: int, message: str) -> None:
        layout = UserBatchLayout(*Case().arrays())
        changed = getattr(layout, name).copy()
        layout = replace(layout, **{name: changed})
        changed[at] = value
        refused(module, message, layout=layout)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("batches", 2, "train: visits.batches holds 2 at 0"),
            ("batches", -1, "train: visits.batches holds -1 at 0"),
            ("order", 4, r"UserBatchVisits: order holds 4 at 0, which is not in \[0, 4\)"),
            ("starts", -1, "UserBatchVisits: starts must not be negative"),
        ],
    )
    def test_visits(self, module: Any, name: str, value: int, message: str) -> None:
        changed = getattr(Case().visits, name).copy()
        visits = replace(Case().visits, **{name: changed})
        changed.reshape(-1)[0] = value
        refused(module, message, visits=visits)


@pytest.mark.parametrize("module", BOTH)
class TestRecordsThatDoNotFitTogether:
    def test_numbers_of_users(self, module: Any) -> None:
        case = Case()
        fewer, scratch = Case(n_users=8), case.scratch()
        for changes in (
            {"layout": UserBatchLayout(*fewer.arrays())},
            {"sets": fewer.sets},
            {"factors": fewer.factors()},
            {"scratch": fewer.scratch()},
        ):
            refused(module, "train: .* must be of the same number of users", **changes)
        assert scratch.n_users == 9

    def test_rows_of_the_table(self, module: Any) -> None:
        case = Case()
        factors = case.factors()
        more = ImplicitSets(case.sets.indptr, case.sets.members, 10)
        for changes in ({"sets": more}, {"factors": replace(factors, implicit_factors=zeros(10, 16))}):
            refused(module, "train: .* must be of the rows of implicit_factors", **changes)

    def test_ratings_without_items(self, module: Any) -> None:
        factors = replace(Case().factors(), item_factors=zeros(0, 16), item_bias=zeros(0))
        refused(module, "train: there are ratings, but no users or no items", factors=factors)

    def test_scratch(self, module: Any) -> None:
        scratch = Case().scratch()
        for changes, message in (
            (Case(width=32).scratch(), "dtype and row length"),
            (Case(dtype="float64").scratch(), "dtype and row length"),
            (replace(scratch, squares=np.zeros(7)), "starts and scratch.squares"),
            (replace(scratch, schedule=zeros(7, 3, dtype=np.int32)), "scratch.schedule"),
            (replace(scratch, latest=zeros(2, 3, dtype=np.int32)), "scratch.latest"),
            (
                replace(scratch, latest=zeros(1, 4, dtype=np.int32), claims=zeros(2, 3, dtype=np.int32)),
                "scratch.latest",
            ),
            (replace(scratch, partial_sums=zeros(1, 3, 16)), "scratch.partial_sums"),
            (
                replace(scratch, partial_sums=zeros(9, 2, 16), claims=zeros(3, 2, dtype=np.int32)),
                "scratch.partial_sums",
            ),
        ):
            refused(module, f"train: .*{message}", scratch=changes)

    def test_visits(self, module: Any) -> None:
        visits = Case().visits
        few = UserBatchVisits(visits.batches, visits.order % 2, visits.starts[:4])
        refused(module, "train: visits.starts and scratch.squares", visits=few)
        few = UserBatchVisits(visits.batches, np.ascontiguousarray(visits.order[:, :2] % 2), visits.starts)
        refused(module, "train: rows of visits.order", visits=few)

    def test_spans_beyond_the_visits(self, module: Any) -> None:
        for span in ((2, 1), (0, 3), (-1, 1)):
            refused(module, rf"train: span \({span[0]}, {span[1]}\) is not within the 2 visits", span=span)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("n_threads", [0, -1, 1025])
def test_numbers_of_threads(module: Any, n_threads: int) -> None:
    case = Case()
    given = case.records()
    rows = ImplicitRows(given["factors"].implicit_factors, given["scratch"].sums)
    for call in (
        lambda: module.train(**given, span=(0, 2), n_threads=n_threads),
        lambda: module.cut_sets(case.sets, given["layout"], n_threads),
        lambda: module.implicit_sums(case.sets, rows, n_threads),
    ):
        with pytest.raises(ValueError, match=f"n_threads must be between 1 and 1024, not {n_threads}"):
            call()


@pytest.mark.parametrize("module", BOTH)
def test_arguments_of_other_kinds(module: Any) -> None:
    for name in ("layout", "sets", "factors", "rates", "visits", "scratch"):
        given = {**Case().records(), name: None}
        with pytest.raises(TypeError, match=f"train: {name} must be a .*, not NoneType"):
            module.train(**given, span=(0, 2), n_threads=1)


@pytest.mark.parametrize("module", BOTH)
def test_arrays_that_are_read_only(module: Any) -> None:
    given = Case().records()
    scratch = [field.name for field in fields(given["scratch"]) if field.metadata.get("written")]
    assert len(scratch) == 9
    for record, names in (("factors", PARAMETERS), ("scratch", scratch)):
        for name in names:
            held = given[record]
            changed = replace(held, **{name: frozen(getattr(held, name).copy())})
            refused(module, f"{type(held).__name__}: {name} is read-only", **{record: changed})


@pytest.mark.parametrize("module", BOTH)
def test_arrays_that_share_memory(module: Any) -> None:
    given = Case().records()
    factors, scratch, sets = given["factors"], given["scratch"], given["sets"]
    table, partial = factors.implicit_factors, scratch.partial_sums.reshape(-1)
    for changes, names in (
        ({"factors": replace(factors, user_factors=table)}, "SVDppFactors: .* and SVDppFactors: "),
        ({"factors": replace(factors, item_factors=table[:7])}, "SVDppFactors: .* and SVDppFactors: "),
        (
            {"scratch": replace(scratch, first_sums=scratch.sums)},
            "UserBatchScratch: .* and UserBatchScratch: ",
        ),
        ({"scratch": replace(scratch, gains=scratch.kept)}, "UserBatchScratch: .* and UserBatchScratch: "),
        ({"scratch": replace(scratch, sums=table)}, "SVDppFactors: .*|UserBatchScratch: sums and"),
        ({"sets": replace(sets, weights=partial[: sets.n_members])}, "ImplicitSets: weights"),
    ):
        with pytest.raises(ValueError, match=f"({names}).* share memory, and one of them would be written"):
            module.train(**{**given, **changes}, span=(0, 2), n_threads=1)
