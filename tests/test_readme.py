"""The examples and commands in README work as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cfcore as cf
from cfcore.data.sources import UnavailableError

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.exists(), reason="tests run without the repository around them")


def blocks(language: str) -> list[str]:
    """Fenced blocks of a language, from opening to closing fence."""
    fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced.findall(README.read_text(encoding="utf-8")) if name == language]


def test_examples_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        cf.datasets.load("ml-100k")
    except UnavailableError as error:
        pytest.skip(str(error))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    examples = blocks("python")
    assert examples
    for example in examples:
        exec(compile(example, str(README), "exec"), names)
    assert names["same"].predict(196, 242) == names["model"].predict(196, 242)  # type: ignore[attr-defined]


def test_commands_are_those_that_continuous_integration_checks() -> None:
    commands = [block.strip() for block in blocks("")]
    install = "python3 -m venv .venv && .venv/bin/pip install"
    assert f"{install} '.[cli,data]' && .venv/bin/cfcore compare ml-100k" in commands
    assert f"{install} -e '.[test]' && .venv/bin/python -m pytest" in commands


def test_commands_that_pages_name_exist() -> None:
    """Commands and names of the library in code spans exist."""
    import typer.main

    from cfcore.cli import build

    commands = typer.main.get_command(build()).commands  # type: ignore[attr-defined]
    text = README.read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:\S*/)?cfcore ([a-z]\w*)", text))
    named |= set(re.findall(r"bin/cfcore (\w+)", text))
    assert named
    assert named <= set(commands), named - set(commands)
    for name in re.findall(r"`cf\.([\w.]+)", text):
        value: object = cf
        for part in name.split("."):
            value = getattr(value, part)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/benchmarks.md"])
def test_scripts_and_files_that_pages_name_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"(?:benchmarks|tests|cfcore)/[\w/]+\.\w+", text)
    missing = [path for path in named if "name." not in path and not (ROOT / path).exists()]
    assert not missing
