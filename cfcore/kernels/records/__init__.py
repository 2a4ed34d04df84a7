"""Argument records: what the kernels and their twins are given; see `cfcore.kernels.records.base`."""

from __future__ import annotations

from cfcore.kernels.records.base import Record, check_apart, check_written
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
from cfcore.kernels.records.tables import RatingRows

__all__ = [
    "RATING",
    "BlockGrid",
    "BlockLayout",
    "BlockScratch",
    "BlockVisits",
    "Factors",
    "RatingColumns",
    "RatingRows",
    "Record",
    "SGDRates",
    "check_apart",
    "check_written",
]
