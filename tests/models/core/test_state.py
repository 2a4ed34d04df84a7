"""The fitted state: it never changes, says what does not fit, and comes back from files and pickles."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import cfcore as cf
from cfcore import codec
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import State, array, known_of
from tests.models.core.examples import DATA, ItemMean, Scripted

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class LevelState(State):
    """Dimensions by name, a number of columns that is fixed, and an array that may be absent."""

    levels: Array = array("f", "n_levels")
    shares: Array = array("f", "n_items", "n_levels")
    bounds: Array = array("iu", "n_levels + 1")
    pairs: Array = array("i", None, 2)
    extra: Array | None = array("f", "n_users", optional=True)
    rate: float = 0.5

    @cached_property
    def doubled(self) -> Array:
        """A large array that can be derived."""
        return np.repeat(self.shares * 2, 1000)

    def _verify(self) -> None:
        if not np.isfinite(self.shares).all():
            raise ValueError("shares_ must be finite")


class Levels(cf.Model):
    """A model with a state class of its own."""

    _state_class: ClassVar[type[State]] = LevelState

    def _fit(self, train: cf.Ratings, context: FitContext) -> State:
        state: State = context.state(LevelState, **fields())
        return state

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        return np.full(len(users), float(self._state.doubled[0] > 0))


def fields(**changes: Any) -> dict[str, Any]:
    given = {
        "levels": np.array([1.0, 2.0, 5.0]),
        "shares": np.linspace(0.1, 0.9, 12, dtype=np.float32).reshape(4, 3),
        "bounds": np.array([0, 1, 2, 3]),
        "pairs": np.array([[0, 1], [1, 2]]),
    }
    return given | changes


def made(**changes: Any) -> LevelState:
    return LevelState(**{**known_of(cf.Ratings(*DATA)), **fields(**changes)})


def fitted() -> Levels:
    return Levels().fit(DATA)


# ---------------------------------------------------------------------- what a state is


def test_fields_are_attributes_of_the_model() -> None:
    model = fitted()
    assert model.levels_.tolist() == [1.0, 2.0, 5.0]
    assert (model.rate_, model.extra_, model.history_) == (0.5, None, {})
    assert {"levels_", "user_ids_", "rate_"} <= set(dir(model))
    assert not hasattr(model, "n_epochs_")  # a model without epochs
    for name in ("nothing_", "nothing", "_nothing_"):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
            getattr(model, name)
    with pytest.raises(cf.NotFittedError, match=r"call fit\(ratings\) first"):
        _ = Levels().levels_
    assert not hasattr(Levels(), "levels_")


def test_arrays_are_read_only() -> None:
    model = fitted()
    for name in ("levels_", "shares_", "user_ids_", "item_counts_", "seen_items_"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(model, name)[0] = 0


@pytest.mark.parametrize("name", ["levels_", "user_ids_", "mean_", "new_"])
def test_assigning_raises_with_the_remedy(name: str) -> None:
    for model in (fitted(), Levels()):
        with pytest.raises(AttributeError, match=rf"{name} is .*with_parameters\({name[:-1]}=\.\.\.\)"):
            setattr(model, name, 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made().rate = 1.0  # type: ignore[misc]


def test_a_state_keeps_the_arrays_that_it_is_given() -> None:
    """No copy is made of what a fit hands over, and the caller's own array stays writable."""
    shares = fields()["shares"]
    state = made(shares=shares)
    assert np.shares_memory(state.shares, shares)
    assert shares.flags.writeable
    assert not state.shares.flags.writeable


def test_a_snapshot_stays_as_it_is() -> None:
    model = ItemMean().fit(DATA)
    kept, before = model.snapshot(), model.predict(*DATA[:2])
    model.fit((*DATA[:2], [1.0] * 7)).set_params(stretch=9.0)
    np.testing.assert_array_equal(kept.predict(*DATA[:2]), before)
    assert kept.stretch == 1.0
    assert (model.predict(*DATA[:2]) == 1.0).all()


