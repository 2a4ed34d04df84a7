"""Imports go down the floors of the house, and functions and files have a size that can be read."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.source import DECLARED, PACKAGE, ROOT, SOURCES, Source, sources

#: Lowest floor first. A module may import from its own floor and from those below it. A room is named by the
#: beginning of its modules' names; the longest that fits counts.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "random", "progress", "arrays", "atomic", "html", "kernels.records"),
    ("kernels", "reference"),
    ("threads", "backends", "memory"),
    ("tensor_file", "codec"),
    ("data",),
    ("metrics",),
    ("models.recommend",),
    ("models.core",),
    ("models.factorization", "models.neighbors"),
    ("models.basic", "models.rbm", "models.lists"),
    ("ensemble",),
    ("registry",),
    ("persist",),
    ("selection",),
    ("adapters", "config", "plots", "report", "sklearn", "compare", "distributed", "surprise", "lenskit"),
    ("cli", "__main__"),
)
FLOOR_OF = {f"cfcore.{room}": floor for floor, rooms in enumerate(FLOORS) for room in rooms}
#: Packages of rooms on several floors, which hold nothing of their own.
SHARED = {"cfcore.models"}
#: The public names: it is imported first, and imports nothing but errors and the registry, which only names.
ROOM_OF_NAMES = "cfcore"

MOST_ARGUMENTS = 8
MOST_LINES = {".py": 400, ".pyi": 400, ".h": 400, ".pyx": 300, ".pxd": 300}


def room_of(module: str) -> str | None:
    """The room that a module belongs to; None for the public names."""
    parts = module.split(".")
    for length in range(len(parts), 1, -1):
        if ".".join(parts[:length]) in FLOOR_OF:
            return ".".join(parts[:length])
    return None


def floor_of(module: str) -> int:
    """The floor of a module's room."""
    room = room_of(module)
    assert room is not None, f"{module}: say in FLOORS on which floor it is"
    return FLOOR_OF[room]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.where)
def test_imports_go_down(source: Source) -> None:
    if source.module in {ROOM_OF_NAMES, *SHARED}:
        return
    own = floor_of(source.module)
    for found in source.imports:
        if found.module in {ROOM_OF_NAMES, *SHARED}:
            continue  # names looked up in cfcore are modules of their own here
        assert floor_of(found.module) <= own, (
            f"{source.where}:{found.line} names {found.module}, which is above it"
        )


def test_the_public_names_import_only_errors_and_the_registry() -> None:
    at_once = {found.module for source in SOURCES if source.module == ROOM_OF_NAMES
               for found in source.imports if found.at_once}  # fmt: skip
    assert at_once == {"cfcore.errors", "cfcore.registry"}
    for package in SHARED:
        (source,) = [one for one in SOURCES if one.module == package]
        assert not source.imports


def test_no_import_cycle() -> None:
    """Importing any module never comes back to it; declarations (.pxd) count apart from their modules."""
    graph: dict[str, set[str]] = {source.node: set() for source in SOURCES}
    for source in SOURCES:
        for found in source.imports:
            if not found.at_once or found.module == source.module:
                continue
            if f"{found.module}{DECLARED}" in graph and source.path.suffix != ".py":
                graph[source.node].add(f"{found.module}{DECLARED}")
                continue
            # A package is run before its modules, unless the importer is inside.
            parts = found.module.split(".")
            for length in range(2, len(parts) + 1):
                name = ".".join(parts[:length])
                if name in graph and not f"{source.module}.".startswith(f"{name}."):
                    graph[source.node].add(name)
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_kernels_and_their_twins_share_nothing_but_records() -> None:
    for source in SOURCES:
        room = source.module.split(".")[1:2]
        other = {"kernels": "cfcore.reference", "reference": "cfcore.kernels"}.get("".join(room))
        for found in source.imports:
            if other is not None and f"{found.module}.".startswith(f"{other}."):
                assert f"{found.module}.".startswith("cfcore.kernels.records."), (
                    f"{source.where}:{found.line}"
                )


def test_top_floors_are_imported_by_nothing_below() -> None:
    """Adapters and plots know each other as little as the rooms below know them."""
    top = [f"cfcore.{room}" for room in FLOORS[-2]]
    for source in SOURCES:
        for found in source.imports:
            room = room_of(found.module)
            if room in top and source.module != ROOM_OF_NAMES:
                own = room_of(source.module)
                allowed = own in (room, "cfcore.cli") or (own, room) in (
                    ("cfcore.compare", "cfcore.plots"),
                    ("cfcore.report", "cfcore.plots"),  # groups of ratings and intervals
                    ("cfcore.surprise", "cfcore.adapters"),  # the names that people import from
                    ("cfcore.lenskit", "cfcore.adapters"),
                    ("cfcore.sklearn", "cfcore.adapters"),
                )
                assert allowed, f"{source.where}:{found.line} imports {found.module}"


