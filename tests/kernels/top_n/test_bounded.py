"""Kernel `bounded` and its twin list what `products` lists for the same user, whatever is dismissed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cfcore.kernels import use_level
from cfcore.kernels.records import ItemPanels, TopLists
from cfcore.kernels.top_n import bounded as compiled
from cfcore.kernels.top_n import products
from cfcore.reference.top_n import bounded as twin
from tests.kernels.top_n.cases import EVERYTHING, Case, same


def panels_of(case: Case, head: int = 999) -> ItemPanels:
    given = case.product_records(products, head=head)
    order, panels, rotation = given["order"], given["panels"], given["rotation"]
    return ItemPanels(
        order.items, order.positions, order.tie_positions, panels.panels, panels.tails, panels.bounds,
        rotation.panels, panels.head, rotation.m,
    )  # fmt: skip


def arguments(case: Case, k: int, items: ItemPanels, n: int) -> dict[str, Any]:
    factors, user = case.factors(), case.users[k]
    return {
        "row": factors.user_factors[user], "base": factors.mean + float(factors.user_bias[user]),
        "factors": factors, "items": items,
        "excluded": np.unique(case.excluded[case.starts[k] : case.stops[k]]),
        "listed": np.full(n, 99, dtype=np.int32), "scores": np.full(n, 9.0),
        "scratch": np.full(2 * factors.width + items.n_tail, np.nan, dtype=np.float32),
    }  # fmt: skip


def call(name: str, given: dict[str, Any]) -> None:
    if name == "reference":
        twin.best_of_panels(**given)
    else:
        with use_level(name):
            compiled.best_of_panels(**given)


def lists_of(name: str, case: Case, n: int, head: int = 999) -> TopLists:
    found, items = case.room(n), panels_of(case, head)
    for k in range(len(case.users)):
        given = arguments(case, k, items, n)
        call(name, given)
        found.positions[k], found.scores[k] = given["listed"], given["scores"]
    return found


@pytest.mark.parametrize("name", EVERYTHING)
def test_lists_are_those_of_a_sort(name: str) -> None:
    for seed in range(4):
        case = Case(seed, width=16 * seed, dtype=("float32", "float64")[seed % 2], whole=True)  # many ties
        same(lists_of(name, case, 9), case.sorted(case.predictions(), 9))


@pytest.mark.parametrize("head", [0, 16, 40, 112])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EVERYTHING[:-1])
def test_lists_have_the_bits_of_predictions(name: str, dtype: str, head: int) -> None:
    case = Case(7, 30, 500, width=112, dtype=dtype, scale=0.3)
    same(lists_of(name, case, 10, head), case.sorted(case.predictions(), 10))


@pytest.mark.parametrize("scale", [1e-25, 1e-3, 1e12, 1e17])
@pytest.mark.parametrize("name", EVERYTHING[:-1])
def test_factors_of_any_size(name: str, scale: float) -> None:
    case = Case(8, 20, 200, scale=scale)
    with np.errstate(over="ignore", invalid="ignore"):
        same(lists_of(name, case, 5), case.sorted(case.predictions(), 5))


@pytest.mark.parametrize("name", EVERYTHING)
def test_lists_longer_than_there_are_items(name: str) -> None:
    case = Case(4, 10, 30, density=0.5, whole=True)
    found = lists_of(name, case, 40)
    same(found, case.sorted(case.predictions(), 40))


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_items(name: str) -> None:
    found = lists_of(name, Case(5, allowed=0), 3)
    assert (found.positions == -1).all()
    assert (found.scores == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda given: {"row": given["row"][:8].copy()}, "row must have 16 numbers, not 8"),
        (lambda given: {"row": given["row"].astype(np.float64)}, "row must be of float32"),
        (lambda given: {"excluded": np.array([3, 3], dtype=np.int32)}, "excluded must be ascending"),
        (lambda given: {"excluded": np.array([-1], dtype=np.int32)}, "excluded must be ascending"),
        (lambda given: {"excluded": np.array([150], dtype=np.int32)}, "excluded must be ascending"),
        (lambda given: {"scores": np.empty(3)}, "must be of one length"),
        (lambda given: {"scores": np.empty(0), "listed": np.empty(0, np.int32)}, "at least 1"),
        (lambda given: {"scratch": np.empty(5, dtype=np.float32)}, "scratch must have"),
        (lambda given: {"scratch": given["row"].repeat(4)[:0]}, "scratch must have"),
        (lambda given: {"items": panels_of(Case(2, 5, 30))}, "panels of the rows of factors"),
        (lambda given: {"items": panels_of(Case(2, width=32))}, "panels of the rows of factors"),
        (lambda given: {"items": None}, "must be a ItemPanels"),
        (lambda given: {"listed": given["items"].items[:4]}, "shares memory|read-only"),
    ],
)
@pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
def test_refusals(module: Any, change: Any, message: str) -> None:
    case = Case(2, width=16)
    given = arguments(case, 0, panels_of(case), 4)
    with pytest.raises((ValueError, TypeError), match=message):
        module.best_of_panels(**(given | change(given)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"panels": lambda held: held[:, :-1].copy()}, "panels must be of shape"),
        ({"tails": lambda held: np.zeros((len(held), 16), np.float32)}, "tails must hold"),
        ({"rank": lambda held: 3}, "tails must hold"),
        ({"rank": lambda held: 33}, "tails must hold"),
        ({"rotation": lambda held: held[:0]}, "rotation must be of shape"),
    ],
)
def test_records_that_do_not_fit(change: Any, message: str) -> None:
    items = panels_of(Case(2, width=16))
    names = ["items", "positions", "tie_positions", "panels", "tails", "bounds", "rotation", "head", "rank"]
    fields = {name: getattr(items, name) for name in names}
    for name, how in change.items():
        fields[name] = how(fields[name])
    with pytest.raises(ValueError, match=message):
        ItemPanels(**fields)