# ---------------------------------------------------------------------- errors that name the field


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"levels": [1.0, 2.0, 5.0]}, TypeError, "levels_ must be an ndarray, not list"),
        ({"levels": None}, TypeError, "levels_ must be an ndarray, not NoneType"),
        ({"levels": np.arange(3)}, ValueError, "levels_ must not have dtype int64"),
        ({"bounds": np.arange(4.0)}, ValueError, "bounds_ must not have dtype float64"),
        ({"levels": np.ones((3, 1))}, ValueError, "levels_ must have 1 dimensions, not 2"),
        ({"shares": np.ones((4, 2))}, ValueError, r"shares_ has shape \(4, 2\).*n_levels = 3"),
        ({"shares": np.ones((5, 3))}, ValueError, r"shares_ has shape \(5, 3\).*n_items = 4"),
        ({"bounds": np.arange(3)}, ValueError, r"bounds_ has shape \(3,\).*n_levels \+ 1"),
        ({"pairs": np.ones((4, 3), dtype=int)}, ValueError, r"pairs_ has shape \(4, 3\)"),
        ({"extra": np.ones(2)}, ValueError, r"extra_ has shape \(2,\).*n_users = 3"),
        ({"user_counts": np.ones(2, dtype=int)}, ValueError, "user_counts_ has shape"),
        ({"seen_indptr": np.zeros(3, dtype=int)}, ValueError, "seen_indptr_ has shape"),
    ],
)
def test_kinds_and_shapes(changes: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        made(**changes)
    with pytest.raises(error, match=message):
        fitted().with_parameters(**changes)


#: Fields that a file must hold.
NEEDED = ("user_ids", "mean", "scale", "shares", "rate")

#: What kinds and shapes do not say.
BAD_VALUES: list[tuple[dict[str, Any], str]] = [
    ({"user_ids": np.array([3, 2, 1])}, "user_ids_ must be ascending"),
    ({"item_ids": np.array([1, 1, 2, 3])}, "item_ids_ must be ascending"),
    ({"seen_indptr": np.array([0, 3, 2, 7])}, "seen_indptr_ must ascend from 0 to 7"),
    ({"seen_indptr": np.array([0, 2, 4, 9])}, "seen_indptr_ must ascend from 0 to 7"),
    ({"seen_indptr": np.array([-1, 2, 4, 7])}, "seen_indptr_ must ascend from 0 to 7"),
    ({"seen_items": np.array([0, 1, 2, 3, 4, 0, 1], np.int32)}, r"seen_items_ must be in \[0, 4\)"),
    ({"seen_items": np.array([0, 1, 2, 3, -1, 0, 1], np.int32)}, r"seen_items_ must be in \[0, 4\)"),
    ({"user_counts": np.array([1, -2, 3])}, "user_counts_ must be"),
    ({"item_counts": np.array([1, 2, 3, -1])}, "item_counts_ must be"),
    ({"scale": (5.0, 1.0)}, "scale_ must be"),
    ({"scale": (1.0, float("nan"))}, "scale_ must be"),
    ({"scale": (1.0, 2.0, 3.0)}, "scale_ must be"),
    ({"scale": 5.0}, "scale_ must be"),
    ({"scale": ("low", "high")}, "scale_ must be"),
    ({"mean": float("inf")}, "mean_ must be"),
    ({"mean": "high"}, "mean_ must be"),
    ({"history": [1.0]}, "history_ must map"),
    ({"history": {"train_rmse": 0.5}}, "history_ must map"),
    ({"n_epochs": -1}, "n_epochs_ must be"),
    ({"n_epochs": "all"}, "n_epochs_ must be"),
    ({"shares": np.full((4, 3), np.nan)}, "shares_ must be finite"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_VALUES)
def test_values(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(**changes).verified()
    with pytest.raises(ValueError, match=message):
        fitted().with_parameters(**changes)


# ---------------------------------------------------------------------- with_parameters


def test_other_parameters_of_a_fitted_model() -> None:
    model = ItemMean().fit(DATA)
    before = model.predict(*DATA[:2])
    other = model.with_parameters(offsets=np.zeros(4), mean=2.5)
    assert type(other) is ItemMean
    assert (other.predict(*DATA[:2]) == 2.5).all()
    assert other.note_ == model.note_
    np.testing.assert_array_equal(model.predict(*DATA[:2]), before)
    with pytest.raises(TypeError, match="there is no parameter 'offset'"):
        model.with_parameters(offset=np.zeros(4))


def test_what_was_derived_follows_the_parameters() -> None:
    """Nothing computed from the old parameters is left in a model with new ones."""
    model = cf.Baseline().fit(DATA)
    assert model.recommend(1)[0].tolist()  # whatever is derived for lists and codes
    other = model.with_parameters(
        item_ids=np.array([10, 20, 30, 41]), item_bias=np.array([0.0, 0.0, 0.5, 1.0]),
        user_bias=np.zeros(3), item_counts=np.array([2, 2, 0, 1]),
    )  # fmt: skip
    assert other.recommend(1)[0].tolist() == [41]
    assert other.encode_items([30, 40, 41]).tolist() == [-1, -1, 3]
    assert model.encode_items([30, 40, 41]).tolist() == [2, 3, -1]


def test_parameters_for_a_model_that_is_not_fitted() -> None:
    given = {
        "user_ids": np.array(["ann", "bob"]), "item_ids": np.array([1, 2]), "scale": (1, 5),
        "user_bias": np.array([0.5, -0.5]), "item_bias": np.array([1.0, 0.0]),
    }  # fmt: skip
    model = cf.Baseline().with_parameters(**given, mean=3.0)
    assert model.predict(["ann", "bob", "cid"], [1, 2, 1]).tolist() == [4.5, 2.5, 4.0]
    assert model.scale_ == (1.0, 5.0)
    assert model.is_known(["ann", "cid"]).tolist() == [True, False]
    assert model.recommend("ann")[0].tolist() == [1, 2]  # nothing counts as seen
    assert cf.Baseline().with_parameters(**given).mean_ == 0.0
    assert not cf.Baseline().is_fitted()
    for missing in ("user_ids", "item_ids", "scale"):
        rest = {name: value for name, value in given.items() if name != missing}
        with pytest.raises(TypeError, match=rf"{missing}= is missing"):
            cf.Baseline().with_parameters(**rest)
    with pytest.raises(TypeError, match="item_bias"):
        cf.Baseline().with_parameters(**{**given, "item_bias": None})
    with pytest.raises(TypeError, match="item_bias"):
        cf.Baseline().with_parameters(**{name: given[name] for name in given if name != "item_bias"})
    with pytest.raises(TypeError, match="factors"):
        cf.Baseline().with_parameters(**given, factors=np.zeros(2))
    for bad in (3, (1,), (5, 1), "15", (1, float("nan"))):
        with pytest.raises(ValueError, match="scale_ must be"):
            cf.Baseline().with_parameters(**{**given, "scale": bad})
    with pytest.raises(ValueError, match=r"user_bias_ .*finite"):
        cf.Baseline().with_parameters(**{**given, "user_bias": np.array([0.0, np.nan])})


def test_parameters_for_a_class_of_ones_own() -> None:
    model = ItemMean().with_parameters(
        user_ids=np.array([1]),
        item_ids=np.array([7, 8]),
        scale=(0, 10),
        offsets=np.array([1.0, -1.0]),
        mean=4.0,
    )
    assert model.predict(1, [7, 8, 9]).tolist() == [5.0, 3.0, 4.0]


def test_the_callers_array_is_not_the_models() -> None:
    """Writing to the array that was given does not change the model."""
    offsets, ids = np.array([1.0, -1.0, 0.0, 0.5]), np.array([10, 20, 30, 40])
    models = [
        ItemMean().fit(DATA).with_parameters(offsets=offsets, item_ids=ids),
        ItemMean().with_parameters(
            user_ids=np.arange(3), item_ids=ids, scale=(1, 5), offsets=offsets, mean=3
        ),
    ]
    before = [model.score_codes(np.zeros(4, np.int32), np.arange(4, dtype=np.int32)) for model in models]
    offsets[:], ids[:] = 7.0, 5
    for model, scores in zip(models, before, strict=True):
        np.testing.assert_array_equal(
            model.score_codes(np.zeros(4, np.int32), np.arange(4, dtype=np.int32)), scores
        )
        assert model.item_ids_.tolist() == [10, 20, 30, 40]
    # What is read-only already (a memory map, an attribute of another model) is not copied.
    offsets.flags.writeable = False
    assert np.shares_memory(models[0].with_parameters(offsets=offsets).offsets_, offsets)


# ---------------------------------------------------------------------- pickles, copies, files


def test_pickles_hold_nothing_that_is_derived() -> None:
    model = fitted()
    size = len(pickle.dumps(model))
    assert model.predict(1, 10) == 1.0  # by an array that is derived, and fifty times as large
    model.recommend(1)
    assert len(pickle.dumps(model)) == size
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(1, 10) == 1.0
    assert again.shares_.tolist() == model.shares_.tolist()
    for copied in (again, copy.deepcopy(model)):
        assert not copied.shares_.flags.writeable
        assert copied.encode_users([3]).tolist() == [2]
    assert not pickle.loads(pickle.dumps(ItemMean().fit(DATA))).offsets_.flags.writeable
    assert not copy.deepcopy(ItemMean().fit(DATA)).offsets_.flags.writeable


def test_a_file_gives_the_same_state(tmp_path: Path) -> None:
    for model, own in (
        (fitted(), {"levels_", "shares_", "bounds_", "pairs_", "extra_", "rate_"}),
        (ItemMean().fit(DATA), {"offsets_", "unused_", "note_"}),
        (Scripted([1.0, 0.5]).fit(DATA), {"steps_", "total_", "n_epochs_"}),
    ):
        model.save(tmp_path / "model")
        loaded = cf.load(tmp_path / "model")
        names = [name for name in dir(model) if name.endswith("_") and not name.startswith("_")]
        known = {f"{name}_" for name in known_of(cf.Ratings(*DATA))}
        assert set(names) == own | known | {"history_", "known_users_", "known_items_"}
        for name in names:
            np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))


def rewritten(path: Path, **changes: Any) -> None:
    """Make the file hold other fields; None leaves one out."""
    header, arrays = codec.read(path)
    scalars = dict(header["scalars"])
    for name, value in changes.items():
        target: dict[str, Any] = arrays if isinstance(value, np.ndarray) or f"{name}_" in arrays else scalars
        target.pop(f"{name}_", None)
        if value is not None:
            target[f"{name}_"] = value if target is arrays else codec.to_json(value)
    absent = [name for name in header["absent"] if name not in arrays]
    codec.write(path, header | {"scalars": scalars, "absent": absent}, arrays)


@pytest.mark.parametrize(
    "changes",
    [
        *(pytest.param({name: None}, id=f"no {name}") for name in NEEDED),
        {"levels": np.arange(3)},
        {"levels": np.ones((3, 1))},
        {"shares": np.ones((4, 2))},
        {"bounds": np.arange(3)},
        {"extra": np.ones(2)},
        {"user_counts": np.ones(5, dtype=np.int64)},
        *(changes for changes, _ in BAD_VALUES if not isinstance(next(iter(changes.values())), float)),
    ],
    ids=lambda changes: " ".join(f"{name}={value!r}" for name, value in changes.items())[:40],
)  # fmt: skip
def test_files_with_other_fields_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "model"
    fitted().save(path)
    rewritten(path, **changes)
    with pytest.raises(cf.FileFormatError, match=rf"model: .*{next(iter(changes))}_"):
        cf.load(path)


def test_a_file_may_lack_an_optional_array(tmp_path: Path) -> None:
    path = tmp_path / "model"
    fitted().save(path)
    assert cf.load(path).extra_ is None
    fitted().with_parameters(extra=np.ones(3)).save(path)
    assert cf.load(path).extra_.tolist() == [1.0, 1.0, 1.0]
