"""Arrays that a kernel writes share no memory with any other argument, wherever they lie."""

from __future__ import annotations

import numpy as np
import pytest

from cfcore.kernels.records import RatingColumns, RatingRows, check_apart, check_written


def test_each_array_is_compared_with_all_before_it() -> None:
    memory = np.zeros(100)
    whole, early, late = memory, memory[10:20], memory[50:60]
    check_apart("f", {}, {"whole": whole, "early": early, "late": late})
    check_apart("f", {"late": late}, {"early": early})
    with pytest.raises(ValueError, match="f: whole and f: late share memory"):
        check_apart("f", {"late": late}, {"whole": whole, "early": early})
    with pytest.raises(ValueError, match="f: whole and f: late share memory"):
        check_apart("f", {"whole": whole}, {"late": late})
    with pytest.raises(ValueError, match="share memory"):
        check_apart("f", {"whole": whole, "late": late}, {})


def test_empty_arrays_share_nothing() -> None:
    memory = np.zeros(10)
    check_apart("f", {"all": memory}, {"none": memory[5:5]})


def test_records_that_are_only_read_may_share_memory() -> None:
    codes, values = np.zeros(4, dtype=np.int32), np.zeros(4, dtype=np.float32)
    columns = RatingColumns(codes, codes, values, 1, 1)
    rows = RatingRows(np.array([0, 4]), codes, values, 1)
    check_written((), (columns, rows))
