"""Strategies of hypothesis for ratings."""

from __future__ import annotations

from hypothesis import strategies as st

#: Rating of each (user, item).
triples = st.dictionaries(
    st.tuples(st.integers(-3, 5), st.integers(10, 15)), st.integers(0, 10).map(lambda n: n / 2), min_size=1
)
