from typing import Any

import numpy as np
from numpy.typing import NDArray

Entries = NDArray[np.uint32] | NDArray[np.uint64]
Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Uint8 = NDArray[np.uint8]
Floating = np.ndarray[Any, Any]

MEASURES: dict[str, int]

def row_bytes(n_rows: int, packed: bool, longest: int, largest: int, measure: int) -> int: ...
def half_rows(
    entries: Entries,
    indptr: Int64,
    ends: Int64,
    co_entries: Entries,
    co_indptr: Int64,
    products: Int16,
    out: Floating,
    scratch: Uint8,
    measure: int,
    offset: float,
    step: float,
    shrinkage: float,
    min_support: int,
    no_overlap: float,
    begin: int,
    end: int,
    n_threads: int,
) -> None: ...
def top_rows(
    entries: Entries,
    indptr: Int64,
    co_entries: Entries,
    co_indptr: Int64,
    products: Int16,
    codes: Int32,
    values: Floating,
    scratch: Uint8,
    measure: int,
    offset: float,
    step: float,
    shrinkage: float,
    min_support: int,
    begin: int,
    end: int,
    n_threads: int,
) -> None: ...
def mirror(out: Floating, begin: int, end: int, n_threads: int) -> None: ...
