"""Mistakes that type checkers must find; each line has the rule by which pyright reports it."""

from __future__ import annotations

import cfcore as cf

cf.SVD(n_factor=20)  # pyright: ignore[reportCallIssue]
cf.SVD(n_factors="20")  # pyright: ignore[reportArgumentType]
cf.ItemKNN(similarity=3)  # pyright: ignore[reportArgumentType]
cf.NoSuchModel()  # pyright: ignore[reportAttributeAccessIssue]
number: int = cf.metrics.rmse([1.0], [2.0])  # pyright: ignore[reportAssignmentType]
