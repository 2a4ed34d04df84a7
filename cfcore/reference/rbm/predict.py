"""Twin of `cfcore.kernels.rbm.predict` in NumPy: same names, arguments and errors, results to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.kernels.records import Cases, RBMParameters, check_cases, check_entries
from cfcore.reference.common.threads import team_size
from cfcore.reference.rbm.rbm import sigmoid

Array = np.ndarray[Any, Any]


def hidden_inputs(
    cases: Cases, parameters: RBMParameters, scratch: Array, out: Array, n_threads: int
) -> None:
    """Inputs of the hidden units of each case; see the kernel."""
    team_size(n_threads)
    check_cases(cases, parameters, "hidden_inputs")
    check_entries(cases)
    if out.shape != (cases.n_cases, parameters.width):
        raise ValueError("hidden_inputs: out must have a row of width for each case")
    if len(scratch) < 1 or scratch.shape[1] < parameters.width:
        raise ValueError("hidden_inputs: scratch must have a row of width for each thread")
    _check_apart(
        "hidden_inputs",
        (out, scratch),
        [held for record in (cases, parameters) for _, held, _ in record.arrays()],
    )
    for case in range(cases.n_cases):
        own = slice(*cases.indptr[case : case + 2])
        weights = parameters.weights[cases.units[own], cases.levels[own]]
        out[case] = parameters.hidden_bias + weights.sum(axis=0)
        if len(parameters.conditional):
            rated = cases.rated_units[slice(*cases.rated_indptr[case : case + 2])]
            out[case] += parameters.conditional[rated].sum(axis=0)


def probabilities(
    case_codes: Array,
    unit_codes: Array,
    inputs: Array,
    parameters: RBMParameters,
    exact: bool,
    scratch: Array,
    out: Array,
    n_threads: int,
) -> None:
    """Distributions over the levels of visible units, each given the ratings of a case; see the kernel."""
    team_size(n_threads)
    n, n_hidden = len(case_codes), parameters.n_hidden
    if len(unit_codes) != n or out.shape != (n, parameters.n_levels):
        raise ValueError("probabilities: unit_codes and out must have a row for each case code")
    if inputs.shape[1] != parameters.width or len(scratch) < 1 or scratch.shape[1] < parameters.width:
        raise ValueError("probabilities: rows of inputs and scratch must be as long as those of weights")
    read = [case_codes, unit_codes, inputs, parameters.weights, parameters.visible_bias]
    _check_apart("probabilities", (out, scratch), read)
    bad = (case_codes < 0) | (case_codes >= len(inputs))
    bad |= (unit_codes < 0) | (unit_codes >= parameters.n_units)
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(
            f"probabilities: pair {k}, case {case_codes[k]} and unit {unit_codes[k]}, is out of range"
        )
    for row, (case, unit) in enumerate(zip(case_codes, unit_codes, strict=True)):
        if exact:
            x = inputs[case, :n_hidden].astype(np.float64) + parameters.weights[unit, :, :n_hidden]
            logits = parameters.visible_bias[unit] + np.logaddexp(0, x).sum(axis=1)
        else:
            weights = parameters.weights[unit, :, :n_hidden]
            logits = parameters.visible_bias[unit] + weights @ sigmoid(inputs[case, :n_hidden])
        logits = np.exp(logits.astype(np.float64) - logits.max())
        out[row] = logits / logits.sum()


def _check_apart(name: str, written: tuple[Array, Array], read: list[Array]) -> None:
    out, scratch = written
    pairs = [(out, scratch), *((one, other) for one in written for other in read)]
    if any(np.may_share_memory(one, other) for one, other in pairs):
        raise ValueError(f"{name}: out or scratch shares memory with another array")
