"""Every figure on the benchmarks page and in README's table is that of a file which its command wrote."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(
    not BENCHMARKS.exists(), reason="tests run without the repository around them"
)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("pages")


@pytest.fixture
def update(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("update")


def table_of_readme(pages: ModuleType) -> str:
    text: str = pages.README.read_text(encoding="utf-8")
    return text.partition(pages.MARKS[0])[2].partition(pages.MARKS[1])[0]


def test_pages_are_made_from_the_files(pages: ModuleType) -> None:
    for path, text in pages.pages():
        assert path.read_text(encoding="utf-8") == text, "run python benchmarks/update.py --pages"


def test_every_figure_is_that_of_a_file(pages: ModuleType) -> None:
    files = pages.read()
    page, table = pages.PAGE.read_text(encoding="utf-8"), table_of_readme(pages)
    assert len(list(pages.printed(table))) > 20
    assert len(list(pages.printed(page))) > 100
    assert not pages.unknown(page, files)
    assert not pages.unknown(f"README\n{table}", files)


def test_text_of_the_template_has_no_figures_of_its_own(pages: ModuleType) -> None:
    text = re.sub(r"\{\{[^}]*\}\}", "", pages.TEMPLATE.read_text(encoding="utf-8"))
    for section in re.split("^## ", text, flags=re.MULTILINE):
        assert not list(pages.printed(section.partition("\n")[2]))


@pytest.mark.parametrize("name", ["docs/benchmarks.md", "README.md"])
def test_a_changed_digit_is_noticed(pages: ModuleType, name: str) -> None:
    """Each figure of the first section with figures, one digit changed, is found to be in no file."""
    made = dict(pages.pages())[ROOT / name]
    files = pages.read()
    section = next(part for part in re.split("^## ", made, flags=re.MULTILINE) if "`BayesianSVD` |" in part)
    values = [value for file in files.values() for value in file["figures"].values()]
    changed = 0
    for printed in sorted({text for text in pages.printed(section) if "." in text and text in section}):
        wrong = f"{printed[:-1]}{(int(printed[-1]) + 5) % 10}"
        if any(pages.is_rounded(abs(value), wrong) for value in values):
            continue  # another figure, by chance
        page = section.replace(f"| {printed} |", f"| {wrong} |", 1)
        if page != section:
            changed += 1
            assert wrong in pages.unknown(page, files)
            assert made.replace(section, page) != made
    assert changed > 10


def test_files_say_what_wrote_them_and_where(pages: ModuleType, update: ModuleType) -> None:
    for name, file in pages.read().items():
        assert file["command"] == update.said(name)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d", file["date"])
        assert file["machine"]["processor"]
        assert file["machine"]["cfcore"]
        assert file["figures"]
        text = json.dumps(file)
        assert not re.search(r"/(?:tmp|home|root|work|usr)/", text), name
        assert "hostname" not in text


def test_figures_are_those_of_the_measurements(pages: ModuleType, update: ModuleType) -> None:
    for name, file in pages.read().items():
        measured = {part: value for part, value in file.items() if part != "figures"}
        assert update.figures.of(name, measured) == pytest.approx(file["figures"], rel=1e-12), name


def test_an_interrupted_run_goes_on(
    update: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are there and young are kept; a command that fails leaves the old file."""
    monkeypatch.setattr(update, "RESULTS", tmp_path)
    monkeypatch.setattr(update, "COMMANDS", {"article": "no_such.py", "startup": "startup.py --quick"})
    options: Any = type("Options", (), {"pages": False, "only": "", "hours": 12})
    assert update.chosen(options) == ["article", "startup"]
    assert update.run("startup")
    assert update.chosen(options) == ["article"]
    kept = (tmp_path / "startup.json").read_text(encoding="utf-8")
    assert not update.run("article")
    assert [path.name for path in tmp_path.iterdir()] == ["startup.json"]
    report = json.loads(kept)
    assert report["command"] == "python benchmarks/startup.py --quick"
    assert list(report["figures"]) == list(report["seconds"])
