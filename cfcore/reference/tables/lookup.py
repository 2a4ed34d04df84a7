"""Twin of `cfcore.kernels.tables.lookup`: a scan of the vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def find(ids: NDArray[Any], raw: int | str) -> int:
    """Position of `raw` in `ids`, or -1 if it is not there; see the kernel."""
    if not isinstance(ids, np.ndarray):
        raise TypeError(f"find: ids must be an ndarray, not {type(ids).__name__}")
    if not isinstance(raw, (int, str)) or isinstance(raw, bool):
        raise TypeError(f"find: raw must be an int or a str, not {type(raw).__name__}")
    if ids.ndim != 1 or not ids.flags.c_contiguous or not ids.flags.aligned or not ids.dtype.isnative:
        raise ValueError("find: ids must be one-dimensional, contiguous and aligned")
    if ids.dtype.kind not in "iuUO":
        raise ValueError(f"find: ids must hold integers or strings, not {ids.dtype}")
    own = ids.tolist()
    if ids.dtype.kind == "O" and not all(isinstance(one, str) for one in own):
        raise ValueError("find: ids must hold integers or strings")
    if isinstance(raw, str) and ids.dtype.kind == "U":
        raw = raw.rstrip("\0")
    found = [code for code, one in enumerate(own) if type(one) is type(raw) and one == raw]
    return found[0] if found else -1
