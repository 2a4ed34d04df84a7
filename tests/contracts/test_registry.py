"""Every model of the registry is held to the contracts, and every name derives from the registry."""

from __future__ import annotations

from typing import Any

import pytest

import cfcore as cf
from cfcore.compare import MODELS as ROWS
from cfcore.persist import find_class
from cfcore.registry import BY_COMMAND, BY_NAME, ENTRIES, Entry
from cfcore.selection import spaces
from tests.contracts.conftest import MEMBERS, MODELS, VARIATIONS, make

NAMES = [entry.name for entry in ENTRIES]


def test_each_entry_is_tried_with_its_own_parameters() -> None:
    assert list(dict.fromkeys(class_name for class_name, _ in MODELS.values())) == NAMES
    for entry in ENTRIES:
        class_name, params = MODELS[entry.name]
        assert class_name == entry.name
        assert dict(entry.small).items() <= params.items()


def test_each_variation_is_of_an_entry_and_differs_from_it() -> None:
    assert set(VARIATIONS) <= set(NAMES)
    assert {name.partition("-")[0] for name in MEMBERS} <= set(NAMES)
    made = [repr(make(name)) for name in MODELS]
    assert len(set(made)) == len(MODELS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_names_derive_from_the_entry(entry: Entry) -> None:
    kind = entry.load()
    assert kind.__name__ == entry.name
    assert issubclass(kind, cf.Model)
    assert getattr(cf, entry.name) is kind
    assert entry.name in cf.__all__
    assert find_class(entry.name) is kind
    known = kind.default_params()
    assert {*entry.small, *entry.space} <= set(known)
    assert kind.ranks_by == ("preference" if entry.lists else "rating")
    if entry.command is not None:
        assert ROWS.get(entry.command) == (None if entry.lists else entry.name)  # a table of RMSE


def test_names_and_commands_are_unique() -> None:
    assert len(BY_NAME) == len(ENTRIES)
    commands = [entry.command for entry in ENTRIES if entry.command]
    assert list(BY_COMMAND) == commands
    assert len(set(commands)) == len(commands)


@pytest.mark.parametrize("entry", [one for one in ENTRIES if one.space], ids=lambda entry: entry.name)
def test_ranges_are_sound(entry: Entry, train: cf.Ratings) -> None:
    model: Any = entry.load()()
    assert model.defaults_for(train).keys() <= model.default_params().keys()
    space, defaults = spaces.default_space(model, train)
    assert set(entry.space) <= set(space)
    spaces.check_space(space, model)
    model.set_params(**defaults).check_params()


def test_entries_are_small_enough() -> None:
    """The parameters for tests are no defaults where a model has epochs or factors."""
    for entry in ENTRIES:
        known = entry.load().default_params()
        for name in ("n_factors", "n_hidden"):
            assert name not in known or entry.small[name] <= 16, entry.name
