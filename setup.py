"""Compiles cfcore/kernels/*/*.pyx; everything else about the project is in pyproject.toml.

Environment variables
---------------------
CFCORE_DEBUG=1      bounds and wraparound checks, assertions, -O1 -g
CFCORE_LINES=1      the release with line numbers, for profilers
CFCORE_NO_OPENMP=1  build as if the compiler had no OpenMP
CFCORE_KERNELS      comma-separated kernels to build (while developing one): factorization.svd,...
CFCORE_LEVELS       comma-separated SIMD levels to build (default: all the target can have)
"""

from __future__ import annotations

import os
import platform
import re
import runpy
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
os.chdir(ROOT)
KERNELS = Path("cfcore/kernels")
LEVEL_INFO = runpy.run_path(str(KERNELS / "levels.py"))
DEBUG = os.environ.get("CFCORE_DEBUG", "0") not in ("", "0")
LINES = os.environ.get("CFCORE_LINES", "0") not in ("", "0")
FLAVOUR = "debug" if DEBUG else "lines" if LINES else "release"
GENERATED = Path("build") / f"cython-{FLAVOUR}"

DIRECTIVES = {
    "language_level": 3,
    "embedsignature": True,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "freethreading_compatible": True,
}

# -ffp-contract=off: a fused multiply-add on one level and not on another would give other bits.
GNU_FLAGS = ["-O1", "-g"] if DEBUG else ["-O3", "-g" if LINES else "-g0"]
GNU_FLAGS += ["-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
# The symbols of a release are needed by profilers only: they are a tenth of an extension module.
GNU_LINK_FLAGS = ["-s"] if FLAVOUR == "release" and sys.platform == "linux" else []
# Cython's generated C is full of these.
GNU_FLAGS += ["-Wno-unused-function", "-Wno-unused-variable", "-Wno-unused-but-set-variable"]
GNU_FLAGS += ["-Wno-maybe-uninitialized", "-Wno-unreachable-code"]
GNU_LEVELS = {
    "baseline": [],
    "avx2": ["-march=x86-64-v3", "-mtune=generic"],
    "avx512": ["-march=x86-64-v4", "-mtune=generic", "-mprefer-vector-width=512"],
}
MSVC_FLAGS = ["/Od", "/Zi"] if DEBUG else ["/O2"]
MSVC_FLAGS += ["/fp:precise"]
MSVC_LEVELS = {"baseline": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]}

OPENMP_PROGRAM = """
#include <omp.h>
int main(void) { int n = 0;
#pragma omp parallel reduction(+:n)
  n += 1;
  return n < 1 || omp_get_max_threads() < 1; }
"""


def target_is_x86_64() -> bool:
    """True if the extension modules are for x86-64 (and for nothing else: not a universal2 build)."""
    if sys.platform == "darwin":
        flags = os.environ.get("ARCHFLAGS", "") or sysconfig.get_platform()
        return "x86_64" in flags and "arm64" not in flags and "universal" not in flags
    return platform.machine().lower() in ("x86_64", "amd64") and sys.maxsize > 2**32


def wanted(variable: str, everything: list[str]) -> list[str]:
    chosen = [name for name in os.environ.get(variable, "").split(",") if name]
    unknown = sorted(set(chosen) - set(everything))
    if unknown:
        raise SystemExit(f"{variable}: {', '.join(unknown)} not among {', '.join(everything)}")
    return chosen or everything


def extension(kernel: str, source: Path) -> Extension:
    # Assertions in a .pyx cost a branch in a hot loop: only the debug build keeps them.
    macros = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")]
    macros += [("CFCORE_DEBUG", "1")] if DEBUG else [("CYTHON_WITHOUT_ASSERTIONS", "1")]
    return Extension(
        f"cfcore.kernels.{kernel}",
        [str(source)],
        include_dirs=[str(KERNELS), np.get_include()],
        define_macros=macros,
        depends=headers_of(source, set()),
    )


INCLUDED = re.compile(
    r"^\s*(?:from\s+(cfcore\.kernels\.[\w.]+)\s+cimport"
    r"|cdef extern from \"([\w/]+\.h)\"|#include \"([\w/.]+)\")",
    re.MULTILINE,
)


def headers_of(source: Path, seen: set[Path]) -> list[str]:
    """The .pxd and .h files that a source is made of, so that editing one builds no more than it must."""
    for module, header, included in INCLUDED.findall(source.read_text(encoding="utf-8")):
        if module:
            path = Path(*module.split(".")).with_suffix(".pxd")
        else:
            path = KERNELS / header if header else source.parent / included
        if path.exists() and path not in seen:
            seen.add(path)
            headers_of(path, seen)
    return sorted(map(str, seen))


