"""The examples for users of implicit work as they are printed, and names in their tables exist."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import cfcore as cf

PAGE = Path(__file__).parents[1] / "docs" / "coming_from_lenskit_and_implicit.md"
LENSKIT, IMPLICIT = PAGE.read_text(encoding="utf-8").split("\n## implicit\n")


def test_examples() -> None:
    names: dict[str, object] = {}
    for example in re.findall(r"^```python\n(.*?)^```$", IMPLICIT, re.MULTILINE | re.DOTALL):
        exec(compile(example, str(PAGE), "exec"), names)
    model, plays = names["model"], names["plays"]
    assert isinstance(model, cf.EASE)
    assert isinstance(plays, cf.EASE)
    assert np.shape(names["many"]) == (50, 10)
    assert not set(np.asarray(names["many"])[7]) & set(names["user_items"][7].indices)  # type: ignore[index]
    assert not {3, 5} & set(np.asarray(names["ids"]))
    assert 3 not in np.asarray(names["similar"])


def test_names_exist() -> None:
    """Models, functions and arguments that the tables name as cfcore's are there."""
    rows = [line.split("|")[1:-1] for line in IMPLICIT.splitlines() if line.startswith("| `")]
    assert len(rows) > 12
    text = " ".join(row[1] for row in rows)
    for name in set(re.findall(r"`([A-Z]\w+)\(", text)):
        assert hasattr(cf, name), name
    for module, name in re.findall(r"`(split|metrics|selection)\.(\w+)", f"{text} {LENSKIT}"):
        assert hasattr(getattr(cf, module), name), (module, name)
    for method in set(re.findall(r"`model\.(\w+)\(", text)):
        assert hasattr(cf.SVD, method), method
    train, test = cf.split.holdout(cf.datasets.synthetic(50, 40, 900, random_state=0), 0.2, random_state=0)
    model = cf.SVD(n_epochs=1, random_state=0).fit(train)
    found = cf.metrics.evaluate(model, test, ["ndcg@10", "precision@10", "map@10"], threshold=4.0)
    assert set(found) >= {"ndcg@10", "precision@10", "map@10"}
