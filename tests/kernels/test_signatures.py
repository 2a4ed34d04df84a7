"""A kernel, its stub and its twin have the same functions with the same arguments in the same order."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from cfcore import kernels, reference

KERNELS = Path(kernels.__file__).parent
STUBS = {".".join(path.relative_to(KERNELS).with_suffix("").parts): path for path in KERNELS.rglob("*.pyi")}
TWINS = {
    ".".join(path.relative_to(Path(reference.__file__).parent).with_suffix("").parts)
    for path in Path(reference.__file__).parent.rglob("*.py")
    if path.name not in ("__init__.py", "checks.py")
}


def functions(module: ModuleType) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(function).parameters)
        for name, function in vars(module).items()
        if not name.startswith("_")
        and inspect.isroutine(function)
        and getattr(function, "__module__", module.__name__) == module.__name__
    }


@pytest.mark.parametrize("kernel", sorted(STUBS))
def test_signatures_agree(kernel: str) -> None:
    compiled = functions(importlib.import_module(f"cfcore.kernels.{kernel}"))
    tree = ast.parse(STUBS[kernel].read_text(encoding="utf-8"))
    stubs = {
        node.name: [argument.arg for argument in node.args.args]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    assert stubs == compiled
    assert all(len(arguments) <= 8 for arguments in compiled.values())
    if kernel in TWINS:
        twin = functions(importlib.import_module(f"cfcore.reference.{kernel}"))
        assert {name: twin.get(name) for name in compiled} == compiled


def test_every_kernel_has_a_stub_and_a_twin() -> None:
    alone = {"common.cpu", "common.mapped"}  # they ask the processor, and the system for memory
    sources = {".".join(path.relative_to(KERNELS).with_suffix("").parts) for path in KERNELS.rglob("*.pyx")}
    wrappers = {source for source in sources if not source.endswith("_loops")}
    assert set(STUBS) == wrappers
    # The kernels of adapters are beside these, with names that begin with an underscore.
    adapters = KERNELS.parent / "adapters"
    of_adapters = {
        twin
        for twin in TWINS - wrappers
        if (adapters / twin.replace(".", "/_")).with_suffix(".pyx").is_file()
    }
    assert wrappers - alone == TWINS - of_adapters
    assert {name for name in kernels.KERNELS.values() if not (KERNELS / name).is_dir()} <= TWINS
