"""`State`: the frozen result of a fit; another fit, `fold_in` or `partial_fit` makes another state."""

from __future__ import annotations

import copy
import dataclasses
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.data import Ratings
from cfcore.data.names import UNNAMED
from cfcore.models.core.fields import (
    array,
    check_kind_and_shape,
    check_rows,
    check_values,
    is_finite,
    rows_of_some,
)
from cfcore.models.core.ids import Ids
from cfcore.models.core.levels import rating_step
from cfcore.models.recommend.item_layout import ItemLayouts

__all__ = ["ParameterState", "State", "array", "check_rows"]

Array = np.ndarray[Any, Any]


#: Names that `State.public` derives from ids and counts.
DERIVED = ("known_users", "known_items")

#: Largest number of epochs.
MOST_EPOCHS = 2**31


def read_only(held: Array) -> Array:
    """The array itself if it is read-only, or else a view that is."""
    if not held.flags.writeable:
        return held
    held = held.view()
    held.flags.writeable = False
    return held


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """The fields that all models have. A family of models adds its parameters in a subclass.

    Fields are the fitted attributes of the model without the trailing underscore: ``model.mean_`` is
    ``state.mean``. A file holds them under the name with the underscore. Values derived from the fields are
    cached properties, which neither files nor pickles hold.

    Attributes
    ----------
    user_ids, item_ids : ndarray, shape (n_users,), (n_items,)
        Raw ids, ascending; a code is a position in them.
    user_counts, item_counts : ndarray of int64
        Number of training ratings of each. A code without training ratings is unknown.
    seen_indptr, seen_items : ndarray of int64, ndarray of int32
        Items of each user in training (compressed rows).
    seen_values : ndarray of float32, or None
        The ratings of these items, in the same order. None where they are not known: in files of version
        0.1.0, and in models of parameters that were trained elsewhere.
    scale : tuple of float
        The lowest and the highest rating.
    mean : float
        Mean of the training ratings.
    rating_step : float
        The distance between neighbouring levels of the ratings, such as 1 or .5; 0: not known, or none.
    column_names : dict of str to str
        Names of the columns of user, item, rating and timestamp in the training ratings.
    history : dict of str to list of float
        Errors per epoch.
    n_epochs : int or None
        Number of epochs that the parameters were trained for; None for models without epochs.

    Raises
    ------
    TypeError, ValueError
        An array has another kind or shape than the class declares. The message names it.
    """

    user_ids: Array = array("iuUO", "n_users", order="ascending")
    item_ids: Array = array("iuUO", "n_items", order="ascending")
    user_counts: Array = array("int64", "n_users", low=0, high=2**53)
    item_counts: Array = array("int64", "n_items", low=0, high=2**53)
    seen_indptr: Array = array("int64", "n_users + 1", order="bounds of n_seen")
    seen_items: Array = array("int32", "n_seen", low=0, high="n_items", rows="seen_indptr")
    seen_values: Array | None = array("float32", "n_seen", optional=True)
    scale: tuple[float, float]
    mean: float
    rating_step: float = 0.0
    column_names: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(UNNAMED))
    history: Mapping[str, list[float]] = dataclasses.field(default_factory=dict)
    n_epochs: int | None = None

    #: Fields that a file need not hold: not all models have epochs, and earlier versions did not write them.
    _later: ClassVar[tuple[str, ...]] = ("n_epochs", "column_names", "seen_values", "rating_step")

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for field in self.array_fields():
            held = getattr(self, field.name)
            if held is None and field.metadata["optional"]:
                continue
            check_kind_and_shape(f"{field.name}_", held, field.metadata, sizes)
            object.__setattr__(self, field.name, read_only(held))

    def verified(self) -> Self:
        """Return the state itself, after checks of its values, for states that were not made by a fit.

        Raises
        ------
        ValueError
            Ids that are not ascending, codes or bounds out of range, parameters that are not finite. The
            message names the field.
        """
        object.__setattr__(self, "scale", check_scale(self.scale))
        if not is_finite(self.mean):
            raise ValueError(f"mean_ must be a finite number, not {self.mean!r}")
        if not (is_finite(self.rating_step) and self.rating_step >= 0):
            raise ValueError(f"rating_step_ must be a number of at least 0, not {self.rating_step!r}")
        if not _are_names(self.column_names):
            raise ValueError(
                f"column_names_ must map {', '.join(UNNAMED)} to names, not {self.column_names!r}"
            )
        epochs: Any = self.n_epochs
        if epochs is not None and not (isinstance(epochs, (int, np.integer)) and 0 <= epochs <= MOST_EPOCHS):
            raise ValueError(f"n_epochs_ must be a number of epochs or None, not {epochs!r}")
        if not (isinstance(self.history, Mapping) and all(map(_are_errors, self.history.values()))):
            raise ValueError(f"history_ must map names to lists of errors, not {self.history!r}")
        check_values(self)
        self._verify()
        return self

    def _verify(self) -> None:
        """Check the fields of the subclass; see `verified`."""

    # ------------------------------------------------------------------ fields

    @classmethod
    def array_fields(cls) -> list[dataclasses.Field[Any]]:
        """The fields that hold arrays (or None)."""
        return [field for field in dataclasses.fields(cls) if "kinds" in field.metadata]

    @classmethod
    def scalar_fields(cls) -> list[dataclasses.Field[Any]]:
        """The fields that hold numbers, strings, and dicts and tuples of them."""
        return [field for field in dataclasses.fields(cls) if "kinds" not in field.metadata]

    def public(self, name: str) -> Any:
        """The value that a model shows as ``name_``.

        Raises
        ------
        KeyError
            There is no value of that name.
        """
        if name in DERIVED:
            return self.ids(name[6:-1]).known
        if name not in self._names() or (name == "n_epochs" and self.n_epochs is None):
            raise KeyError(name)
        value = getattr(self, name)
        return copy.deepcopy(value) if isinstance(value, (dict, list)) else value

    def public_names(self) -> list[str]:
        """Names for which `public` has a value."""
        return [name for name in self._names() if name != "n_epochs" or self.n_epochs is not None]

    def _names(self) -> dict[str, None]:
        kind: Any = type(self)
        return _names_of(kind)

    def replaced(self, **changes: Any) -> Self:
        """Another state with some fields changed."""
        unknown = sorted(changes.keys() - self._names().keys())
        if unknown:
            known = ", ".join(self.public_names())
            raise TypeError(f"there is no parameter {unknown[0]!r}; the parameters are {known}")
        if changes.keys() & {"seen_indptr", "seen_items"}:  # the ratings of others are not known
            changes.setdefault("seen_values", None)
        return dataclasses.replace(self, **changes).verified()

    def remaining(self, kept: Array) -> Self:
        """The state of some of the users: `kept` (bool[n_users]) tells of which.

        A class whose fields have rows of users that their dimensions do not tell of adds these.
        """
        rows, masks = rows_of_some(self, kept)
        gone = np.bincount(self.seen_items[~masks["n_seen"]], minlength=len(self.item_ids))
        fields: dict[str, Any] = {**rows, "item_counts": self.item_counts - gone}
        return dataclasses.replace(self, **fields)

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: vars(self)[field.name] for field in dataclasses.fields(self)}

    def __setstate__(self, fields: dict[str, Any]) -> None:
        vars(self).update(fields)
        for field in self.array_fields():
            # No view, so that states which shared an array (a blend and its members) still share it.
            if fields[field.name] is not None:
                fields[field.name].flags.writeable = False

    # ------------------------------------------------------------------ files

    def to_file(self) -> tuple[dict[str, Any], dict[str, Array | None]]:
        """Scalars and arrays, under the names of the model's attributes."""
        arrays = {f"{field.name}_": getattr(self, field.name) for field in self.array_fields()}
        scalars = {f"{field.name}_": getattr(self, field.name) for field in self.scalar_fields()}
        if self.n_epochs is None:
            scalars.pop("n_epochs_")
        return scalars, arrays

    @classmethod
    def from_file(cls, scalars: dict[str, Any], arrays: dict[str, Array | None]) -> Self:
        """The state that `to_file` wrote.

        Raises
        ------
        KeyError
            A field is missing.
        TypeError, ValueError
            A field has another type, shape or range than the class declares, or is not one of the class.
        """
        known = {f"{field.name}_" for field in dataclasses.fields(cls)}
        unknown = sorted((scalars.keys() | arrays.keys()) - known)
        if unknown:
            raise ValueError(f"{unknown[0]} is not a field of this model")
        fields: dict[str, Any] = {
            field.name: arrays[f"{field.name}_"]
            for field in cls.array_fields()
            if field.name not in cls._later or f"{field.name}_" in arrays
        }
        for field in cls.scalar_fields():
            if field.name not in cls._later or f"{field.name}_" in scalars:
                fields[field.name] = scalars[f"{field.name}_"]
        return cls(**fields).verified()

    # ------------------------------------------------------------------ derived

    @cached_property
    def users(self) -> Ids:
        """The vocabulary of the users, which encodes raw ids."""
        return Ids("user", self.user_ids, self.user_counts)

    @cached_property
    def items(self) -> Ids:
        """The vocabulary of the items, which encodes raw ids."""
        return Ids("item", self.item_ids, self.item_counts)

    @cached_property
    def item_layouts(self) -> ItemLayouts:
        """Orders and layouts of the items, for lists."""
        return ItemLayouts(self.item_counts, self.items.featured)

    @cached_property
    def relative_popularity(self) -> Array:
        """Training ratings of each item over those of the most rated item: float64[n_items], in [0, 1]."""
        return read_only(np.asarray(self.item_counts / max(self.item_counts.max(initial=0), 1)))

    def ids(self, kind: str) -> Ids:
        """`users` or `items`, for the kind "user" or "item"."""
        return self.users if kind == "user" else self.items


