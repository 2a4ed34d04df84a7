"""Records with other numbers, whose codes are not checked again: `Record.changed`."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from cfcore.kernels.records import BiasDraws, MemberDraws


def draws() -> MemberDraws:
    codes = np.array([0, 1, 3]), np.array([0, 1, 2], np.int32)
    return MemberDraws(*codes, np.ones(3), np.zeros((2, 2, 8)), np.zeros((2, 3, 8)), 1.0)


def test_arrays_and_numbers_are_others() -> None:
    before = draws()
    extents, members = before.extents, np.ones((1, 2, 8))
    found = before.changed(members=members, errors=np.ones((1, 3, 8)), penalty=2, first_block=1)
    assert found.members is members
    assert found.owners is before.owners
    assert (found.n_blocks, found.penalty, found.first_block) == (1, 2.0, 1)
    assert (before.n_blocks, before.penalty, before.first_block) == (2, 1.0, 0)
    assert found.extents != extents


def test_codes_and_unknown_fields_are_refused() -> None:
    with pytest.raises(TypeError, match=r"owners.* stay"):
        draws().changed(owners=np.array([0, 1, 9], np.int32))
    with pytest.raises(TypeError, match=r"rows.* stay"):
        draws().changed(rows=np.zeros(3))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"errors": np.zeros((2, 2, 8))}, "errors must be of shape"),  # owners refer to three
        ({"weights": np.zeros(2)}, "weights must be of shape"),
        ({"members": np.zeros((1, 2, 8))}, "errors must be of shape"),
        ({"members": np.zeros((2, 2, 8), np.float32)}, "members must be of float64"),
        ({"penalty": -1.0}, "penalty must be between"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draws().changed(**fields)


def test_optional_arrays_come_and_go() -> None:
    numbers = np.zeros(4, np.float32), np.zeros(4, np.float32)
    given = BiasDraws(np.array([0, 1, 4]), *numbers, np.zeros(2), 0.0, 1.0, 1.0)
    weights = np.ones(4, np.float32)
    found = given.changed(weights=weights)
    assert found.weights is weights
    assert found.changed(weights=None).weights is None


def test_addresses_do_not_travel() -> None:
    before = draws()
    assert before.extents
    found = pickle.loads(pickle.dumps(before))
    assert "extents" not in vars(found)
    np.testing.assert_array_equal(found.owners, before.owners)
