"""Pictures of training and of errors. Needs matplotlib: ``pip install 'cfcore[plots]'``.

Each function draws on the axes `ax`, or on those of a new figure, and returns the axes. A notebook shows new
ones where they are the result of a cell, and by ``display(ax)``. None uses pyplot, so that a script displays
nothing and no figure is kept in memory: ``ax.figure.savefig("x.png")`` writes a file.

Models are one fitted model, several of them, or a dict of names and models.
"""

from __future__ import annotations

from cfcore.plots.common import COLORS
from cfcore.plots.correlation import error_correlation
from cfcore.plots.explanation import explanation
from cfcore.plots.grouped_errors import error_by
from cfcore.plots.history import learning_curves
from cfcore.plots.reliability import calibration
from cfcore.plots.speed import time_against_rmse

__all__ = [
    "COLORS", "calibration", "error_by", "error_correlation", "explanation", "learning_curves",
    "time_against_rmse",
]  # fmt: skip