@dataclass(frozen=True, eq=False, kw_only=True)
class ParameterState(State):
    """State of a model without a state class of its own: parameters by name, arrays and JSON-able values.

    Attributes
    ----------
    parameters : dict of str to ndarray or JSON-able
    """

    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        held = {
            name: read_only(value) if isinstance(value, np.ndarray) else value
            for name, value in self.parameters.items()
        }
        object.__setattr__(self, "parameters", held)
        super().__post_init__()

    def __setstate__(self, fields: dict[str, Any]) -> None:
        super().__setstate__(fields)
        for value in self.parameters.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def remaining(self, kept: Array) -> Self:
        """As in `State`, if no parameter may have rows of users."""
        arrays = [name for name, held in self.parameters.items() if isinstance(held, np.ndarray)]
        if arrays:
            raise TypeError(
                f"forget: it is not known which rows of {arrays[0]}_ are of users; the model needs a method "
                "_remaining(kept), which returns the state of the users kept"
            )
        return super().remaining(kept)

    def public(self, name: str) -> Any:
        """The value that a model shows as ``name_``; KeyError if there is none."""
        if name in self.parameters:
            return self.parameters[name]
        if name == "parameters":
            raise KeyError(name)
        return super().public(name)

    def public_names(self) -> list[str]:
        """Names for which `public` has a value."""
        return [*(name for name in super().public_names() if name != "parameters"), *self.parameters]

    def replaced(self, **changes: Any) -> Self:
        """Another state with some fields or parameters changed."""
        own = {name: changes.pop(name) for name in list(changes) if name in self.parameters}
        return super().replaced(parameters={**self.parameters, **own}, **changes)

    def to_file(self) -> tuple[dict[str, Any], dict[str, Array | None]]:
        """Scalars and arrays, under the names of the model's attributes."""
        scalars, arrays = super().to_file()
        scalars.pop("parameters_")
        for name, value in self.parameters.items():
            (arrays if isinstance(value, np.ndarray) else scalars)[f"{name}_"] = value
        return scalars, arrays

    @classmethod
    def from_file(cls, scalars: dict[str, Any], arrays: dict[str, Array | None]) -> Self:
        """The state that `to_file` wrote."""
        fixed = {f"{field.name}_" for field in dataclasses.fields(State)}
        own = {name[:-1]: value for name, value in {**scalars, **arrays}.items() if name not in fixed}
        base = {name: value for name, value in scalars.items() if name in fixed}
        return super().from_file(
            {**base, "parameters_": own}, {name: arrays[name] for name in arrays if name in fixed}
        )


