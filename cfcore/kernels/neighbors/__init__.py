"""Similarities in `similarity`, neighbourhood predictions in `predict`."""

from __future__ import annotations

from cfcore.kernels.neighbors.predict import predict_dense, predict_rows

__all__ = ["predict_dense", "predict_rows"]
