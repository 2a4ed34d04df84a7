"""Twin of `cfcore.kernels.factorization.gibbs_biases` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import BiasDraws, DrawKey, check_apart, check_span, check_written
from cfcore.reference.common.checks import check_array, check_record, check_threads
from cfcore.reference.factorization.gibbs import normal_numbers

Float64 = NDArray[np.float64]


def draw_biases(draws: BiasDraws, key: DrawKey, span: tuple[int, int], n_threads: int) -> None:
    """A bias of each group from its conditional distribution; see the kernel."""
    check_record(draws, BiasDraws, "draw_biases: draws")
    check_record(key, DrawKey, "draw_biases: key")
    check_written((draws,))
    begin, end = check_span("draw_biases", span, draws.n_groups, "groups")
    check_threads(n_threads)
    noise = normal_numbers(key, begin, end, 1)[:, 0]
    for group in range(begin, end):
        members: Any = slice(draws.indptr[group], draws.indptr[group + 1])
        if draws.ratings is not None:
            members = draws.ratings[members]
        errors = draws.targets[members].astype(np.float64) - draws.products[members]
        weights = np.ones(len(errors)) if draws.weights is None else draws.weights[members].astype(float)
        total = float(np.sum(weights * errors)) + np.sum(weights) * draws.biases[group]
        precision = draws.precision + draws.noise_precision * np.sum(weights)
        mean = (draws.precision * draws.mean + draws.noise_precision * total) / precision
        step = mean + noise[group - begin] / np.sqrt(precision) - draws.biases[group]
        draws.biases[group] += step
        if draws.cross is not None:
            products = weights * draws.products[members]
            draws.cross[group] = np.sum(products * (draws.targets[members].astype(np.float64) - step))
        if draws.sorted is None:
            draws.targets[members] = draws.targets[members] - step
        else:
            draws.sorted[draws.indptr[group] : draws.indptr[group + 1]] = draws.targets[members] - step


def subtract_steps(
    codes: NDArray[np.int32], steps: Float64, others: tuple[Any, Any] | None, targets: NDArray[np.float32],
    n_threads: int,
) -> None:  # fmt: skip
    """Subtract the step of each target's group, and of another; see the kernel."""
    check_array(codes, np.int32, 1, False, "subtract_steps: codes")
    check_array(steps, np.float64, 1, False, "subtract_steps: steps")
    check_array(targets, np.float32, 1, True, "subtract_steps: targets")
    read: dict[str, Any] = {"codes": codes, "steps": steps}
    if others is not None:
        read["other codes"], read["other steps"] = others
        check_array(others[0], np.int32, 1, False, "subtract_steps: other codes")
        check_array(others[1], np.float64, 1, False, "subtract_steps: other steps")
        if len(others[0]) != len(codes):
            raise ValueError("subtract_steps: codes of both kinds must be of one length")
    check_apart("subtract_steps", {"targets": targets}, read)
    check_threads(n_threads)
    if len(targets) != len(codes):
        raise ValueError("subtract_steps: codes and targets must be of one length")
    bad = []
    for own, each in ((codes, steps), *(() if others is None else (others,))):
        known = (own >= 0) & (own < len(each))
        targets[known] = targets[known] - each[own[known]]
        if not known.all():
            bad.append((np.sum(~known), len(each)))
    if bad:
        raise ValueError(f"subtract_steps: {bad[0][0]} codes are not in [0, {bad[0][1]})")
