"""Imports only go down the floors of the house."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cfcore

PACKAGE = Path(cfcore.__file__).parent

# Lowest floor first. A module may import from its own floor and from those below it.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("kernels", "reference"),
    ("errors", "threads", "random", "progress", "backends"),
    ("pairs",),
    ("data", "codec"),
    ("metrics",),
    ("models",),
    ("selection", "persist"),
    ("ensemble",),
    ("distributed", "plots", "sklearn", "config", "compare", "cli", "__main__"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(module: str) -> str | None:
    """First name below ``cfcore`` in a dotted module name; None for other packages and for cfcore."""
    parts = module.split(".")
    return parts[1] if parts[0] == "cfcore" and len(parts) > 1 else None


def imported_modules(path: Path) -> set[str]:
    """Dotted names of everything that a file imports, at its top or inside functions."""
    package = ["cfcore", *path.relative_to(PACKAGE).parts[:-1]]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names.add(origin)
            names.update(f"{origin}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    relative = path.relative_to(PACKAGE)
    room = relative.parts[0].removesuffix(".py")
    assert room in FLOOR_OF, f"{relative}: say in FLOORS on which floor {room} lives"
    for name in imported_modules(path):
        target = room_of(name)
        if target is not None and target in FLOOR_OF:
            assert FLOOR_OF[target] <= FLOOR_OF[room], f"{relative} imports {name}, which is above it"


def test_kernels_and_their_twins_do_not_know_each_other() -> None:
    for path in MODULES:
        room = path.relative_to(PACKAGE).parts[0]
        other = {"kernels": "reference", "reference": "kernels"}.get(room)
        if other is not None:
            assert other not in {room_of(name) for name in imported_modules(path)}, path


def test_the_walk_sees_relative_and_nested_imports() -> None:
    found = imported_modules(PACKAGE / "config.py")
    assert "cfcore.kernels.common.cpu" in found  # imported inside a function


def test_import_is_light() -> None:
    """`import cfcore` must not drag in SciPy, a data frame library or tqdm."""
    import subprocess
    import sys

    program = "import sys, cfcore; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(loaded.stdout.split())
    assert "cfcore" in modules
    assert not modules & {"scipy", "tqdm", "narwhals", "pandas", "polars", "pyarrow", "safetensors", "typer"}
