"""Names that other libraries have for hyper-parameters, for errors that name cfcore's."""

from __future__ import annotations

from collections.abc import Collection, Iterable

__all__ = ["OTHER_NAMES", "hint"]

#: Name elsewhere -> names here, of which those count that the model has.
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    # scikit-surprise
    "bsl_options": ("reg_user", "reg_item", "method", "n_epochs", "lr", "reg"),
    "init_std_dev": ("init_scale",),
    "k": ("n_neighbors", "n_factors"),
    "learning_rate": ("lr",),
    "lr_all": ("lr",),
    "lr_bi": ("lr_bias",),
    "lr_bu": ("lr_bias",),
    "lr_pu": ("lr",),
    "lr_qi": ("lr",),
    "lr_yj": ("lr_implicit",),
    "reg_all": ("reg",),
    "reg_bi": ("reg_bias",),
    "reg_bu": ("reg_bias",),
    "reg_i": ("reg_item",),
    "reg_pu": ("reg",),
    "reg_qi": ("reg",),
    "reg_u": ("reg_user",),
    "reg_yj": ("reg_implicit",),
    "sim_options": ("similarity", "min_support", "shrinkage"),
    # implicit, LensKit and others
    "embedding_size": ("n_factors",),
    "epochs": ("n_epochs",),
    "factors": ("n_factors",),
    "features": ("n_factors",),
    "iterations": ("n_epochs", "n_iterations"),
    "max_nbrs": ("n_neighbors",),
    "num_threads": ("n_threads",),
    "regularization": ("reg",),
    "seed": ("random_state",),
}
_NOTES = {"sim_options": " (in place of user_based, there are UserKNN and ItemKNN)"}


def hint(given: Iterable[str], own: Collection[str]) -> str:
    """Say what arguments of other libraries are called here.

    Parameters
    ----------
    given : iterable of str
        Names of arguments.
    own : collection of str
        Names of the model's hyper-parameters.

    Returns
    -------
    str
        Empty if none of those that are not the model's is known.
    """
    parts = []
    for name in given:
        found = [new for new in OTHER_NAMES.get(name, ()) if new in own]
        if name not in own and found:
            parts.append(f"{name} is called {', '.join(found)}{_NOTES.get(name, '')}")
    return "; ".join(parts)