@cache
def _names_of(kind: Any) -> dict[str, None]:
    """Names of the fields, in their order; a dict, to look names up."""
    return dict.fromkeys(field.name for field in dataclasses.fields(kind))


def known_of(train: Ratings) -> dict[str, Any]:
    """The fields of `State` that follow from the training ratings."""
    indptr, items, values = train.rows_by_user
    return {
        "user_ids": train.user_ids,
        "item_ids": train.item_ids,
        "user_counts": train.user_counts,
        "item_counts": train.item_counts,
        "seen_indptr": indptr,
        "seen_items": items,
        "seen_values": values,
        "scale": (float(train.scale[0]), float(train.scale[1])),
        "mean": float(train.mean),
        "rating_step": rating_step(train.values),
        "column_names": train.column_names,
    }


def check_scale(scale: Any) -> tuple[float, float]:
    """The lowest and the highest rating as floats; ValueError if they are invalid."""
    ends = tuple(scale) if isinstance(scale, (tuple, list)) else ()
    if len(ends) != 2 or not all(map(is_finite, ends)) or ends[0] > ends[1]:
        raise ValueError(f"scale_ must be a lowest and a highest rating, not {scale!r}")
    return float(ends[0]), float(ends[1])


def _are_names(names: Any) -> bool:
    if not isinstance(names, Mapping) or names.keys() != UNNAMED.keys():
        return False
    return all(isinstance(name, str) and name for name in names.values())


def _are_errors(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and all(isinstance(one, numbers.Real) for one in values)
