"""Twin of `cfcore.kernels.common.rng` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import check_apart, check_seed


def philox(counters: NDArray[np.uint32], words: NDArray[np.uint32], key: int) -> None:
    """Four random words for each counter by Philox4x32-10; see the kernel."""
    check_apart("philox", {"words": words}, {"counters": counters})
    if counters.ndim != 2 or counters.shape[1] != 4 or words.shape != counters.shape:
        raise ValueError("philox: counters and words must both be of shape (n, 4)")
    key = check_seed("philox: key", key)
    low32, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = counters.astype(np.uint64).T
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        first = np.uint64(0xD2511F53) * c0
        second = np.uint64(0xCD9E8D57) * c2
        c0 = (second >> half) ^ c1 ^ np.uint64(k0)
        c2 = (first >> half) ^ c3 ^ np.uint64(k1)
        c1, c3 = second & low32, first & low32
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    words[:] = np.stack([c0, c1, c2, c3], axis=1)
