"""The source files of cfcore: modules, what they import, and the functions that they define."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cfcore

PACKAGE = Path(cfcore.__file__).parent
#: The folder that these tests are in; the package may be installed elsewhere.
ROOT = Path(__file__).parents[1]

#: Marks the declarations of a Cython module, which it has besides itself.
DECLARED = " (pxd)"


@dataclass(frozen=True)
class Import:
    """A module that a file names, and whether its own import brings it in."""

    module: str
    line: int
    #: False inside a function, under TYPE_CHECKING, and for a string that names a module.
    at_once: bool


@dataclass(frozen=True)
class Source:
    """A file of the package: .py, or .pyx and .pxd, which are read line by line."""

    path: Path

    @property
    def where(self) -> str:
        """The path below the package."""
        return str(self.path.relative_to(PACKAGE))

    @property
    def module(self) -> str:
        """Dotted name; that of the package for its __init__.py."""
        parts = ["cfcore", *self.path.relative_to(PACKAGE).with_suffix("").parts]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def node(self) -> str:
        """The name, marked if these are declarations."""
        return self.module + DECLARED * (self.path.suffix == ".pxd")

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Of Python."""
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> list[Import]:
        """Modules of cfcore that the file names: at its top, in functions, and in strings."""
        if self.path.suffix == ".py":
            return [*self._of_python(self.tree, True), *self._of_root()]
        return list(self._of_cython())

    def _of_python(self, node: ast.AST, at_once: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield from _known(alias.name, child.lineno, at_once)
            elif isinstance(child, ast.ImportFrom):
                for alias in child.names:
                    whole = f"{self._origin(child)}.{alias.name}"
                    name = whole if whole in MODULES else self._origin(child)
                    yield from _known(name, child.lineno, at_once)
            elif isinstance(child, ast.Constant) and isinstance(child.value, str):
                yield from _known(child.value, child.lineno, False)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                yield from self._of_python(child, False)
            else:
                function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                yield from self._of_python(child, at_once and not function)

    def _origin(self, node: ast.ImportFrom) -> str:
        package = ["cfcore", *self.path.relative_to(PACKAGE).parts[:-1]]
        base = package[: len(package) - node.level + 1] if node.level else []
        return ".".join([*base, *([node.module] if node.module else [])])

    def _of_root(self) -> Iterator[Import]:
        """Modules of the names that are looked up in cfcore itself, such as ``cf.SVD``."""
        aliases = {
            alias.asname or alias.name
            for node in ast.walk(self.tree) if isinstance(node, ast.Import)
            for alias in node.names if alias.name == "cfcore"
        }  # fmt: skip
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in aliases
            ):
                found = getattr(cfcore, node.attr, None)
                origin = getattr(found, "__module__", None) or getattr(found, "__name__", None)
                yield from _known(str(origin), node.lineno, False)

    def _of_cython(self) -> Iterator[Import]:
        statement = re.compile(r"^\s*(?:from\s+(cfcore[\w.]*)\s+c?import|c?import\s+(cfcore[\w.]*))")
        for line, text in enumerate(self.text.splitlines(), start=1):
            if match := statement.match(text):
                yield from _known(match[1] or match[2], line, not text[0].isspace())

    def functions(self) -> Iterator[tuple[str, int, int]]:
        """Name, line and number of arguments of each function that the file defines or declares."""
        if self.path.suffix in (".py", ".pyi"):
            for node in ast.walk(self.tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    given = node.args
                    yield node.name, node.lineno, len(given.posonlyargs + given.args + given.kwonlyargs)
            return
        text = re.sub(r"#[^\n]*", "", re.sub(r'"""(?s:.*?)"""', lambda m: "\n" * m[0].count("\n"), self.text))
        # A definition or declaration: def, cdef or a C declaration, or a pointer to a function.
        head = re.compile(
            r"^[ \t]*(?!return\b|if\b|while\b|for\b|elif\b)(?:[\w\[\]., ]+[ *])?\*?(\w+)\(", re.MULTILINE
        )
        pointer = re.compile(r"\(\s*\*\s*(\w+)\s*\)\s*\(")
        for pattern in (head, pointer):
            for match in pattern.finditer(text):
                arguments, after = _arguments(text, match.end())
                definition = match[0].split()[0] in ("def", "cdef", "cpdef", "ctypedef", "inline")
                if definition or pattern is pointer or re.match(r"\s*(noexcept|nogil|except)", after):
                    yield match[1], text.count("\n", 0, match.start(1)) + 1, arguments


def _arguments(text: str, begin: int) -> tuple[int, str]:
    """Number of arguments in the parentheses that open before `begin`, and what follows them."""
    depth, arguments = 1, [""]
    for at in range(begin, len(text)):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if depth == 0:
            named = [argument for argument in arguments if argument.strip() not in ("", "*", "/", "void")]
            return len(named), text[at + 1 : at + 40]
        if depth == 1 and text[at] == ",":
            arguments.append("")
        else:
            arguments[-1] += text[at]
    return 0, ""


def _known(name: str, line: int, at_once: bool) -> Iterator[Import]:
    if name in MODULES or name == "cfcore":
        yield Import(name, line, at_once)


def sources(*suffixes: str, under: Path = PACKAGE) -> list[Source]:
    """Files of the package, or of a folder, with one of the endings."""
    return [Source(path) for path in sorted(under.rglob("*")) if path.suffix in suffixes]


SOURCES = sources(".py", ".pyx", ".pxd")
MODULES = {source.module for source in SOURCES}
