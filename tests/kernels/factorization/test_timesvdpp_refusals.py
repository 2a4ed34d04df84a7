"""`timesvdpp.train` and its twin refuse bad arguments, in the same words; the rest is as in `svdpp`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cfcore.kernels import timesvdpp as compiled
from cfcore.kernels.records import TIME_TERMS, ImplicitSets, UserBatchLayout
from cfcore.reference.factorization import timesvdpp as twin
from tests.kernels.factorization.batch_case import frozen
from tests.kernels.factorization.timesvdpp_case import TABLES, Case

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]


def refused(module: Any, message: str, span: tuple[int, int] = (0, 2), **changes: Any) -> None:
    """`train` raises ValueError and leaves the parameters as they were."""
    given = {**Case().records(), **changes}
    before = [held.copy() for _, held, _ in given["parameters"].arrays()]
    with pytest.raises(ValueError, match=message):
        module.train(**given, span=span, n_threads=1)
    for held, expected in zip(given["parameters"].arrays(), before, strict=True):
        assert np.array_equal(held[1], expected)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_codes_of_ratings_out_of_range(module: Any, n_threads: int) -> None:
    for column, code in (("user", len(Case().days)), ("user", -1), ("item", 7), ("item", -(2**31))):
        layout = Case().layout()
        ratings = layout.ratings.copy()
        ratings[column][-1] = code
        with pytest.raises(ValueError, match="its entry in days, or an item in block 7 is out of range"):
            Case().train(module, layout=replace(layout, ratings=ratings), n_threads=n_threads)


@pytest.mark.parametrize("module", BOTH)
def test_entries_of_days_out_of_range(module: Any) -> None:
    for field, code in (("user", 9), ("user", -1), *((field, n) for field, (_, n) in TABLES.items())):
        case = Case()
        given = case.records()
        case.days[field][given["layout"].ratings["user"][-1]] = code  # after the record has checked it
        with pytest.raises(
            ValueError, match=r"train: .* its entry in days, or an item in block \d is out of range"
        ):
            module.train(**given, span=(0, 2), n_threads=1)


@pytest.mark.parametrize("module", BOTH)
def test_sets_and_cuts_that_are_not_sound(module: Any) -> None:
    layout = Case().layout()
    refused(module, "train: sets are not ascending, or .*cuts", layout=replace(layout, cuts=layout.cuts + 1))


@pytest.mark.parametrize("module", BOTH)
def test_records_that_do_not_fit_together(module: Any) -> None:
    case, fewer = Case(), Case(n_users=8)
    more = ImplicitSets(case.sets.indptr, case.sets.members, 10)
    for changes, message in (
        ({"layout": fewer.layout()}, "the same number of users"),
        ({"sets": fewer.sets}, "the same number of users"),
        ({"scratch": fewer.scratch()}, "the same number of users"),
        ({"sets": more}, "the rows of implicit_factors"),
        ({"scratch": Case(width=32).scratch()}, "dtype and row length"),
        ({"scratch": replace(case.scratch(), squares=np.zeros(7))}, "starts and scratch.squares"),
    ):
        refused(module, f"train: .*{message}", **changes)
    refused(module, r"train: span \(0, 3\) is not within the 2 visits", span=(0, 3))


@pytest.mark.parametrize("module", BOTH)
def test_days_without_parameters(module: Any) -> None:
    # A layout has days that the parameters of days know nothing of.
    more = Case(most_days=6)
    assert len(more.days) > len(Case().days)
    refused(module, "train: parameters must have a row for each of layout.days", layout=more.layout())


@pytest.mark.parametrize("module", BOTH)
def test_sessions_that_do_not_fit(module: Any) -> None:
    case = Case(levels=2)
    given = case.records()
    fewer = replace(given["parameters"], session_bias=given["parameters"].session_bias[:-1].copy())
    none = replace(given["parameters"], session_bias=None)
    one = replace(case.rates, session_lr=np.ones(1), session_reg=np.ones(1))
    for changes, message in (
        (
            {"parameters": fewer},
            r"layout.moments has sessions up to \d+, parameters.session_bias has \d+ rows",
        ),
        ({"parameters": none}, "layout.moments and parameters.session_bias must both be given, or none"),
        ({"layout": Case().layout()}, "layout.moments and parameters.session_bias must both be given"),
        ({"rates": one}, "rates have 1 levels of sessions, layout.moments has 2"),
        ({"rates": Case().rates}, "rates have 0 levels of sessions, layout.moments has 2"),
    ):
        refused(module, f"train: {message}", **{**given, **changes})
    layout = given["layout"]
    for code in (len(case.moments), -1):
        ratings = layout.ratings.copy()
        ratings["user"][-1] = code
        with pytest.raises(ValueError, match="or an item in block 7 is out of range"):
            case.train(module, layout=replace(layout, ratings=ratings))


@pytest.mark.parametrize("module", BOTH)
def test_arguments_of_other_kinds(module: Any) -> None:
    for name in ("layout", "sets", "parameters", "rates", "visits", "scratch"):
        given = {**Case().records(), name: None}
        with pytest.raises(TypeError, match=f"train: {name} must be a .*, not NoneType"):
            module.train(**given, span=(0, 2), n_threads=1)
    given = {**Case().records(), "layout": UserBatchLayout(*Case().arrays())}
    with pytest.raises(TypeError, match="train: layout must be a TimeLayout, not UserBatchLayout"):
        module.train(**given, span=(0, 2), n_threads=1)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("term", TIME_TERMS)
def test_parameters_that_are_read_only_or_share_memory(module: Any, term: str) -> None:
    x = Case().parameters()
    only_read = replace(x, **{term: frozen(getattr(x, term).copy())})
    refused(module, f"TimeParameters: {term} is read-only", parameters=only_read)
    scratch = Case().scratch()
    memory = scratch.partial_sums.reshape(-1)
    held = getattr(x, term)
    shared = replace(x, **{term: memory[: held.size].reshape(held.shape)})
    refused(module, "share memory, and one of them would be written", parameters=shared, scratch=scratch)
