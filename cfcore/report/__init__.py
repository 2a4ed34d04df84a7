"""A page in HTML about fitted models and their test ratings: data, errors, lists, examples.

Needs Altair: ``pip install 'cfcore[report]'``.
"""

from __future__ import annotations

from cfcore.report.writing import write_report

__all__ = ["write_report"]
