"""The choice of a SIMD level at import."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cfcore import kernels
from cfcore.kernels.common import cpu

PRINT_LEVEL = """
from cfcore import kernels
from cfcore.kernels import svd
print(kernels.simd_level, svd.__name__)
"""


def run_with_simd(level: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CFCORE_SIMD": level}
    command = [sys.executable, "-c", PRINT_LEVEL]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("level", kernels.available_levels())
def test_environment_forces_a_level(level: str) -> None:
    assert run_with_simd(level).stdout.split() == [level, f"cfcore.kernels._svd_{level}"]


def test_best_supported_level_is_the_default() -> None:
    assert run_with_simd("").stdout.split()[0] == kernels.available_levels()[-1]


def test_baseline_is_always_there() -> None:
    assert kernels.available_levels()[0] == "baseline"


def test_unknown_level_is_refused_with_the_known_ones_named() -> None:
    run = run_with_simd("avx1024")
    assert run.returncode != 0
    assert "CFCORE_SIMD=avx1024" in run.stderr
    assert "baseline" in run.stderr


def test_levels_beyond_the_processor_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class OldProcessor:
        simd_level = staticmethod(lambda: 0)

    monkeypatch.setattr(kernels, "cpu", OldProcessor)
    assert kernels.available_levels() == ("baseline",)
    with pytest.raises(ImportError, match="does not support SIMD level 'avx2'"):
        kernels.load_level("factorization.svd", "avx2")


def test_compiled_modules_are_one_per_level_and_kernel() -> None:
    for level in kernels.available_levels():
        for kernel in kernels.LEVELLED:
            assert kernels.load_level(kernel, level).__name__ == f"cfcore.kernels._{kernel}_{level}"


def test_every_kernel_is_an_attribute() -> None:
    for kernel in ("csr", "text", "tokens", "rng", *kernels.LEVELLED):
        assert getattr(kernels, kernel).__doc__
    assert not hasattr(kernels, "nothing")


def test_kernels_without_levels_say_so() -> None:
    with pytest.raises(ImportError, match="no SIMD levels"):
        kernels.load_level("cpu", "baseline")


def test_cpu_reports_build_facts() -> None:
    assert cpu.simd_level() in (0, 1, 2)
    assert cpu.openmp_version() == 0 or cpu.openmp_version() >= 200203
    assert cpu.compiler()
