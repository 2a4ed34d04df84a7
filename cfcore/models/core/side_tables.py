"""Tables of features on their way to the models that take them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from cfcore.data.features import Features
from cfcore.models.core.checkpoint import digest

__all__ = ["digests", "given_features", "side_for", "takes_features"]

#: Arguments of `fit`, and of all functions that fit models.
KINDS = ("user", "item")


def takes_features(model: Any) -> bool:
    """Whether ``model.fit`` takes tables of features."""
    return "user_features" in inspect.signature(model.fit).parameters


def given_features(model: Any, users: Any, items: Any, names: Any = None) -> dict[str, Any]:
    """Arguments of ``model.fit``, encoded once for several fits.

    Parameters
    ----------
    model : Model
    users, items : tables as `Features` takes, or None
    names : mapping of str to str, optional
        ``column_names`` of the ratings, after which the column of ids is looked for.

    Raises
    ------
    TypeError
        The model takes no features.
    """
    found: dict[str, Any] = {}
    for kind, table in zip(KINDS, (users, items), strict=True):
        if table is not None:
            wanted = () if names is None else (names.get(kind, kind),)
            found[f"{kind}_features"] = Features.of(table, f"{kind}_features", kind, wanted)
    if found and not takes_features(model):
        given = " and ".join(f"{name}=" for name in found)
        raise TypeError(
            f"{type(model).__name__} takes no features, leave out {given}; "
            "BayesianSVD takes them, and a Blend for its members that do"
        )
    return found


def digests(side: Mapping[str, Features]) -> dict[str, str | None]:
    """Hashes of features, to tell whether others were given before."""
    return {name: digest(features) for name, features in side.items()}


def side_for(model: Any, side: Mapping[str, Any]) -> dict[str, Any]:
    """The features among the side information of a fit, for a member that takes them; none for others."""
    names = ("user_features", "item_features") if takes_features(model) else ()
    return {name: side[name] for name in names if name in side}
