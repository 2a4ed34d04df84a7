"""Tests and hostile inputs on a build that checks itself.

``python tests/fuzz/sanitize.py address,undefined``

Copies the checkout to a temporary folder, builds the kernels there with CFCORE_SANITIZE, and runs tests of
kernels, files and the harness on them. ``thread`` needs clang, libomp and its tool archer, without which
every barrier of OpenMP would look like a data race. Exit code 1: a test failed or a sanitizer reported.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: What runs on all builds; names of tests that take minutes on such a build are left out.
TESTS = ["tests/kernels", "tests/test_codec.py", "tests/test_persist.py", "tests/contracts/test_files.py"]
PARALLEL = [
    "tests/kernels", "tests/contracts/test_threads.py", "tests/contracts/test_thread_counts.py",
    "tests/test_threads.py",
]  # fmt: skip
#: Targets of hostile input: all, or those that load no libraries with allocators of their own, as polars.
TARGETS = {"thread": ["kernels", "text", "model-files", "sealed-models", "checkpoints"]}
#: Files of reports, and characters of each, that are printed.
MOST_SHOWN, MOST_TEXT = 5, 6000


def first_of(*names: str) -> str:
    """The first of these commands that there is."""
    for name in names:
        if shutil.which(name):
            return name
    raise SystemExit(f"sanitize: none of {', '.join(names)} is installed")


def clang() -> str:
    versions = [f"clang-{version}" for version in range(25, 13, -1)]
    return first_of("clang", *versions)


def runtime(compiler: str, library: str) -> str:
    """Path of a library of the compiler's."""
    path = subprocess.check_output([compiler, f"-print-file-name={library}"], text=True).strip()
    if not os.path.isabs(path):
        raise SystemExit(f"sanitize: {compiler} has no {library}")
    return path


def archer(compiler: str) -> str:
    """libarcher.so of the same version as the compiler."""
    version = re.search(r"version (\d+)", subprocess.check_output([compiler, "--version"], text=True))
    assert version is not None
    places = [
        Path(f"/usr/lib/llvm-{version.group(1)}/lib/libarcher.so"),
        Path(runtime(compiler, "libarcher.so")),
    ]
    for place in places:
        if place.exists():
            return str(place)
    raise SystemExit("sanitize: libarcher.so is missing; it comes with libomp")


def environment(kind: str, folder: Path, reports: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Variables for the build and for the tests."""
    built = {**os.environ, "CFCORE_SANITIZE": kind}
    run = {**os.environ, "PYTHONPATH": str(folder), "PYTHONMALLOC": "malloc", "OMP_NUM_THREADS": "4"}
    cache = "ccache " if shutil.which("ccache") else ""
    if kind == "thread":
        compiler = clang()
        built |= {"CC": f"{cache}{compiler}", "LDSHARED": f"{compiler} -shared", "CXX": compiler}
        # No suppressions: what is not compiled with the sanitizer (the interpreter, NumPy, libomp) is not
        # checked, but its locks count, which a suppression of calls from there would hide.
        options = f"ignore_noninstrumented_modules=1:exitcode=66:log_path={reports}/report"
        run |= {"TSAN_OPTIONS": options, "OMP_TOOL_LIBRARIES": archer(compiler)}
        run |= {"LD_PRELOAD": runtime(compiler, "libclang_rt.tsan-x86_64.so")}
    else:
        compiler = first_of("gcc", "cc")
        built |= {"CC": f"{cache}{compiler}"}
        run |= {
            "ASAN_OPTIONS": f"detect_leaks=0:abort_on_error=1:log_path={reports}/report",
            "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={reports}/report",
        }
        checks = {"address": "libasan.so", "undefined": "libubsan.so"}
        libraries = [library for check, library in checks.items() if check in kind]
        # libstdc++ too: the runtime looks up the functions that throw when it starts.
        run |= {"LD_PRELOAD": " ".join(runtime(compiler, name) for name in (*libraries, "libstdc++.so"))}
    return built, run


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", help="address,undefined | address | undefined | thread")
    parser.add_argument("--inputs", type=int, default=100_000, help="hostile inputs after the tests")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="build here, and keep it; default: a temporary folder")
    parser.add_argument("tests", nargs="*", help="tests to run; default: of kernels and files, or of threads")
    options = parser.parse_intermixed_args(argv)
    with tempfile.TemporaryDirectory(prefix="cfcore-sanitize-") as temporary:
        folder = options.folder or Path(temporary)
        left_out = shutil.ignore_patterns(
            ".git", "build", "*.so", ".venv", "__pycache__", ".*_cache", "*.egg-info"
        )
        shutil.copytree(ROOT, folder, ignore=left_out, dirs_exist_ok=True)
        reports = folder / "reports"  # in files, because tests capture what a process prints
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir()
        built, run = environment(options.kind, folder, reports)
        subprocess.run(
            [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=folder, env=built, check=True
        )
        tests = options.tests or (PARALLEL if options.kind == "thread" else TESTS)
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "3000", *tests]
        codes = [subprocess.run(pytest, cwd=folder, env=run).returncode]
        if options.inputs:
            fuzz = [
                "tests/fuzz/run.py",
                "--inputs",
                options.inputs,
                "--jobs",
                options.jobs,
                "--engine",
                "seeded",
            ]
            fuzz += ["--timeout", 120]
            for target in TARGETS.get(options.kind, ()):
                fuzz += ["--target", target]
            codes.append(subprocess.run([sys.executable, *map(str, fuzz)], cwd=folder, env=run).returncode)
        found = [path.read_text(errors="replace") for path in sorted(reports.iterdir())]
    for text in found[:MOST_SHOWN]:
        print(text[:MOST_TEXT])
    print(
        f"sanitize {options.kind}: exit codes of tests and of hostile inputs: {codes}; {len(found)} reports"
    )
    return int(any(codes) or bool(found))


if __name__ == "__main__":
    sys.exit(main())
