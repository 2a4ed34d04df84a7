"""Check the types that users see: stubs against the compiled modules, typical uses, public names.

    pip install --group lint
    python tests/typing/check.py

stubtest compares each stub (``.pyi``) with its compiled module. pyright checks the stubs, accepts `use.py`
and finds the mistakes in `wrong_use.py`. Of the public names, pyright must know the types of at least
`LEAST`; the others are listed. Exit code 1: something of this fails.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Part of the public names whose types pyright knows.
LEAST = 0.93
#: What compiled modules have and stubs need not name, and what stubs cannot say for every version of Python.
ALLOWED = r"""
.*\.__test__
.*\.__pyx_capi__
.*\.__(reduce|setstate)_cython__
cfcore\.kernels\.common\.mapped\.Mapping
cfcore\.kernels\.common\.mapped\.Mapping\.__buffer__
cfcore\.kernels\.factorization\.timesvdpp\.(DAY|TIME_TERMS)
cfcore\.kernels\.neighbors\.similarity\.MEASURES
"""


def modules_with_stubs() -> list[str]:
    """Names of the compiled modules that have stubs."""
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in stubs()]


def stubs() -> list[Path]:
    """All stubs."""
    return sorted((ROOT / "cfcore").rglob("*.pyi"))


def stubtest() -> bool:
    """Whether stubs agree with the compiled modules."""
    with tempfile.TemporaryDirectory() as folder:
        allowed = Path(folder) / "allowed.txt"
        allowed.write_text(ALLOWED, encoding="utf-8")
        command = [
            sys.executable, "-m", "mypy.stubtest", *modules_with_stubs(), "--concise",
            "--mypy-config-file", "pyproject.toml", "--allowlist", str(allowed), "--ignore-unused-allowlist",
        ]  # fmt: skip
        return run(command).returncode == 0


def pyright(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """pyright with the packages of this interpreter."""
    return run([sys.executable, "-m", "pyright", *arguments], **options)


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout, whose cfcore is checked."""
    folder = Path(sys.executable).parent
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "VIRTUAL_ENV": str(folder.parent), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    }  # fmt: skip
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, text=True, **options)


def public() -> Iterator[str]:
    """Full names of what users call: public classes with their methods and attributes, and functions."""
    sys.path.insert(0, str(ROOT))
    import cfcore as cf

    rooms: list[Any] = [
        cf, cf.datasets, cf.errors, cf.metrics, cf.plots, cf.selection, cf.sklearn, cf.split
    ]  # fmt: skip
    for room in rooms:
        for name in getattr(room, "__all__", ()):
            value = getattr(room, name)
            module = getattr(value, "__module__", "") or ""
            if not module.startswith("cfcore") or not hasattr(value, "__qualname__"):
                continue
            yield f"{module}.{value.__qualname__}"
            for base in value.__mro__ if inspect.isclass(value) else ():
                for member in vars(base) if base.__module__.startswith("cfcore") else ():
                    if not member.startswith("_") or member == "__init__":
                        yield f"{base.__module__}.{base.__qualname__}.{member}"


def known_types() -> bool:
    """Whether pyright knows the types of enough public names; prints the share and the others."""
    found = pyright("--ignoreexternal", "--verifytypes", "cfcore", "--outputjson", stdout=subprocess.PIPE)
    report = json.loads(found.stdout)["typeCompleteness"]
    symbols = {symbol["name"]: symbol for symbol in report["symbols"]}
    names = sorted({name for name in public() if name in symbols})
    unknown = [name for name in names if not symbols[name]["isTypeKnown"] or symbols[name]["isTypeAmbiguous"]]
    share = 1 - len(unknown) / len(names)
    print(f"pyright knows the types of {share:.1%} of {len(names)} public names, without internals")
    print(f"(of all symbols, internal modules included: {report['completenessScore']:.1%})")
    for name in unknown:
        print(f"  not: {name}")
    return share >= LEAST


def main() -> None:
    """Run all checks."""
    checks = {
        "stubtest": stubtest,
        "pyright, stubs": lambda: pyright(*map(str, stubs())).returncode == 0,
        "pyright, use and wrong use": lambda: pyright("--project", str(HERE)).returncode == 0,
        "pyright, public names": known_types,
    }
    failed = []
    for name, check in checks.items():
        print(f"== {name}", flush=True)
        if not check():
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
