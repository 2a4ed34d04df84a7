"""What a notebook shows of a model: hyper-parameters, and facts about the fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import html
from cfcore.errors import shown
from cfcore.models.core.params import is_same

__all__ = ["model_html"]


def model_html(model: Any) -> str:
    """HTML of a model: all hyper-parameters, those that are not defaults first, and facts about its fit."""
    defaults, params = model.default_params(), model.get_params(deep=False)
    changed = {name for name, default in defaults.items() if not is_same(params[name], default)}
    rows = [(name, shown(params[name])) for name in params if name in changed]
    rows += [(name, f"{shown(params[name])} (default)") for name in defaults if name not in changed]
    title = type(model).__name__
    if not model.is_fitted():
        return html.facts(f"{title}, not fitted", rows)
    return html.facts(f"{title}, fitted", [*_facts(model.snapshot()), *rows])


def _facts(model: Any) -> list[tuple[str, str]]:
    users, items = model.user_counts_, model.item_counts_
    low, high = model.scale_
    facts = [
        (
            "training ratings",
            f"{int(users.sum()):,} by {np.count_nonzero(users):,} users of {np.count_nonzero(items):,} items",
        ),
        ("scale, mean", f"{low:g} to {high:g}, {model.mean_:.3g}"),
    ]
    n_epochs = getattr(model, "n_epochs_", None)
    if n_epochs:
        errors = [
            f"{name} {errors[n_epochs - 1]:.4f}"
            for name, errors in model.history_.items()
            if len(errors) >= n_epochs
        ]
        facts.append(("epochs", ", ".join([f"{n_epochs}", *errors])))
    return facts
