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
from cfcore.kernels.records.neighbors import (
    MEASURES,
    LevelRatings,
    NearestRows,
    PackedRatings,
    PredictionRequests,
    PredictionRule,
    PredictionScratch,
    SimilarityMatrix,
    SimilarityRule,
    SimilarityScratch,
    ValueRatings,
)
from cfcore.kernels.records.tables import RatingRows

__all__ = [
    "MEASURES",
    "RATING",
    "BlockGrid",
    "BlockLayout",
    "BlockScratch",
    "BlockVisits",
    "Factors",
    "LevelRatings",
    "NearestRows",
    "PackedRatings",
    "PredictionRequests",
    "PredictionRule",
    "PredictionScratch",
    "RatingColumns",
    "RatingRows",
    "Record",
    "SGDRates",
    "SimilarityMatrix",
    "SimilarityRule",
    "SimilarityScratch",
    "ValueRatings",
    "check_written",
]
