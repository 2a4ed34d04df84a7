"""The examples for users of LensKit work as they are printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from cfcore import lenskit as lk

PAGE = Path(__file__).parents[3] / "docs" / "coming_from_lenskit_and_implicit.md"
LENSKIT, _ = PAGE.read_text(encoding="utf-8").split("\n## implicit\n")


def test_examples() -> None:
    names: dict[str, Any] = {}
    for example in re.findall(r"^```python\n(.*?)^```$", LENSKIT, re.MULTILINE | re.DOTALL):
        exec(compile(example, str(PAGE), "exec"), names)
    assert np.isfinite(names["predicted"].scores()).all()
    assert len(names["top"]) == 10
    np.testing.assert_allclose(names["of_stranger"].scores(), names["same"], rtol=1e-5)


def test_names_exist() -> None:
    rows = [line.split("|")[1:-1] for line in LENSKIT.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+Scorer)\b", row[1])}
    assert len(named) >= 8
    assert named <= set(lk.__all__)
    fields = lk.ScorerOptions.model_fields
    for option in ("rank_by", "history", "unknown", "clip", "user_features", "item_features"):
        assert f"`{option}=" in LENSKIT or f"{option}=" in LENSKIT
        assert option in fields
