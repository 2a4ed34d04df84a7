"""States of an RBM without some of its users."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cfcore.models.rbm.state import RBMState

Array = np.ndarray[Any, Any]


def remaining_cases(state: RBMState, seen: RBMState, kept: Array) -> RBMState:
    """The state of some users, where cases are users.

    Parameters
    ----------
    state : RBMState
    seen : RBMState
        The same with ids, counts and items seen of the users who remain.
    kept : bool[n_users]
        Who remains.

    Notes
    -----
    The distributions of the ratings of items, by which unknown users are predicted, are those of before.
    """
    by_case = state.observed.by_case[np.append(kept, True)]
    fields: dict[str, Any] = {
        "case_distributions": by_case, "unit_distributions": state.observed.by_unit,
    }  # fmt: skip
    for name in ("case", "rated"):
        bounds, units = (getattr(state, f"{name}_{what}") for what in ("indptr", "units"))
        if bounds is not None:
            of_kept, sizes = np.repeat(kept, np.diff(bounds)), np.diff(bounds)[kept]
            fields[f"{name}_indptr"] = np.append(0, np.cumsum(sizes)).astype(np.int64)
            fields[f"{name}_units"] = units[of_kept]
            if name == "case":
                fields["case_levels"] = state.case_levels[of_kept]
    if state.case_inputs is not None:
        fields["case_inputs"] = state.case_inputs[kept]
    return dataclasses.replace(seen, **fields)


def remaining_units(state: RBMState, seen: RBMState, kept: Array, n_threads: int | None) -> RBMState:
    """The state of some users, where visible units are users; as `remaining_cases`.

    The inputs of the hidden units of each item, by which all users are predicted, are those of before.
    """
    codes = (np.cumsum(kept) - 1).astype(np.int32)
    fields: dict[str, Any] = {
        "case_inputs": state.inputs(n_threads)[:, : len(state.hidden_bias)].copy(),
        "case_distributions": state.observed.by_case,
        "unit_distributions": state.observed.by_unit[np.append(kept, True)],
    }
    for name in ("weights", "visible_bias", "conditional_weights"):
        held = getattr(state, name)
        fields[name] = None if held is None else held[kept]
    for name in ("case", "rated"):
        bounds, units = (getattr(state, f"{name}_{what}") for what in ("indptr", "units"))
        if bounds is not None:
            left = kept[units]
            fields[f"{name}_indptr"] = np.append(0, np.cumsum(left))[bounds].astype(np.int64)
            fields[f"{name}_units"] = codes[units[left]]
            if name == "case":
                fields["case_levels"] = state.case_levels[left]
    return dataclasses.replace(seen, **fields)
