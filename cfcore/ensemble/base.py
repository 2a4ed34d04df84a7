"""`Ensemble`: what models of several models have in common: given users, times, and files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import codec
from cfcore.data import Ratings
from cfcore.ensemble.members import SEEN
from cfcore.ensemble.state import EnsembleState
from cfcore.errors import FileFormatError
from cfcore.models.core.files import of_kind
from cfcore.models.core.fit_context import Callback
from cfcore.models.core.given import user_fields
from cfcore.models.core.model import Array, Model

__all__ = ["Ensemble", "check_members"]


class Ensemble(Model):
    """Base of models that hold fitted members in their state, and unfitted models as hyper-parameters."""

    n_threads: int | None

    #: Hyper-parameters that hold models, which files and descriptions have in a list of their own.
    _model_params: ClassVar[tuple[str, ...]]

    # ------------------------------------------------------------------ for subclasses to write

    def _models(self) -> list[Model | None]:
        """The models that are hyper-parameters; None for one that is left to the default."""
        raise NotImplementedError

    def _set_models(self, models: list[Model | None]) -> None:
        """Make these the hyper-parameters that `_models` returns."""
        raise NotImplementedError

    def _kept_models(self) -> list[Model | None] | None:
        """What files hold of `_models`; None: they are the members, after loading."""
        return self._models()

    def _check_name(self, key: str, given: Mapping[str, Any] = MappingProxyType({})) -> None:
        name, nested, _ = key.partition("__")
        if nested and name in self._model_params and given.get(name, getattr(self, name)) is None:
            raise ValueError(
                f"{type(self).__name__} has no parameter {key!r}: its {name} is left to the default; set "
                f"{name} to a model as well"
            )
        super()._check_name(key, given)

    # ------------------------------------------------------------------ fitting

    def uses_timestamps(self) -> bool:
        """Whether a member needs timestamps."""
        if self._state is not None:
            return any(member.uses_timestamps() for member in self._state.members)
        try:
            return any(isinstance(model, Model) and model.uses_timestamps() for model in self._models())
        except TypeError:  # no models, which `check_params` says
            return False

    def _run(
        self,
        train: Ratings,
        held_out: Ratings | None,
        early_stopping: int | None,
        *,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        **side: Any,
    ) -> Self:
        """As `Model._run`, without a checkpoint: there are no epochs."""
        return super()._run(train, held_out, early_stopping, callback=callback, **side)

    def _prepared(self, model: Model, rng: np.random.Generator) -> Model:
        """A clone, with the seed and number of threads of the ensemble where its own are None."""
        model = model.clone()
        params = model.get_params(deep=False)
        seed = int(rng.integers(2**32))
        if "random_state" in params and params["random_state"] is None and self.random_state is not None:
            model.set_params(random_state=seed)
        if "n_threads" in params and params["n_threads"] is None and self.n_threads is not None:
            model.set_params(n_threads=self.n_threads)
        return model

    # ------------------------------------------------------------------ ratings given with a question

    def _state_of_users(self, given: Ratings) -> EnsembleState:
        state: EnsembleState = self._state
        members = tuple(member._for_users(given, mention=False)[0] for member in state.members)
        return dataclasses.replace(state, members=members, **user_fields(given))

    # ------------------------------------------------------------------ users who are forgotten

    def _remaining(self, kept: Array) -> EnsembleState:
        before: EnsembleState = self._state
        state, gone = before.remaining(kept), before.user_ids[~kept]
        members = tuple(one.snapshot().forget(gone, unknown_users="ignore") for one in before.members)
        for old, new in zip(before.members, members, strict=True):
            for name in SEEN:  # what was one array is one array, which files hold once
                if getattr(old, f"{name}_") is getattr(before, name):
                    vars(new._state)[name] = getattr(state, name)
        return dataclasses.replace(state, members=members)

    # ------------------------------------------------------------------ files

    def _file_params(self) -> dict[str, Any]:
        params = self.get_params(deep=False)
        return {name: value for name, value in params.items() if name not in self._model_params}

    def describe(self) -> dict[str, Any]:
        """Class and hyper-parameters, those of the members included, JSON-able."""
        return {**super().describe(), "models": described(self._models())}

    @classmethod
    def _of_params(cls, described: dict[str, Any], find_class: Callable[[Any], type[Model]]) -> Model:
        model = cls(**codec.from_json(described["params"]))
        model._set_models(models_of(of_kind(described, "models", list), find_class))
        return model

    def to_content(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Header and arrays of a file, those of the members among them."""
        header, arrays = super().to_content()
        kept = self._kept_models()
        header["models"] = None if kept is None else described(kept)
        header["members"] = []
        for at, member in enumerate(self.members_):
            inner, inner_arrays = member.to_content()
            # An array that the ensemble holds too is written once.
            inner["shared"] = [name for name, array in inner_arrays.items() if arrays.get(name) is array]
            header["members"].append(inner)
            for name, array in inner_arrays.items():
                if name not in inner["shared"]:
                    arrays[f"{at}/{name}"] = array
        return header, arrays

    @classmethod
    def from_content(
        cls, header: dict[str, Any], arrays: dict[str, Array], find_class: Callable[[Any], type[Model]]
    ) -> Self:
        """The ensemble of a file, from its header and arrays, as `to_content` returned them."""
        parts_of: dict[str, dict[str, Array]] = {}
        for name, array in arrays.items():
            at, inside, inner_name = name.partition("/")
            parts_of.setdefault(at if inside else "", {})[inner_name if inside else name] = array
        own = parts_of.pop("", {})
        members: list[Model] = []
        for k, inner in enumerate(of_kind(header, "members", list)):
            # What members share, the ensemble itself holds.
            shared = {name: own[name] for name in of_kind(inner, "shared", list) if name in own}
            held = parts_of.pop(str(k), {}) | shared
            try:
                kind = find_class(inner.get("class"))
                members.append(kind.from_content(inner, held, find_class))
            except (TypeError, ValueError) as error:
                raise FileFormatError(f"members: {k}: {error}") from error
        if parts_of:
            raise FileFormatError(f"{min(parts_of)}/ names no member")
        scalars = {**of_kind(header, "scalars", dict), "members_": {"$tuple": []}}
        model = cls._restored({**header, "scalars": scalars}, own)
        model._state = model._state.replaced(members=tuple(members))
        if header.get("models") is None:
            model._set_models(list(members))
        else:
            model._set_models(models_of(of_kind(header, "models", list), find_class))
        model.check_params()
        return model


def described(models: list[Model | None]) -> list[dict[str, Any] | None]:
    """Class and hyper-parameters of each model."""
    return [None if model is None else model.describe() for model in models]


def models_of(
    descriptions: list[dict[str, Any] | None], find_class: Callable[[Any], type[Model]]
) -> list[Model | None]:
    """Unfitted models of descriptions of `described`."""
    return [None if one is None else Model.from_description(one, find_class) for one in descriptions]


def check_members(members: Mapping[str, Model]) -> None:
    """Raise ValueError or TypeError, naming member and hyper-parameter, for one that is out of range."""
    for name, model in members.items():
        try:
            model.check_params()
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}__{error}") from error
