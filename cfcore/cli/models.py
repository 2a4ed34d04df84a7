"""Models by name, with hyper-parameters from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfcore.cli.errors import UsageError, say

if TYPE_CHECKING:
    from cfcore.data.ratings import Ratings
    from cfcore.models.core.model import Model

BLEND = "blend"

#: Members of a blend if none are named: the models of the lowest errors, of all kinds.
MEMBERS = ("item-knn", "user-knn", "svdpp", "timesvdpp", "rbm")


def plain(name: str) -> str:
    """A model's name in one spelling: ItemKNN, item-knn and item_knn are the same."""
    return name.lower().replace("-", "").replace("_", "").strip()


def model_name(text: str, *more: str) -> str:
    """The command-line name in the registry, or one of `more`, that `text` is a spelling of."""
    from cfcore.registry import BY_COMMAND

    known = {plain(name): name for name in (*BY_COMMAND, *more)}
    if plain(text) not in known:
        raise UsageError(f"unknown model {text.strip()!r}; known: {', '.join(known.values())}")
    return known[plain(text)]


def build_model(name: str, settings: list[str], seed: int, threads: int, members: str = "") -> Model:
    """The model called `name`, with hyper-parameters from NAME=VALUE.

    Parameters
    ----------
    name : str
        As on the command line.
    settings : list of str
        NAME=VALUE; those of a member of a blend are MEMBER__NAME=VALUE.
    seed, threads : int
        For models that have a random state, threads; 0 threads are the default of the model.
    members : str
        Comma-separated names of the members of a blend; "" for `MEMBERS`.
    """
    name = model_name(name, BLEND)
    if members and name != BLEND:
        raise UsageError(f"--members is for --model {BLEND}, not for {name}")
    model = new_blend(members) if name == BLEND else new_model(name)
    known = model.get_params()
    given: dict[str, Any] = {"random_state": seed, "n_threads": threads or None}
    params = {key: value for key, value in given.items() if key in known}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: write it as NAME=VALUE")
        if key not in known or key == "models":
            names = [each for each in known if each != "models"]
            raise UsageError(f"--set {setting}: {type(model).__name__} has {', '.join(names)}")
        params[key] = value_of(text)
    return model.set_params(**params)


def new_model(name: str) -> Model:
    """A model with its defaults, by its name on the command line."""
    from cfcore.registry import BY_COMMAND

    model: Model = BY_COMMAND[name].load()()
    return model


def new_blend(members: str) -> Model:
    """A blend of models with their defaults."""
    import cfcore as cf

    names = [model_name(text) for text in members.split(",") if text.strip()] or list(MEMBERS)
    return cf.Blend([new_model(name) for name in names])


def fitting(model: Model, ratings: Ratings, members: str) -> Model:
    """The model itself; of a blend without --members, the members that can be fitted to these ratings."""
    import cfcore as cf
    from cfcore.errors import DataError
    from cfcore.models.rbm.cases import find_levels

    if not isinstance(model, cf.Blend) or members:
        return model
    left_out = {}
    if ratings.timestamps is None:
        left_out["TimeSVDpp"] = "there are no timestamps"
    try:
        find_levels(ratings.values)
    except DataError as error:
        left_out["RBM"] = str(error)
    kept = [each for each in model.models if type(each).__name__ not in left_out]
    for name, reason in left_out.items():
        say(f"note: {name} is left out of the blend: {reason}")
    return model.set_params(models=kept)


def value_of(text: str) -> Any:
    """A number, true, false, none or a list where the text is one; else the text itself."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return float(text) if text.startswith(".") else json.loads(text)
    except ValueError:
        return text


def load_model(path: Path, threads: int = 0) -> Model:
    """The model in a file, with this number of threads (0: as in the file)."""
    import cfcore as cf

    if not path.is_file():
        what = "a folder, not a model file" if path.is_dir() else "there is no such model file"
        what = "not a regular file" if path.exists() and not path.is_dir() else what
        raise UsageError(f"{path}: {what}; `cfcore fit DATA --out FILE` writes one")
    model = cf.load(path)
    if threads and "n_threads" in model.get_params():
        model.set_params(n_threads=threads)
    return model
