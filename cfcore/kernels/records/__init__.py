"""Argument records: what the kernels and their twins are given; see `cfcore.kernels.records.base`."""

from __future__ import annotations

from cfcore.kernels.records.base import Record, check_written
from cfcore.kernels.records.factorization import (
    RATING,
    BlockGrid,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    Factors,
    RatingColumns,
    SGDRates,
)
from cfcore.kernels.records.rbm import (
    BATCH_RATING,
    BatchScratch,
    Cases,
    MiniBatches,
    RBMParameters,
    RBMRates,
)
from cfcore.kernels.records.tables import RatingRows

__all__ = [
    "BATCH_RATING",
    "RATING",
    "BatchScratch",
    "BlockGrid",
    "BlockLayout",
    "BlockScratch",
    "BlockVisits",
    "Cases",
    "Factors",
    "MiniBatches",
    "RBMParameters",
    "RBMRates",
    "RatingColumns",
    "RatingRows",
    "Record",
    "SGDRates",
    "check_written",
]
