"""Records of the models with implicit terms check sets, batches and parameters when they are made."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from cfcore.kernels.records import (
    DAY,
    MOST_SESSION_LEVELS,
    RATING,
    TIME_TERMS,
    ImplicitRows,
    ImplicitSets,
    SVDppFactors,
    SVDppRates,
    TimeLayout,
    TimeParameters,
    TimeRates,
    UserBatchLayout,
    UserBatchScratch,
    UserBatchVisits,
)


def codes(*values: int) -> Any:
    return np.array(values, dtype=np.int32)


def refused(kind: Any, message: str, given: dict[str, Any], **changes: Any) -> None:
    with pytest.raises(ValueError, match=f"^{kind.__name__}: {message}"):
        kind(**{**given, **changes})


class TestImplicitSets:
    given: ClassVar[dict[str, Any]] = {
        "indptr": np.array([0, 2, 2, 3, 5]),
        "members": codes(0, 3, 3, 1, 2),
        "n_rows": 4,
    }

    def test_sets_may_be_empty_and_begin_with_the_code_that_ends_the_set_before(self) -> None:
        sets = ImplicitSets(**self.given)
        assert (sets.n_users, sets.n_members, sets.weights) == (4, 5, None)
        assert ImplicitSets(np.zeros(1, dtype=np.int64), codes(), 0).n_users == 0

    def test_members_are_ascending_codes_of_rows(self) -> None:
        for members, message in (
            (codes(0, 4, 3, 1, 2), r"members holds 4 at 1, which is not in \[0, 4\)"),
            (codes(-1, 3, 3, 1, 2), "members holds -1 at 0"),
            (codes(3, 3, 3, 1, 2), "members of user 0 are not ascending"),
            (codes(0, 3, 3, 2, 1), "members of user 3 are not ascending"),
        ):
            refused(ImplicitSets, message, self.given, members=members)

    def test_bounds_rise_to_the_number_of_members(self) -> None:
        for indptr, message in (
            ([0, 2, 2, 3, 6], "indptr must run from 0 to 5"),
            ([1, 2, 2, 3, 5], "indptr must run from 0 to 5"),
            ([0, 3, 2, 3, 5], "indptr falls at row 1"),
        ):
            refused(ImplicitSets, message, self.given, indptr=np.array(indptr))

    def test_weights_are_finite_and_one_a_member(self) -> None:
        weights = np.array([1, -2, 0, 0.5, 3], dtype=np.float32)
        assert ImplicitSets(**self.given, weights=weights).weights is weights
        refused(ImplicitSets, r"weights must be of shape \(n_members\)", self.given, weights=weights[:4])
        refused(ImplicitSets, "weights must be of float32", self.given, weights=weights.astype(float))
        for bad in (np.nan, np.inf):
            changed = weights.copy()
            changed[3] = bad
            refused(ImplicitSets, f"weights holds {bad} at 3", self.given, weights=changed)


def test_rows_and_sums_are_of_one_length_in_groups_of_64_bytes() -> None:
    table, sums = np.zeros((3, 16), dtype=np.float32), np.zeros((5, 16), dtype=np.float32)
    assert ImplicitRows(table, sums).width == 16
    refused(ImplicitRows, "sums must be of shape", {"table": table}, sums=np.zeros((5, 32), np.float32))
    refused(ImplicitRows, "sums must be of float32", {"table": table}, sums=np.zeros((5, 16)))
    rows = np.zeros((3, 20), dtype=np.float32)
    refused(ImplicitRows, "table: rows must be padded", {"table": rows}, sums=rows)


class TestBatchLayout:
    #: Two batches of one user stripe and two item stripes, four users.
    given: ClassVar[dict[str, Any]] = {
        "ratings": np.zeros(6, dtype=RATING),
        "block_ptr": np.array([0, 1, 3, 5, 6]),
        "stripe_ptr": codes(0, 3, 4),
        "user_counts": np.array([1, 2, 0, 3]),
        "parts": codes(0, 2, 9),
        "cuts": np.zeros((4, 3), dtype=np.int64),
        "n_item_stripes": 2,
        "n_batches": 2,
    }

    def test_its_dimensions(self) -> None:
        layout = UserBatchLayout(**self.given)
        assert (layout.n, layout.n_blocks, layout.n_stripes, layout.n_users, layout.n_parts) == (
            6,
            4,
            2,
            4,
            2,
        )
        assert (layout.batch_stripes, layout.batch_blocks, layout.batch_users) == (1, 2, 3)

    def test_stripes_make_batches_and_blocks(self) -> None:
        refused(UserBatchLayout, "stripe_ptr must have n_batches", self.given, n_batches=3)
        refused(UserBatchLayout, "stripe_ptr must have n_batches", self.given, stripe_ptr=codes(0))
        refused(UserBatchLayout, "block_ptr must have user stripes", self.given, n_item_stripes=3)
        refused(UserBatchLayout, "n_batches must be between 1 and", self.given, n_batches=0)
        refused(UserBatchLayout, "n_item_stripes must be between 1 and", self.given, n_item_stripes=0)

    def test_bounds_rise(self) -> None:
        for name, array, message in (
            ("stripe_ptr", codes(0, 3, 5), "stripe_ptr must run from 0 to 4"),
            ("stripe_ptr", codes(0, 5, 4), "stripe_ptr falls at row 1"),
            ("block_ptr", np.array([0, 4, 3, 5, 6]), "block_ptr falls at row 1"),
            ("block_ptr", np.array([0, 1, 3, 5, 7]), "block_ptr must run from 0 to 6"),
            ("parts", codes(1, 2, 9), "parts must run from 0 to 9"),
            ("parts", codes(0, 10, 9), "parts falls at row 1"),
        ):
            refused(UserBatchLayout, message, self.given, **{name: array})
        none = {"parts": codes(0), "cuts": np.zeros((4, 1), dtype=np.int64)}
        refused(UserBatchLayout, "parts must have n_parts", self.given, **none)

    def test_users_have_counts_and_cuts(self) -> None:
        refused(UserBatchLayout, r"cuts must be of shape", self.given, cuts=np.zeros((3, 3), dtype=np.int64))
        refused(UserBatchLayout, r"cuts must be of shape", self.given, cuts=np.zeros((4, 2), dtype=np.int64))

    def test_days_are_those_of_its_users(self) -> None:
        days = np.zeros(3, dtype=DAY)
        days["user"] = [0, 3, 1]
        assert TimeLayout(**self.given, days=days).n_days == 3
        days["user"][1] = 4
        refused(TimeLayout, "days holds 4 at 1", self.given, days=days)
        refused(TimeLayout, "stripe_ptr must have n_batches", self.given, days=days, n_batches=3)

    def test_moments_have_a_day_and_sessions(self) -> None:
        days = np.zeros(3, dtype=DAY)
        moments = np.array([[0, 0, 5], [2, 1, 4]], dtype=np.int32)
        found = TimeLayout(**self.given, days=days, moments=moments)
        assert (found.n_levels, found.n_sessions) == (2, 6)
        plain = TimeLayout(**self.given, days=days)
        assert (plain.n_levels, plain.n_sessions) == (0, 0)
        wide = np.zeros((2, MOST_SESSION_LEVELS + 2), dtype=np.int32)
        for changed, message in (
            (moments[:, :1].copy(), "moments must have 2 to 17 columns"),
            (wide, "moments must have 2 to 17 columns"),
            (moments - 1, r"moments holds -1 at 0, which is not in \[0, 3\)"),
            (moments + 1, r"moments holds 3 at 1, which is not in \[0, 3\)"),
            (np.array([[0, 0, -1]], dtype=np.int32), "moments holds -1 at 2"),
        ):
            refused(TimeLayout, message, {**self.given, "days": days}, moments=changed)


def test_visits_are_of_blocks_within_a_batch() -> None:
    given = {
        "batches": codes(1, 0),
        "order": codes(0, 1, 1, 0).reshape(2, 2),
        "starts": np.array([0, 3, 0, 9]),
    }
    visits = UserBatchVisits(**given)
    assert (visits.n_visits, visits.batch_blocks, visits.n_blocks) == (2, 2, 4)
    refused(UserBatchVisits, "order holds 2 at 0", given, order=codes(2, 1, 1, 0).reshape(2, 2))
    refused(UserBatchVisits, "order must be of shape", given, order=codes(0, 1).reshape(1, 2))
    refused(UserBatchVisits, "starts must not be negative", given, starts=np.array([0, -3]))


def test_scratch_is_of_one_dtype_and_has_a_row_of_claims_more_than_visits() -> None:
    rows, numbers = np.zeros((4, 16)), np.zeros(4)
    given = {
        "sums": rows,
        "first_sums": rows,
        "partial_sums": np.zeros((3, 2, 16)),
        "kept": numbers,
        "gains": numbers,
        "squares": numbers,
        "schedule": np.zeros((4, 3), dtype=np.int32),
        "latest": np.zeros((2, 3), dtype=np.int32),
        "claims": np.zeros((3, 2), dtype=np.int32),
    }
    scratch = UserBatchScratch(**given)
    assert (scratch.n_visits, scratch.n_stripes, scratch.n_parts, scratch.batch_users) == (2, 3, 2, 3)
    assert all(field.metadata["written"] for field in fields(scratch) if "dtype" in field.metadata)
    refused(UserBatchScratch, "claims must be of shape", given, claims=np.zeros((2, 2), dtype=np.int32))
    refused(UserBatchScratch, "kept must be of float64", given, kept=numbers.astype(np.float32))


def test_svdpp_has_one_width_and_its_own_number_of_implicit_factors() -> None:
    rows, bias = np.zeros((3, 16), dtype=np.float32), np.zeros(3, dtype=np.float32)
    given = dict.fromkeys(("user_factors", "item_factors", "implicit_factors"), rows)
    given |= {"user_bias": bias, "item_bias": bias, "mean": 3.5}
    assert SVDppFactors(**{**given, "implicit_factors": np.zeros((8, 16), np.float32)}).n_implicit == 8
    refused(
        SVDppFactors,
        "implicit_factors must be of shape",
        given,
        implicit_factors=np.zeros((3, 32), np.float32),
    )
    refused(SVDppFactors, "implicit_factors must be of float32", given, implicit_factors=np.zeros((3, 16)))


def test_the_rate_of_users_is_that_of_items_if_not_given() -> None:
    rates = SVDppRates(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    assert rates.lr_user == 0.1
    assert replace(rates, lr=0.7).lr_user == 0.1
    assert SVDppRates(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, lr_user=0).lr_user == 0
    with pytest.raises(ValueError, match="SVDppRates: lr_bias must be between 0 and inf, not -1"):
        SVDppRates(0.1, 0.2, -1, 0.4, 0.5, 0.6)
    with pytest.raises(TypeError, match="SVDppRates: lr must be a number"):
        SVDppRates(None, 0.2, 0.3, 0.4, 0.5, 0.6)  # type: ignore[arg-type]


class TestTimeParameters:
    def given(self, **changes: Any) -> dict[str, Any]:
        rows = {"user": 3, "day": 5, "item": 2, "implicit": 4}
        shape = {
            term: (rows[term.split("_")[0]],) + ((16,) if term.endswith(("factors", "drift")) else ())
            for term in TIME_TERMS
        }
        shape |= {term: (2, k) for k, term in enumerate(TIME_TERMS[9:13])}
        return {**{term: np.zeros(shape[term]) for term in TIME_TERMS}, "mean": 3.0, **changes}

    def test_there_are_15_terms(self) -> None:
        assert len(TIME_TERMS) == 15
        found = TimeParameters(**self.given())
        assert (found.n_users, found.n_days, found.n_items, found.n_implicit, found.width) == (3, 5, 2, 4, 16)

    def test_terms_may_be_left_out(self) -> None:
        for term in ("user_slope", "user_scale", "user_drift", "day_bias", "day_scale", "day_factors"):
            found = TimeParameters(**self.given(**{term: self.given()[term][:0]}))
            assert found.n_days == 5
        days = {term: self.given()[term][:0] for term in ("day_bias", "day_scale", "day_factors")}
        assert TimeParameters(**self.given(**days)).n_days == 0

    def test_rows(self) -> None:
        for term, shape, message in (
            ("user_bias", (0,), "user_factors must be of shape"),
            ("user_slope", (2,), "user_slope must have 3 rows, or none"),
            ("user_scale", (4,), "user_scale must have 3 rows, or none"),
            ("user_drift", (2, 16), "user_drift must have 3 rows, or none"),
            ("user_drift", (0, 32), "user_drift must be of shape"),
            ("day_bias", (4,), "day_bias must have 5 rows, or none"),
            ("day_bias", (6,), "day_scale must have 6 rows, or none"),
            ("day_factors", (5, 32), "day_factors must be of shape"),
            ("item_bias", (3,), "item_bins must be of shape"),
            ("item_weeks", (0, 0), "item_weeks must be of shape"),
            ("implicit_factors", (4, 32), "implicit_factors must be of shape"),
        ):
            refused(TimeParameters, message, self.given(), **{term: np.zeros(shape)})
        odd = {
            term: array[:, :12].copy() for term, array in self.given().items() if np.shape(array)[1:] == (16,)
        }
        assert len(odd) == 5
        refused(TimeParameters, "user_factors: rows must be padded", self.given(), **odd)

    def test_rates_are_one_a_term_and_finite(self) -> None:
        assert TimeRates(np.ones(15), np.ones(15)).lr[3] == 1
        refused(TimeRates, r"lr must be of shape \(15\)", {"reg": np.ones(15)}, lr=np.ones(14))
        bad = np.ones(15)
        bad[4] = np.nan
        refused(TimeRates, "lr and reg must be finite", {"lr": np.ones(15)}, reg=bad)

    def test_sessions_have_rates_for_each_level(self) -> None:
        both = {"lr": np.ones(15), "reg": np.ones(15)}
        assert TimeRates(**both, session_lr=np.ones(3), session_reg=np.ones(3)).n_levels == 3
        assert TimeRates(**both).n_levels == 0
        for lr, reg, message in (
            (np.ones(3), np.ones(2), r"session_reg must be of shape \(n_levels\)"),
            (np.ones(3), None, "session_lr and session_reg must both be given, or none"),
            (np.full(3, np.inf), np.ones(3), "lr and reg must be finite"),
        ):
            refused(TimeRates, message, both, session_lr=lr, session_reg=reg)
