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
from cfcore.kernels.records.rbm import BATCH_RATING, BatchScratch, Cases, MiniBatches, RBMParameters, RBMRates
from cfcore.kernels.records.tables import RatingRows
from cfcore.kernels.records.top_n import (
    BiasedRows,
    BitmapScratch,
    ItemOrder,
    ListQueries,
    ListScratch,
    PanelOrder,
    Panels,
    ScoreRows,
    TopLists,
    panel_checks,
)

__all__ = [
    "BATCH_RATING",
    "RATING",
    "BatchScratch",
    "BiasedRows",
    "Biases",
    "BitmapScratch",
    "BlockGrid",
    "BlockLayout",
    "BlockScratch",
    "BlockVisits",
    "Cases",
    "Factors",
    "ItemOrder",
    "ListQueries",
    "ListScratch",
    "MiniBatches",
    "PanelOrder",
    "Panels",
    "RBMParameters",
    "RBMRates",
    "RatingColumns",
    "RatingRows",
    "Record",
    "SGDRates",
    "ScoreRows",
    "TopLists",
    "check_apart",
    "check_written",
    "panel_checks",
]
