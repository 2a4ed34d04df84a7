"""Validate the docstrings of every public name by numpydoc: `python docs/check_docstrings.py`.

Checked is all that numpydoc knows, except `LEFT_OUT`. A parameter may be documented in a docstring that this
one names ("are those of `fit`"). Exit code 1: a fault.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpydoc.validate import ERROR_MSGS, validate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import cfcore as cf

#: Checks that are left out -> why.
LEFT_OUT = {
    "ES01": "a summary may say all",
    "SA01": "other names are mentioned where they matter",
    "EX01": "examples are in the guide and in the gallery, where they run",
    "RT01": "what properties and methods return may be in their summary",
    "RT02": "results have names where several are returned",
    "RT03": "the type may say all",
    "YD01": "context managers yield nothing",
    "PR03": "inherited parameters come first or last",
    "PR04": "parameters of several names have one type, which numpydoc does not see",
    "PR05": "a type may end in ...",
    "PR07": "the type may say all",
    "PR08": "symbols of papers may be small letters",
    "SS02": "dtypes begin with small letters",
    "SS05": "a noun in the plural is taken for a verb",
}
ROOMS = ("", "datasets", "distributed", "errors", "metrics", "plots", "selection", "sklearn", "split")
#: A docstring that leaves parameters to another.
ELSEWHERE = re.compile(
    r"(?:are|is|has|take|as|see|like|of|in|for)\s+(?:those\s+of\s+|that\s+of\s+|the\s+)?`+\w"
)


def names() -> Iterator[tuple[str, Any]]:
    """Every public function and class, with the public methods and properties of the latter."""
    for room in ROOMS:
        module = getattr(cf, room) if room else cf
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.ismodule(value) or not callable(value):
                continue
            full = f"{value.__module__}.{value.__qualname__}"
            yield full, value
            for member, found in inspect.getmembers(value) if inspect.isclass(value) else ():
                inner = found.fget if isinstance(found, property) else found
                is_own = (getattr(inner, "__module__", "") or "").startswith("cfcore")
                if not member.startswith("_") and is_own and not inspect.isclass(found):
                    yield f"{full}.{member}", inner


def faults() -> Iterator[str]:
    """What numpydoc finds, once for each docstring."""
    seen: set[tuple[str, str]] = set()
    for full, value in dict(names()).items():
        text = inspect.getdoc(value) or ""
        for code, message in validate(full)["errors"]:
            key = (getattr(value, "__qualname__", full), code)
            if code in LEFT_OUT or key in seen or (code == "PR01" and is_elsewhere(text)):
                continue
            seen.add(key)
            yield f"{full}: {code} {message}"


def is_elsewhere(text: str) -> bool:
    """Whether parameters are in another docstring, among the attributes, or in the only line."""
    if "\nAttributes\n---" in text:  # a record, whose attributes are its arguments
        return True
    return bool(ELSEWHERE.search(text)) or ("Parameters\n" not in text and len(text.splitlines()) == 1)


def main() -> None:
    """Print the faults."""
    found = list(faults())
    checks = sorted(set(ERROR_MSGS) - set(LEFT_OUT))
    print(f"{len(dict(names()))} public names, {len(checks)} checks: {', '.join(checks)}")
    for fault in found:
        print(fault)
    if found:
        sys.exit(f"{len(found)} faults")


if __name__ == "__main__":
    main()
