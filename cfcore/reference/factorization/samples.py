"""Twin of `cfcore.kernels.factorization.samples` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import FactorSamples, check_apart
from cfcore.reference.common.checks import check_array, check_record, check_threads


def score_samples(
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    samples: FactorSamples,
    means: NDArray[np.float32],
    draws: NDArray[np.float32],
    n_threads: int,
) -> None:
    """Scores of pairs in each sample; see the kernel."""
    check_array(users, np.int32, 1, False, "score_samples: users")
    check_array(items, np.int32, 1, False, "score_samples: items")
    check_record(samples, FactorSamples, "score_samples: samples")
    check_array(means, np.float32, 2, True, "score_samples: means")
    check_array(draws, np.float32, 2, True, "score_samples: draws")
    check_threads(n_threads)
    if len(items) != len(users):
        raise ValueError("score_samples: users and items must be of one length")
    shape = len(users), samples.n_kept
    if means.shape != shape or draws.shape != shape:
        raise ValueError(f"score_samples: means and draws must be of shape {shape}")
    read = {name: held for name, held, _ in samples.arrays()}
    check_apart("score_samples", {"means": means, "draws": draws}, {"users": users, "items": items, **read})
    for k, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        if not (0 <= user < samples.n_users and 0 <= item < samples.n_items):
            raise ValueError(f"score_samples: pair {k} ({user}, {item}) is out of range")
        by_sample = samples.n_kept, samples.n_factors
        row = samples.item_factors[item].reshape(by_sample).astype(np.float64)
        products = np.einsum("sf,sf->s", samples.user_means[user].reshape(by_sample), row)
        means[k] = samples.user_biases[user] + samples.item_biases[item] + samples.scale * products
        draws[k] = np.einsum("sf,sf->s", samples.user_draws[user].reshape(by_sample), row)