def level_of(ext: Extension) -> str:
    """SIMD level that an extension module's name ends in (cythonize keeps nothing but the name)."""
    suffix = ext.name.rsplit("_", 1)[-1]
    return suffix if "._" in ext.name and suffix in GNU_LEVELS else "baseline"


def effort(ext: Extension) -> tuple[bool, int]:
    """By which extension modules can be ordered by the time that their compilation takes.

    Loops before wrappers, whose C is long but simple; then by the bytes of headers and .pxd files.
    """
    return "_loops_" in ext.name, sum(Path(path).stat().st_size for path in ext.depends)


def extensions() -> list[Extension]:
    """One Extension per kernel, and for loops one per level, whose source is a copy under its own name."""
    levels = wanted("CFCORE_LEVELS", list(LEVEL_INFO["LEVELS"])) if target_is_x86_64() else ["baseline"]
    sources = {
        ".".join(path.relative_to(KERNELS).with_suffix("").parts): path
        for path in sorted(KERNELS.rglob("*.pyx"))
    }
    found = []
    for kernel in wanted("CFCORE_KERNELS", list(sources)):
        source = sources[kernel]
        if not LEVEL_INFO["is_levelled"](kernel):
            found.append(extension(kernel, source))
            continue
        for level in levels:
            module = LEVEL_INFO["module_name"](kernel, level)
            copy = Path("build") / "levels" / (module.replace(".", "/") + ".pyx")
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not copy.exists() or copy.read_bytes() != source.read_bytes():
                shutil.copyfile(source, copy)
            found.append(extension(module, copy))
    return found


class BuildExt(build_ext):
    """Adds the flags of each SIMD level and of OpenMP, and compiles on every core."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count() or 1

    def build_extensions(self) -> None:
        msvc = self.compiler.compiler_type == "msvc"
        compile_openmp, link_openmp = self.openmp_flags(msvc)
        for ext in self.extensions:
            levels = MSVC_LEVELS if msvc else GNU_LEVELS
            ext.extra_compile_args = (
                (MSVC_FLAGS if msvc else GNU_FLAGS) + levels[level_of(ext)] + compile_openmp
            )
            ext.extra_link_args = link_openmp + ([] if msvc else GNU_LINK_FLAGS)
        # The longest compilations first: a long one that begins last keeps one core busy and the others idle.
        self.extensions.sort(key=effort, reverse=True)
        # Time stamps do not tell a debug object file from a release one. The note of what was built comes
        # last, so that what an interrupted build left behind is built again.
        stamp = Path(self.build_temp) / "flavour"
        flavour = f"{FLAVOUR} openmp={bool(compile_openmp)}"
        if not stamp.exists() or stamp.read_text() != flavour:
            self.force = True
            stamp.unlink(missing_ok=True)
        super().build_extensions()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(flavour)

    def openmp_flags(self, msvc: bool) -> tuple[list[str], list[str]]:
        """Flags that compile and link an OpenMP program here, or none at all."""
        if os.environ.get("CFCORE_NO_OPENMP", "0") not in ("", "0"):
            return [], []
        candidates = [(["/openmp"], [])] if msvc else [(["-fopenmp"], ["-fopenmp"])]
        if sys.platform == "darwin":
            candidates = [(["-Xpreprocessor", "-fopenmp"], ["-lomp"])]
        for compile_args, link_args in candidates:
            if self.compiles(compile_args, link_args):
                return compile_args, link_args
        print("cfcore: the compiler has no OpenMP; kernels will run on one thread", file=sys.stderr)
        return [], []

    def compiles(self, compile_args: list[str], link_args: list[str]) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "openmp.c"
            program.write_text(OPENMP_PROGRAM)
            try:
                objects = self.compiler.compile(
                    [str(program)], output_dir=folder, extra_postargs=compile_args
                )
                executable = str(Path(folder) / "openmp")
                self.compiler.link_executable(objects, executable, extra_postargs=link_args)
            # setuptools has moved its compiler errors more than once; any failure means "no OpenMP".
            except Exception:
                return False
        return True


COMPILING = ("build", "bdist", "install", "develop", "editable")
BUILDING = any(command.startswith(COMPILING) for command in sys.argv)

# Guarded, because cythonize's worker processes import this file where processes are spawned, not forked.
if __name__ == "__main__":
    setup(
        ext_modules=cythonize(
            extensions(),
            build_dir=str(GENERATED),
            compiler_directives=DIRECTIVES,
            emit_linenums=LINES,
            nthreads=os.cpu_count() if BUILDING and sys.platform != "win32" else 0,
        )
        if BUILDING
        else [],
        cmdclass={"build_ext": BuildExt},
    )
