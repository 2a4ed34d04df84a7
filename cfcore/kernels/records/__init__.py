"""Argument records: what the kernels and their twins are given; see `cfcore.kernels.records.base`."""

from __future__ import annotations

from cfcore.kernels.records.base import Record, check_apart, check_written
from cfcore.kernels.records.factorization import (
    RATING,
    Biases,
    BlockGrid,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    Factors,
    RatingColumns,
    SGDRates,
)
from cfcore.kernels.records.implicit import (
    BatchLayout,
    BatchScratch,
    BatchVisits,
    ImplicitRows,
    ImplicitSets,
    SVDppFactors,
    SVDppRates,
    check_batches,
    check_cuts,
    check_sums,
)
from cfcore.kernels.records.tables import RatingRows
from cfcore.kernels.records.time_parameters import (
    DAY,
    LEFT_OUT,
    TIME_TERMS,
    TimeLayout,
    TimeParameters,
    TimeRates,
    check_days,
)

__all__ = [
    "DAY",
    "LEFT_OUT",
    "RATING",
    "TIME_TERMS",
    "BatchLayout",
    "BatchScratch",
    "BatchVisits",
    "Biases",
    "BlockGrid",
    "BlockLayout",
    "BlockScratch",
    "BlockVisits",
    "Factors",
    "ImplicitRows",
    "ImplicitSets",
    "RatingColumns",
    "RatingRows",
    "Record",
    "SGDRates",
    "SVDppFactors",
    "SVDppRates",
    "TimeLayout",
    "TimeParameters",
    "TimeRates",
    "check_apart",
    "check_batches",
    "check_cuts",
    "check_days",
    "check_sums",
    "check_written",
]
