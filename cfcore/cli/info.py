"""``cfcore info`` and ``cfcore config``: the contents of a model file, and facts about the installation."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import codec
from cfcore.cli.common import JsonOption, ModelArgument, need_folder, tell, write_json
from cfcore.cli.models import load_model
from cfcore.data.ids import are_strings


def info(model: ModelArgument, json_file: JsonOption = None) -> None:
    """Print the contents of a model file: its data, its hyper-parameters, and the values used for None.

    Example:

      cfcore info svdpp.cf
    """
    need_folder(json_file, "--json")
    fitted = load_model(model)
    facts: dict[str, Any] = {
        "model": type(fitted).__name__,
        "written by cfcore": codec.written_by(model),
        "file bytes": model.stat().st_size,
        "users": int(np.count_nonzero(fitted.user_counts_)),
        "items": int(np.count_nonzero(fitted.item_counts_)),
        "ratings": int(fitted.user_counts_.sum()),
        "user ids": kind_of(fitted.user_ids_),
        "item ids": kind_of(fitted.item_ids_),
        "columns": {role: fitted.column_names_[role] for role in ("user", "item", "rating")},
        "mean rating": fitted.mean_,
        "scale": list(fitted.scale_),
        "history": {name: errors[-1] for name, errors in fitted.history_.items() if errors},
        "params": fitted.get_params(),
        "used": used_by(fitted),
    }
    if str(json_file) != "-":
        for name, value in facts.items():
            if name != "used":
                tell("\n".join(lines(name, value, facts["used"])))
    write_json(json_file, facts)


def lines(name: str, value: Any, used: dict[str, float]) -> list[str]:
    """A fact for the terminal; hyper-parameters that are None with the value that was used."""
    if not isinstance(value, dict):
        shown = (
            f"{value:,}" if isinstance(value, int) else f"{value:.6g}" if isinstance(value, float) else value
        )
        return [f"{name}: {shown}"]
    found = [f"{name}:"]
    for key, entry in value.items():
        told = f" (used: {used[key]:.6g}{at_end(key)})" if entry is None and key in used else ""
        found.append(f"  {key} = {f'{entry:.6g}' if name == 'history' else repr(entry)}{told}")
    return found if value else [f"{name}: none"]


def used_by(fitted: Any) -> dict[str, float]:
    """What the fit used: regularisation, learning rates of the last epoch, number of epochs."""
    try:
        used = dict(fitted.rates_)
    except AttributeError:
        used = {}
    epochs = getattr(fitted, "n_epochs_", None)
    return used if epochs is None else {**used, "n_epochs": int(epochs)}


def at_end(name: str) -> str:
    """What is to be said of a rate that fell over the epochs."""
    return " in the last epoch" if name.startswith("lr") else ""


def kind_of(ids: Any) -> str:
    """Kind of ids, with an example."""
    kind = "strings" if are_strings(ids) else "integers"
    return kind if len(ids) == 0 else f"{kind}, such as {ids[0]!s}"


def config() -> None:
    """Print version, compiler, threads and SIMD level, for a bug report."""
    from cfcore import show_config

    show_config()