# ---------------------------------------------------------------------- sizes


def test_functions_of_kernels_and_twins_have_few_arguments() -> None:
    many = [
        f"{source.where}:{line} {name} has {arguments}"
        for room in ("kernels", "reference")
        for source in sources(".py", ".pyi", ".pyx", ".pxd", under=PACKAGE / room)
        for name, line, arguments in source.functions()
        if arguments > MOST_ARGUMENTS
    ]
    assert not many, "\n".join(many)


def test_files_are_short() -> None:
    long = []
    for folder in (PACKAGE, ROOT / "tests", ROOT / "benchmarks"):
        for path in sorted(folder.rglob("*")):
            if path.suffix in MOST_LINES and "build" not in path.parts:
                lines = len(path.read_text(encoding="utf-8").splitlines())
                if lines > MOST_LINES[path.suffix]:
                    long.append(f"{path.relative_to(folder.parent)} has {lines} lines")
    assert not long, "\n".join(long)


# ---------------------------------------------------------------------- models and tests


def attributes(source: Source) -> list[ast.Attribute]:
    """All attributes that a file of Python reads or writes."""
    return [node for node in ast.walk(source.tree) if isinstance(node, ast.Attribute)]


def test_models_keep_no_cache() -> None:
    """What can be derived is a cached property of the frozen state."""
    for room in ("models", "ensemble"):
        for source in sources(".py", under=PACKAGE / room):
            found = [node.lineno for node in attributes(source) if node.attr == "_cache"]
            assert not found, f"{source.where}: lines {found}"


def test_tests_of_kernels_know_no_models() -> None:
    folder = ROOT / "tests" / "kernels"
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for room in ("cfcore.models", "cfcore.ensemble", "import cfcore as cf"):
            assert room not in text, f"{path.relative_to(ROOT)} imports {room}"


def test_tests_read_no_private_attributes() -> None:
    """Tests ask the public interface; a class may use what is its own."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls", "super()"):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".setattr"):
                names = ast.unparse(node.args[0]).strip("'").split(".")  # a name to be patched
            if any(name.startswith("_") and not name.startswith("__") for name in names):
                found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    assert not found, "\n".join(found)


# ---------------------------------------------------------------------- the checks themselves


def named(where: str) -> set[tuple[str, bool]]:
    """Modules that a file names, and whether they are imported at once."""
    return {(found.module, found.at_once) for found in Source(PACKAGE / where).imports}


def test_the_walk_sees_nested_imports_and_strings() -> None:
    assert ("cfcore.kernels.common.cpu", False) in named("config.py")  # inside a function
    assert ("cfcore.models.basic.mean", False) in named("registry.py")  # a string
    assert ("cfcore.ensemble.weights", True) in named("ensemble/blend.py")
    assert ("cfcore.ensemble.members", True) in named("ensemble/blend.py")  # from a package import a module
    assert ("cfcore.data.ratings", False) in named("compare.py")  # cf.Ratings
    assert ("cfcore.kernels.common.threads", True) in named("kernels/factorization/baseline.pyx")  # cimport


CYTHON = '''
cdef extern from "x.h":
    float fast_dot(const float *a, const float *b, int n) noexcept nogil
    void pause() noexcept nogil


ctypedef void (*Loop)(int a, int (*inner)(int b, int c)) noexcept nogil


cdef struct Table:
    void (*train)(int a, int b,
                  int c, int d) noexcept nogil


cdef inline double total(  # a comment, with commas (and parentheses)
    const double[::1] x, int n, tuple pair=(1, 2),
) except? -1:
    """Sum, of x (all of it)."""
    if check(x, n, pair, 4, 5):
        return other(1, 2, 3)
    for k in range(0, n, 2):
        pass


def fit(a, *, int b=f(1, 2)):
    value = call(a, b, 3)
'''


def test_the_count_of_arguments(tmp_path: Path) -> None:
    path = tmp_path / "x.pyx"
    path.write_text(CYTHON)
    found = {name: arguments for name, _, arguments in Source(path).functions()}
    assert found == {"fast_dot": 3, "pause": 0, "Loop": 2, "inner": 2, "train": 4, "total": 3, "fit": 2}
    path = tmp_path / "x.py"
    path.write_text("class A:\n    def f(self, a, /, b=1, *c, d, **e): ...\n\n\ndef g(): ...\n")
    assert sorted(Source(path).functions()) == [("f", 2, 4), ("g", 5, 0)]


def test_import_is_light() -> None:
    """`import cfcore` imports neither SciPy nor a data frame library nor tqdm."""
    program = "import sys, cfcore; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(loaded.stdout.split())
    assert "cfcore" in modules
    assert not modules & {"scipy", "tqdm", "narwhals", "pandas", "polars", "pyarrow", "safetensors", "typer"}
