"""`timesvdpp.predict`: the prediction of training, without the terms that are not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from cfcore.kernels import available_levels, use_level
from cfcore.kernels import timesvdpp as compiled
from cfcore.kernels.common import cpu
from cfcore.kernels.records import DAY, RATING, TimeParameters
from cfcore.reference.factorization import timesvdpp as twin
from cfcore.threads import workers_of_last_call
from tests.kernels.factorization.batch_case import frozen, same_bits
from tests.kernels.factorization.timesvdpp_case import MEAN, TABLES, Case, cases

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]


def known(case: Case) -> tuple[Any, Any, Any]:
    """All items on all user-days."""
    days, items = (array.ravel().astype(np.int32) for array in np.indices((len(case.days), case.n_items)))
    return items, days, case.days[days]


def parameters(case: Case) -> TimeParameters:
    """Those of `train`, the sums added to the users' factors, and no implicit factors."""
    x = {term: array.astype(case.dtype) for term, array in case.start.items()}
    table = x["implicit_factors"]
    for u in range(case.n_users):
        x["user_factors"][u] += case.sum_of(u, table).astype(case.dtype)
    x["implicit_factors"] = table[:0]
    return TimeParameters(**{term: frozen(array) for term, array in x.items()}, mean=MEAN)


def predicted(module: Any, case: Case, items: Any, days: Any, when: Any, n_threads: int = 1) -> Any:
    out = np.full(len(items), 7.0)
    module.predict(items, days, when, parameters(case), out, n_threads)
    return out


@given(cases)
def test_it_is_what_training_predicts(case: Case) -> None:
    items, days, when = known(case)
    expected = [case.guess(case.start, day, i) for day, i in zip(days.tolist(), items.tolist(), strict=True)]
    for module in (compiled, twin):
        found = predicted(module, case, items, days, when)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@given(cases)
def test_terms_that_are_not_known_are_left_out(case: Case) -> None:
    items, days, when = known(case)
    rng, when = np.random.default_rng(case.seed), when.copy()
    for array, unknown in (
        (items, -1), (days, -1), (when["user"], -1), *((when[field], 255) for field in TABLES),
    ):  # fmt: skip
        array[rng.random(len(array)) < 0.2] = unknown
    found = predicted(compiled, case, items, days, when)
    for level in available_levels():
        with use_level(level):
            for n_threads in (1, 3):
                assert same_bits([predicted(compiled, case, items, days, when, n_threads)], [found])
    np.testing.assert_allclose(found, predicted(twin, case, items, days, when), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found, expectation(case, items, days, when), rtol=1e-4, atol=1e-4)


def expectation(case: Case, items: Any, days: Any, when: Any) -> Any:
    """The prediction term by term; of what is unknown the parameters are 0, or 1 for c_u."""
    held = parameters(case)
    x = {
        term: np.concatenate([array, np.full((1, *array.shape[1:]), float(term == "user_scale"))])
        for term in case.start
        for array in [getattr(held, term)]
    }
    for term, _ in TABLES.values():
        x[term] = np.hstack([x[term], np.zeros((len(x[term]), 256 - x[term].shape[1]))])
    days = np.where(when["user"] < 0, -1, days)  # row -1 is that of 0
    u, d = when["user"], days
    on = {term: term not in case.off for term in x}
    c = x["user_scale"][u] if on["user_scale"] else np.ones(len(u))
    c = c + (x["day_scale"][d] if on["day_scale"] else 0)
    found = MEAN + x["user_bias"][u] + (x["item_bias"][items] + x["item_bins"][items, when["bin"]]) * c
    for field, (term, _) in [*TABLES.items()][1:]:
        found = found + x[term][items, when[field]]
    found = found + (x["user_slope"][u] * when["dev"] if on["user_slope"] else 0)
    found = found + (x["day_bias"][d] if on["day_bias"] else 0)
    z = x["user_factors"][u] + (x["user_drift"][u] * when["dev"][:, None] if on["user_drift"] else 0)
    z = z + (x["day_factors"][d] if on["day_factors"] else 0)
    return found + (z * x["item_factors"][items]).sum(axis=1)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_as_many_threads_run_as_are_given(n_threads: int) -> None:
    case = Case()
    predicted(compiled, case, *known(case), n_threads)
    assert workers_of_last_call() == (n_threads if cpu.openmp_version() else 1)


def test_no_rows() -> None:
    none = np.zeros(0, dtype=np.int32)
    assert len(predicted(compiled, Case(), none, none, np.zeros(0, DAY), 3)) == 0


@pytest.mark.parametrize("module", BOTH)
class TestRefusals:
    def test_codes_and_columns_out_of_range(self, module: Any) -> None:
        case = Case()
        items, days, when = known(case)

        def changed(array: Any, code: int, field: str | None = None) -> Any:
            array = array.copy()
            (array if field is None else array[field])[3] = code
            return array

        for arguments, message in (
            ((changed(items, 7), days, when), "row 3 .*item 7"),
            ((changed(items, -2), days, when), "row 3 .*item -2"),
            ((items, changed(days, len(case.days)), when), "row 3 .*user-day"),
            ((items, changed(days, -2), when), "row 3 .*user-day -2"),
            ((items, days, changed(when, 9, "user")), "row 3 .user 9"),
            ((items, days, changed(when, -2, "user")), "row 3 .user -2"),
            *(((items, days, changed(when, n, field)), "of row 3 is") for field, (_, n) in TABLES.items()),
        ):
            with pytest.raises(ValueError, match=f"predict: .*{message}"):
                predicted(module, case, *arguments)

    def test_arrays_that_do_not_fit(self, module: Any) -> None:
        case = Case()
        items, days, when = known(case)
        for arguments, message in (
            ((items, days[1:], when), "of one length"),
            ((items, days, when[1:]), "of one length"),
            ((items.astype(np.int64), days, when), "predict: items must be of int32, not int64"),
            ((items, days[::-1], when), "predict: days must be contiguous"),
            ((items, days, np.zeros(len(items), RATING)), "predict: when must be of"),
        ):
            with pytest.raises(ValueError, match=message):
                predicted(module, case, *arguments)
        out, held = np.zeros(len(items)), parameters(case)
        with pytest.raises(ValueError, match="of one length"):
            module.predict(items, days, when, held, out[1:], 1)
        with pytest.raises(ValueError, match="predict: out is read-only"):
            module.predict(items, days, when, held, frozen(out.copy()), 1)
        with pytest.raises(TypeError, match="predict: items must be an ndarray, not list"):
            module.predict(items.tolist(), days, when, held, out, 1)
        with pytest.raises(TypeError, match="predict: parameters must be a TimeParameters, not tuple"):
            module.predict(items, days, when, (), out, 1)

    def test_numbers_of_threads(self, module: Any) -> None:
        with pytest.raises(ValueError, match="n_threads must be between 1 and 1024, not 0"):
            predicted(module, Case(), *known(Case()), 0)

    def test_results_that_share_memory_with_what_is_read(self, module: Any) -> None:
        case = Case(dtype="float64")
        items, days, when = known(case)
        out, held = np.zeros(len(items)), parameters(case)
        own = replace(held, item_factors=np.zeros((7, 16)))
        codes = out.view(np.int32)[: len(items)]
        for arguments, found in (
            ((codes, days, when, held), out),
            ((items, codes, when, held), out),
            ((items[:7], days[:7], when[:7], own), own.item_factors.reshape(-1)[5:12]),
        ):
            with pytest.raises(ValueError, match="predict: out shares memory with another argument"):
                module.predict(*arguments, found, 1)
