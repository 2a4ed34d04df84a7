"""The choice of a SIMD level: at import, by the environment, and for a `with` block."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from cfcore import kernels
from cfcore.kernels import LEVELS, available_levels, current_level, simd, svd, use_level
from cfcore.kernels.common import cpu
from cfcore.kernels.records import Factors

PRINT_LEVEL = "from cfcore import kernels; print(kernels.current_level())"


def run_with_simd(level: str, script: str = PRINT_LEVEL) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CFCORE_SIMD": level}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("level", available_levels())
def test_environment_forces_a_level(level: str) -> None:
    run = run_with_simd(f" {level.upper()} ")
    assert run.stdout.split() == [level], run.stderr


@pytest.mark.parametrize("level", available_levels())
def test_only_loops_of_the_level_in_force_are_loaded(level: str) -> None:
    script = (
        "import sys, cfcore.kernels.svd, cfcore.kernels.rbm.predict\n"
        "loops = [name for name in sys.modules if '_loops_' in name]\n"
        "print(*{name.rsplit('_', 1)[1] for name in loops})"
    )
    assert run_with_simd(level, script).stdout.split() == [level]


def test_the_most_capable_level_is_the_default() -> None:
    assert run_with_simd("").stdout.split() == [available_levels()[-1]]


def test_levels_are_in_order_and_one_of_them_is_in_force() -> None:
    assert available_levels() == tuple(level for level in LEVELS if level in available_levels())
    assert current_level() in available_levels()


def test_an_unknown_level_is_refused_and_the_available_ones_are_named() -> None:
    run = run_with_simd("avx1024")
    assert run.returncode != 0
    assert "ImportError: CFCORE_SIMD=avx1024" in run.stderr
    assert ", ".join(available_levels()) in run.stderr
    with (
        pytest.raises(
            ValueError, match=f"'avx1024' is not available; .* are: {', '.join(available_levels())}"
        ),
        use_level("avx1024"),
    ):
        pass


def test_levels_beyond_the_processor_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "simd_level", lambda: 0)
    assert set(available_levels()) <= {"baseline"}
    with pytest.raises(ValueError, match="'avx512' is not available"), use_level("avx512"):
        pass


def test_use_level_switches_and_restores() -> None:
    before = current_level()
    for level in available_levels():
        with use_level(level):
            assert current_level() == level
            with use_level(before):
                assert current_level() == before
            assert current_level() == level
        assert current_level() == before


def test_use_level_restores_after_an_error() -> None:
    before = current_level()
    with pytest.raises(KeyError), use_level(available_levels()[0]):
        raise KeyError
    assert current_level() == before


def test_wrappers_are_given_the_table_of_each_level() -> None:
    found: list[Any] = []
    simd.register("factorization.svd_loops", found.append)
    assert len(found) == 1
    before = found[0]
    for level in available_levels():
        with use_level(level):
            loops = importlib.import_module(f"cfcore.kernels.factorization._svd_loops_{level}")
            assert found[-1] is loops.table
        assert found[-1] is before
    assert len({id(table) for table in found}) == len(available_levels())


def test_levels_give_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.normal(0, 1, (50, 112)).astype(np.float32) for _ in range(2)]
    factors = Factors(*rows, *rng.normal(0, 1, (2, 50)).astype(np.float32), 3.0)
    users, items = rng.integers(-1, 50, (2, 400)).astype(np.int32)
    outs = []
    for level in available_levels():
        outs.append(np.empty(400))
        with use_level(level):
            svd.predict(users, items, factors, outs[-1], 1)
    assert {out.tobytes() for out in outs} == {outs[0].tobytes()}


def test_every_kernel_is_an_attribute_and_a_module_of_its_short_name() -> None:
    for short, full in kernels.KERNELS.items():
        kernel = importlib.import_module(f"cfcore.kernels.{short}")
        assert getattr(kernels, short) is kernel
        assert importlib.import_module(f"cfcore.kernels.{full}") is kernel
        assert kernel.__doc__
    assert not hasattr(kernels, "nothing")


def test_cpu_reports_build_facts() -> None:
    assert cpu.simd_level() in (0, 1, 2)
    assert cpu.openmp_version() == 0 or cpu.openmp_version() >= 200203
    assert cpu.compiler()


def test_a_kernel_is_the_same_module_by_both_names() -> None:
    script = (
        "import cfcore.kernels.svd as short\n"
        "import cfcore.kernels.factorization.svd as full\n"
        "from cfcore import kernels\n"
        "print(short is full is kernels.svd, short.__spec__.name, kernels.neighbors.predict_rows.__name__)"
    )
    run = run_with_simd("baseline", script)
    assert run.stdout.split() == ["True", "cfcore.kernels.factorization.svd", "predict_rows"], run.stderr
