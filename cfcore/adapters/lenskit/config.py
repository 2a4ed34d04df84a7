"""Configurations of scorers: options, and a model or the hyper-parameters of one, as JSON and back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    create_model,
    model_validator,
)

from cfcore import codec
from cfcore.models.core.model import Model
from cfcore.persist import find_class
from cfcore.registry import BY_COMMAND, BY_NAME, Entry

__all__ = ["CFConfig", "ScorerOptions", "config_of"]

#: LensKit's names of hyper-parameters that mean the same.
ALIASES = {
    "n_factors": ("embedding_size", "features"),
    "n_epochs": ("epochs",),
    "n_neighbors": ("max_nbrs", "nnbrs", "k"),
}
#: Members of a blend whose configuration names none.
BLENDED = ("ItemKNN", "SVDpp")
#: Types of hyper-parameters that pydantic checks; others are checked by the model.
PLAIN: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "None": None}


def as_model(value: Any) -> Any:
    """An unfitted model of a model, a class, a name or a description; ValueError for wrong parameters too."""
    if isinstance(value, Model):
        return checked(value.clone())
    if isinstance(value, type) and issubclass(value, Model):
        return checked(value())
    if isinstance(value, str):
        entry = BY_NAME.get(value) or BY_COMMAND.get(value)
        if entry is None:
            raise ValueError(f"there is no model {value!r}; there are {', '.join(BY_NAME)}")
        return entry.load()()
    if isinstance(value, dict) and "class" in value:
        try:
            return find_class(value["class"]).from_description({"params": {}, **value}, find_class)
        except TypeError as error:
            raise ValueError(str(error)) from error
    raise ValueError(f"model must be a model of cfcore, such as cfcore.SVD(), not {value!r}")


def checked(model: Model) -> Model:
    """The model, if its hyper-parameters are valid; else ValueError, as pydantic wants it."""
    try:
        model.check_params()
    except TypeError as error:
        raise ValueError(str(error)) from error
    return model


def as_value(value: Any) -> Any:
    """A hyper-parameter of what `as_json` made of it."""
    if isinstance(value, dict) and "class" in value:
        return as_model(value)
    if isinstance(value, (list, tuple)) and any(isinstance(one, (dict, Model)) for one in value):
        return [as_value(one) for one in value]
    return codec.from_json(value)


def as_json(value: Any) -> Any:
    """A hyper-parameter as JSON."""
    if isinstance(value, Model):
        return value.describe()
    if isinstance(value, (list, tuple)) and any(isinstance(one, Model) for one in value):
        return [as_json(one) for one in value]
    return codec.to_json(value)


#: A hyper-parameter of any type.
Value = Annotated[Any, BeforeValidator(as_value), PlainSerializer(as_json, when_used="json")]


class ScorerOptions(BaseModel, extra="forbid", arbitrary_types_allowed=True):
    """What a scorer does with its model."""

    rank_by: Literal["rating", "preference"] | None = None
    """
    Scores: predicted ratings, or preferences (`cfcore.Model.preference`), by which lists are better.  By
    default ratings, and preferences of models that are for lists (EASE, Popularity, Ranker).
    """
    history: Literal["auto", "always", "cold", "never"] = "auto"
    """
    When the items of a query count in place of the user's training ratings: if the user is unknown, or the
    items are others than those of training ("auto"); always; only if the user is unknown ("cold"); never.
    """
    unknown: Literal["auto", "nan", "fallback"] = "auto"
    """
    Scores of items without training ratings, and of users with neither training ratings nor a history: NaN,
    or what the model falls back to.  "auto": NaN, but for GlobalMean, Baseline and Popularity, which need
    not know both.
    """
    clip: bool = True
    """
    Whether predicted ratings are clipped to the scale, as those of `cfcore.Model.predict`.
    """
    scale: tuple[float, float] | None = None
    """
    The least and the greatest possible rating; by default those in the training data.
    """
    user_features: list[str] = []
    """
    Attributes of LensKit's user entities that are features, for models that take features (BayesianSVD).
    """
    item_features: list[str] = []
    """
    The same for items.
    """


class CFConfig(ScorerOptions):
    """Configuration of `CFScorer`."""

    model: Annotated[Any, BeforeValidator(as_model), PlainSerializer(as_json)] = Field(
        default="SVD", validate_default=True
    )
    """
    The model: a `cfcore.Model`, a class, the name of a class, or a description as `dump_config` writes it.
    """


def type_of(annotation: Any) -> Any:
    """The type of a hyper-parameter that pydantic checks, or `Value`."""
    parts = [part.strip() for part in str(annotation).split("|")]
    if not all(part in PLAIN for part in parts):
        return Value
    found: Any = PLAIN[parts[0]]
    for part in parts[1:]:
        found = found | PLAIN[part]
    return found


def config_of(entry: Entry, module: str) -> Any:
    """The configuration class of a model of the registry: its hyper-parameters, and `ScorerOptions`."""
    kind = entry.load()
    fields: dict[str, Any] = {}
    annotations = kind.__init__.__annotations__
    for name, default in kind.default_params().items():
        choices = AliasChoices(name, *ALIASES[name]) if name in ALIASES else None
        typed = Value if default is not None and not is_plain(default) else type_of(annotations.get(name))
        fields[name] = typed, Field(default=default, validation_alias=choices)
    if entry.name == "Blend":  # which has no default members
        fields["models"] = Value, Field(default_factory=lambda: [as_model(name) for name in BLENDED])
    clash = sorted(fields.keys() & ScorerOptions.model_fields.keys())
    if clash:
        raise TypeError(f"{entry.name}: {', '.join(clash)} is also the name of an option of scorers")

    def check(config: Any) -> Any:
        checked(kind(**{name: getattr(config, name) for name in kind.default_params()}))
        return config

    validators: dict[str, Any] = {"check": model_validator(mode="after")(check)}
    return create_model(
        f"{entry.name}Config", __base__=ScorerOptions, __module__=module,
        __doc__=f"Hyper-parameters of `cfcore.{entry.name}`, and options of scorers.",
        __validators__=validators, **fields,
    )  # fmt: skip


def is_plain(value: Any) -> bool:
    """Whether a value is of a type that pydantic checks."""
    return isinstance(value, (bool, int, float, str))
