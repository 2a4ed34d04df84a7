"""Models by name, with hyper-parameters from the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfcore.cli.errors import UsageError, say

if TYPE_CHECKING:
    from cfcore.data.ratings import Ratings
    from cfcore.models.core.model import Model

BLEND, RANKER = "blend", "ranker"

#: Members of a blend if none are named: the models of the lowest errors, of all kinds.
MEMBERS = ("item-knn", "user-knn", "svdpp", "timesvdpp", "rbm")


#: Chooser and rater of a ranker if none are named.
CHOOSER, RATER = "ease", "svdpp"


@dataclass(frozen=True)
class Parts:
    """What the command line says of the models inside of a model; "": the usual ones.

    Attributes
    ----------
    members : str
        Comma-separated names of the members of a blend.
    chooser, rater : str
        Names of the models that a ranker joins.
    """

    members: str = ""
    chooser: str = ""
    rater: str = ""

    def check(self, name: str) -> None:
        """Raise UsageError for parts that a model of this name does not have."""
        for option, owner in (("members", BLEND), ("chooser", RANKER), ("rater", RANKER)):
            if getattr(self, option) and name != owner:
                raise UsageError(f"--{option} is for --model {owner}, not for {name}")


def plain(name: str) -> str:
    """A model's name in one spelling: ItemKNN, item-knn and item_knn are the same."""
    return name.lower().replace("-", "").replace("_", "").strip()


def model_name(text: str, *more: str, option: str = "--model") -> str:
    """The command-line name in the registry, or one of `more`, that `text` in an option is a spelling of."""
    from cfcore.registry import BY_COMMAND

    known = {plain(name): name for name in (*BY_COMMAND, *more)}
    if plain(text) not in known:
        if plain(text) in (BLEND, RANKER):
            raise UsageError(f"{option} takes no {plain(text)}; it takes {', '.join(known.values())}")
        raise UsageError(f"{option}: unknown model {text.strip()!r}; known: {', '.join(known.values())}")
    return known[plain(text)]


def build_model(name: str, settings: list[str], seed: int, threads: int, parts: Parts = Parts()) -> Model:
    """The model called `name`, with hyper-parameters from NAME=VALUE.

    Parameters
    ----------
    name : str
        As on the command line.
    settings : list of str
        NAME=VALUE; those of a member of a blend are MEMBER__NAME=VALUE, of a ranker chooser__NAME=VALUE and
        rater__NAME=VALUE.
    seed, threads : int
        For models that have a random state, threads; 0 threads are the default of the model.
    parts : Parts
        Of a blend or a ranker.
    """
    name = model_name(name, BLEND, RANKER)
    parts.check(name)
    model = new_model(name, parts)
    # Whole models are given by other options.
    known = {key: value for key, value in model.get_params().items() if not hasattr(value, "get_params")}
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


def new_model(name: str, parts: Parts = Parts()) -> Model:
    """A model with its defaults, by its name on the command line; of a blend or a ranker, of these parts."""
    import cfcore as cf
    from cfcore.registry import BY_COMMAND

    if name == BLEND:
        return new_blend(parts.members)
    if name == RANKER:
        named = parts.chooser or CHOOSER, parts.rater or RATER
        options = "--chooser", "--rater"
        names = [model_name(one, BLEND, option=by) for one, by in zip(named, options, strict=True)]
        return cf.Ranker(*map(new_model, names))
    model: Model = BY_COMMAND[name].load()()
    return model


def new_blend(members: str) -> Model:
    """A blend of models with their defaults."""
    import cfcore as cf

    named = [model_name(text, option="--members") for text in members.split(",") if text.strip()]
    return cf.Blend([new_model(name) for name in named or MEMBERS])


def fitting(model: Model, ratings: Ratings, members: str) -> Model:
    """The model itself; of a blend without --members, the members that can be fitted to these ratings.

    A ranker may have such a blend for a chooser or a rater.
    """
    import cfcore as cf
    from cfcore.errors import DataError
    from cfcore.models.rbm.cases import find_levels

    if isinstance(model, cf.Ranker):
        for part in (model.chooser, model.rater):
            if isinstance(part, cf.Blend):
                fitting(part, ratings, "")
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


def load_model(
    path: Path, threads: int = 0, users: Path | None = None, items: Path | None = None,
    memory_map: bool = False,
) -> Model:  # fmt: skip
    """The model in a file, with this number of threads (0: as in the file), and with tables of features."""
    import cfcore as cf

    if not path.is_file():
        what = "a folder, not a model file" if path.is_dir() else "there is no such model file"
        what = "not a regular file" if path.exists() and not path.is_dir() else what
        raise UsageError(f"{path}: {what}; `cfcore fit DATA --out FILE` writes one")
    model = cf.load(path, memory_map=memory_map)
    if threads and "n_threads" in model.get_params():
        model.set_params(n_threads=threads)
    if users is None and items is None:
        return model
    if not hasattr(model, "with_features"):
        raise UsageError(
            f"{path}: {type(model).__name__} takes no features; leave out --user-features and --item-features"
        )
    featured: Model = model.with_features(users, items)
    return featured
