"""The version is the same wherever it is written, and its day too."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import cfcore as cf

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "CITATION.cff").exists(), reason="tests run without the repository around them"
)


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_version_is_the_same_everywhere() -> None:
    assert tomllib.loads(text("pyproject.toml"))["project"]["version"] == cf.__version__
    assert re.search(r"^version: (.*)$", text("CITATION.cff"), re.MULTILINE)[1] == cf.__version__  # type: ignore[index]
    assert re.search(r'version: "(.*?)"', text("conda/recipe.yaml"))[1] == cf.__version__  # type: ignore[index]


def test_changelog_begins_with_this_version_and_its_day() -> None:
    version, day = re.findall(r"^## (\S+) \((.*)\)$", text("CHANGELOG.md"), re.MULTILINE)[0]
    assert version == cf.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", day)
    assert f"date-released: {day}" in text("CITATION.cff")


def test_switcher_has_this_version_and_an_earlier_one() -> None:
    listed = json.loads(text("docs/versions.json"))
    versions = [entry["version"] for entry in listed]
    assert cf.__version__ in versions
    assert len(versions) == len(set(versions)) > 1
    assert sum(entry.get("preferred", False) for entry in listed) == 1
