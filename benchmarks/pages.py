"""Fill the figures of ``benchmarks/results`` into the benchmarks page and into README, and check them.

``docs/benchmarks.md`` is made from ``docs/benchmarks.md.in``; of README the part between the marks
``<!-- figures -->`` and ``<!-- end of figures -->`` is made here. In the template

    {{file: name | .4f}}            a figure of a file, in a format of Python
    {{table NAME}}                  a table of `tables.py`
    {{source file, file}}           commands, machine and date of files
    {{if file, file}} ... {{end}}   a part that is replaced by its commands while a file is missing

Called by `update.py`. `unknown` finds figures of a page that are in no file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import tables

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE, TEMPLATE = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks.md.in"
README = ROOT / "README.md"
MARKS = "<!-- figures -->\n", "<!-- end of figures -->\n"

#: Load of two cores above which times are not those of an idle machine.
BUSY = 1.5

Files = Mapping[str, Mapping[str, Any]]


def read(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """All files of figures by their name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def source(files: Files, names: list[str]) -> str:
    """The commands of files, and the machine, version and date."""
    commands = ", ".join(f"`{files[name]['command']}`" for name in names)
    machines = dict.fromkeys(machine(files[name]) for name in names)
    return f"*{commands}; {'; '.join(machines)}.*"


def machine(file: Mapping[str, Any]) -> str:
    """Processor, SIMD level, version and day of a file."""
    facts = file["machine"]
    day = datetime.fromisoformat(file["date"])
    level = {"avx512": "AVX-512", "avx2": "AVX2"}.get(facts["simd_level"], facts["simd_level"])
    said = f"{facts['processor']}, {facts['cores']} cores, {level}, cfcore {facts['cfcore']}, {day:%-d %B %Y}"
    busy = facts["load"] and facts["load"][0] > BUSY
    return f"{said}, beside other processes, so that times are too long" if busy else said


def unmeasured(names: list[str], said: set[str]) -> str:
    """What stands in the place of a part whose files are missing, once for each command."""
    from update import COMMANDS
    from update import said as command

    new = [name for name in names if name in COMMANDS and name not in said]
    said.update(new)
    commands = ", ".join(f"`{command(name)}`" for name in new)
    return f"\n*Not measured with this version: {commands}.*\n" if new else ""


def fill(template: str, files: Files) -> str:
    """A page from its template and the files."""

    said: set[str] = set()

    def names_of(text: str) -> list[str]:
        return [name.strip() for name in text.split(",")]

    def part(found: re.Match[str]) -> str:
        missing = [name for name in names_of(found[1]) if name not in files]
        return unmeasured(missing, said) if missing else found[2]

    def value(found: re.Match[str]) -> str:
        what = found[1].strip()
        if what.startswith("table "):
            return tables.TABLES[what.removeprefix("table ")](files)
        if what.startswith("source "):
            return source(files, names_of(what.removeprefix("source ")))
        name, _, rest = what.partition(":")
        key, _, form = rest.rpartition("|")
        return format(files[name]["figures"][key.strip()], form.strip())

    text = re.sub(r"\{\{if ([^}]*)\}\}\n?(.*?)\{\{end\}\}\n?", part, template, flags=re.DOTALL)
    return re.sub(r"\{\{([^}]*)\}\}", value, text)


def pages() -> Iterator[tuple[Path, str]]:
    """Path and text of each page, made from the files."""
    files = read()
    yield PAGE, fill(TEMPLATE.read_text(encoding="utf-8"), files)
    before, _, rest = README.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    yield README, before + MARKS[0] + tables.readme(files) + MARKS[1] + after


def write() -> list[str]:
    """Write the pages whose figures changed; their names."""
    changed = []
    for path, text in pages():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path.relative_to(ROOT).as_posix())
    return changed


# ---------------------------------------------------------------------- the check

#: A number with a decimal point or thousands separators, or with a unit behind it.
UNITS = r"(?:\s*(?:%|ns\b|us\b|ms\b|s\b|GB\b|MB\b|times\b|x\b|microseconds|seconds))"
NUMBER = rf"(?<![\w.,/])(\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d*\.\d+|\d+(?={UNITS}))"
CELL = r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w])"
#: Not figures: code, links, versions of software.
NOT_FIGURES = (
    r"```.*?```", r"`[^`]*`", r"\]\([^)]*\)", r"<[^>]*>",
    r"(?:Python|cfcore|scikit-surprise|implicit|RecTools|LensKit|myFM|version) \d+(?:\.\d+)+",
)  # fmt: skip


def unknown(page: str, files: Files) -> list[str]:
    """Figures of a page that are in none of the files whose commands the same section names.

    A figure is that of a file if it is the value in the file, rounded to the printed digits. In tables every
    number is a figure, except in the first row, in the first column and in cells of text.
    """
    found: list[str] = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE):
        section = section.partition("\n")[2]  # without its title
        named = [file for file in files.values() if f"`{file['command']}`" in section]
        values = [abs(value) for file in named for value in file["figures"].values()]
        found += [text for text in printed(section) if not any(is_rounded(value, text) for value in values)]
    return found


def printed(section: str) -> Iterator[str]:
    """The figures of a section, as they are printed."""
    for pattern in NOT_FIGURES:
        section = re.sub(pattern, " ", section, flags=re.DOTALL)
    lines = section.splitlines()
    for place, line in enumerate(lines):
        if not line.startswith("|"):
            yield from re.findall(NUMBER, line)
        elif place and lines[place - 1].startswith("|"):
            for cell in line.strip("|").split("|")[1:]:
                yield from re.findall(NUMBER if re.search("[A-Za-z]{2}", cell) else CELL, cell)


def is_rounded(value: float, text: str) -> bool:
    """Whether a value, rounded to the digits of a printed figure, is that figure."""
    plain = text.replace(",", "")
    return f"{value:.{len(plain.partition('.')[2])}f}" == plain
