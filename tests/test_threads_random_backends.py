"""Threads, random states and backends, which every model uses."""

from __future__ import annotations

import numpy as np
import pytest

import cfcore as cf
from cfcore import backends
from cfcore.random import generator, seed64
from cfcore.threads import available_cores, resolve_threads


def test_threads_default_to_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CFCORE_NUM_THREADS", raising=False)
    assert resolve_threads(None) == available_cores()
    monkeypatch.setenv("CFCORE_NUM_THREADS", "3")
    assert resolve_threads(None) == 3
    assert resolve_threads(2) == 2


@pytest.mark.parametrize("bad", [0, -1, 1.5, "two", True])
def test_bad_thread_counts_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="n_threads must be an integer of at least 1"):
        resolve_threads(bad)  # type: ignore[arg-type]


def test_more_threads_than_can_be_started_are_refused() -> None:
    with pytest.raises(ValueError, match="n_threads must be at most 1024, got 40000"):
        resolve_threads(40_000)


def test_bad_thread_count_in_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFCORE_NUM_THREADS", "many")
    with pytest.raises(ValueError, match="CFCORE_NUM_THREADS"):
        resolve_threads(None)


def test_same_seed_same_numbers() -> None:
    sequence = np.random.SeedSequence(7)
    for state in (7, np.int64(7), sequence):
        assert seed64(generator(state)) == seed64(generator(7))
    sequence.spawn(3)
    assert seed64(generator(sequence)) == seed64(generator(7))


def test_a_generator_is_used_as_it_is() -> None:
    rng = np.random.default_rng(3)
    assert generator(rng) is rng


@pytest.mark.parametrize("bad", [-1, 1.5, "seed", True])
def test_bad_random_states_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="random_state"):
        generator(bad)  # type: ignore[arg-type]


def test_backend_is_chosen_by_block_and_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CFCORE_BACKEND", raising=False)
    assert backends.current_backend() == "compiled"
    with cf.backend("reference"):
        assert backends.kernel("factorization.svd").__name__ == "cfcore.reference.factorization.svd"
        with cf.backend("compiled"):
            assert backends.kernel("factorization.svd").__name__.startswith("cfcore.kernels.")
        assert backends.current_backend() == "reference"
    monkeypatch.setenv("CFCORE_BACKEND", "reference")
    assert backends.current_backend() == "reference"


def test_backend_is_restored_after_an_error() -> None:
    before = backends.current_backend()
    with pytest.raises(RuntimeError), cf.backend("reference"):
        raise RuntimeError
    assert backends.current_backend() == before


def test_unknown_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="unknown backend 'cuda'"), cf.backend("cuda"):
        pass
    monkeypatch.setenv("CFCORE_BACKEND", "cuda")
    with pytest.raises(ValueError, match="CFCORE_BACKEND"):
        backends.current_backend()


def test_show_config_prints_the_facts_for_a_bug_report(capsys: pytest.CaptureFixture[str]) -> None:
    cf.show_config()
    printed = capsys.readouterr().out
    for word in ("cfcore", "compiler", "openmp", "simd_level", "threads", "backend"):
        assert word in printed


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'SVDplusplusplus'"):
        cf.SVDplusplusplus  # noqa: B018


def test_every_public_name_resolves() -> None:
    for name in cf.__all__:
        assert getattr(cf, name) is not None
        assert name in dir(cf)
