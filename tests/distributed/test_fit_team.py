"""Steps on workers of the host of the client, on arrays that all of them map."""

from __future__ import annotations

import os
import pickle
import sys
import time
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster

import cfcore as cf
from cfcore.distributed import fit_cluster, fit_team
from cfcore.distributed.fit_tasks import Lost
from cfcore.distributed.fit_team import Team
from cfcore.kernels.records import MemberDraws
from cfcore.models.factorization import bayesian_stopping

from .test_fit_bits import differing

MODELS = {
    "ALS": lambda: cf.ALS(n_factors=12, n_epochs=4, random_state=0),
    "ALS without sets": lambda: cf.ALS(n_factors=6, n_epochs=16, sets=None, random_state=0),
    "BayesianSVD": lambda: cf.BayesianSVD(n_factors=12, burn_in=30, n_samples=2, random_state=0),
    "BayesianSVD of levels": lambda: cf.BayesianSVD(
        n_factors=4, burn_in=3, n_samples=3, n_chains=2, likelihood="ordinal", random_state=0
    ),
}  # fmt: skip


@pytest.fixture
def called(monkeypatch: Any) -> list[str]:
    """The names of the steps that a team is called with."""
    found: list[str] = []
    call = Team.call

    def counted(self: Team, step: Any, *given: Any, **more: Any) -> None:
        found.append(step.__name__)
        call(self, step, *given, **more)

    monkeypatch.setattr(Team, "call", counted)
    return found


if sys.platform == "linux":
    from cfcore.distributed.fit_common import LARGE, Common, Mapped

    def mapped(common: Common, packed: bytes) -> Any:
        other = Mapped()
        for number, region in enumerate(common.regions):
            other.add(number, os.dup(region.file))
        return other, other.value(packed)

    def test_arrays_in_common_are_written_by_both() -> None:
        common = Common()
        numbers = np.arange(12.0).reshape(3, 4)
        own = common.move(numbers)
        assert common.move([numbers, (numbers, None)])[1][0] is own
        _, [found, part] = mapped(common, common.packed([own, own[1:, ::2]]))
        found[2, 2] = 99
        assert own[2, 2] == part[1, 1] == 99
        assert numbers[2, 2] == 10  # it was copied
        own.flags.writeable = False
        _, found = mapped(common, common.packed(own))
        assert not found.flags.writeable

    def test_other_arrays_are_copied_for_a_call_and_cannot_be_written() -> None:
        common = Common()
        given = {"a": np.arange(300_000), "b": np.ones((2, 3), np.float32).T, "c": np.zeros(0), "d": 1.5}
        _, found = mapped(common, common.packed(given))
        np.testing.assert_array_equal(found["a"], given["a"])
        np.testing.assert_array_equal(found["b"], np.ones((3, 2)))
        assert found["c"].shape == (0,)
        assert found["d"] == 1.5
        with pytest.raises(ValueError, match="read-only"):
            found["a"][0] = 1
        assert len(common.packed(given)) < 1000

    def test_what_is_gathered_from_is_copied_once_more_in_each_call() -> None:
        common = Common()
        own = common.empty("rows", (LARGE // 8,), np.float64)
        own[:] = 1
        other, found = mapped(common, common.packed(own, [own]))
        own[:] = 2
        assert found[0] == 1
        again = other.value(common.packed(own, [own]))
        assert again is found
        assert found[0] == 2
        assert not found.flags.writeable

    def test_records_are_written_where_their_arrays_are() -> None:
        common = Common()
        draws = MemberDraws(
            np.array([0, 1, 3]), np.array([0, 1, 2], np.int32), np.ones(3),
            common.empty("members", (2, 2, 8), np.float64), common.empty("errors", (2, 3, 8), np.float64),
            1.0,
        )  # fmt: skip
        _ = draws.extents  # addresses of this process, which do not travel
        _, found = mapped(common, common.packed(draws))
        found.members[1, 0, 3] = 5
        assert draws.members[1, 0, 3] == 5
        assert found.extents != draws.extents

    @pytest.mark.parametrize("name", list(MODELS))
    @pytest.mark.parametrize("lost", [5, 30])
    def test_epochs_of_which_a_step_is_lost_are_run_again(
        name: str, lost: int, client: Any, train: cf.Ratings, monkeypatch: Any
    ) -> None:
        seen: list[str] = []
        call = Team.call

        def losing(self: Team, step: Any, *given: Any, **more: Any) -> None:
            seen.append(step.__name__)
            call(self, step, *given, **more)
            if len(seen) == lost:
                self.close()
                self.is_lost = True
                raise Lost("a worker is lost")

        monkeypatch.setattr(Team, "call", losing)
        model = cf.distributed.fit(MODELS[name](), train)
        assert len(seen) > lost
        assert differing(MODELS[name]().fit(train), model) == []

    @pytest.mark.parametrize("name", ["ALS", "BayesianSVD"])
    def test_arrays_travel_from_when_on_a_worker_is_on_another_host(
        name: str, client: Any, train: cf.Ratings, called: list[str], monkeypatch: Any
    ) -> None:
        near, at = fit_cluster.Tasks.are_near, []
        monkeypatch.setattr(fit_team, "SECONDS", 0.0)  # so that each epoch looks for workers
        monkeypatch.setattr(fit_cluster.Tasks, "are_near", lambda self: len(at) != 2 and near(self))
        steps = []

        def look(epochs: int, history: Any) -> None:
            at.append(epochs)
            steps.append(len(called))

        model = cf.distributed.fit(MODELS[name](), train, callback=look)
        assert steps[0] > 0
        assert steps[2] == steps[1] < steps[3]
        assert differing(MODELS[name]().fit(train), model) == []

    def test_a_limit_of_memory_keeps_arrays_in_files(
        client: Any, train: cf.Ratings, called: list[str]
    ) -> None:
        model = cf.distributed.fit(MODELS["ALS"](), train, memory_limit="8GB")
        assert not called
        assert differing(MODELS["ALS"]().fit(train), model) == []

    def test_errors_of_steps_are_raised_and_tasks_end(client: Any, train: cf.Ratings) -> None:
        def make() -> Any:
            return cf.ALS(n_factors=12, n_epochs=3, reg=1e-300, random_state=0)

        few = train.subset(train.user_codes < 10)
        with pytest.raises(cf.DivergenceError) as local:
            make().fit(few)
        with pytest.raises(cf.DivergenceError) as found:
            cf.distributed.fit(make(), few)
        assert str(found.value) == str(local.value)
        until = time.monotonic() + 20
        while any(client.processing().values()) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(client.processing().values())

    def test_a_model_keeps_no_more_than_its_rows(client: Any, train: cf.Ratings) -> None:
        model = cf.distributed.fit(MODELS["ALS"](), train)
        assert differing(model, pickle.loads(pickle.dumps(model))) == []
        rows = model.user_factors_
        while isinstance(rows.base, np.ndarray):
            rows = rows.base
        assert rows.nbytes <= 2 * 4 * 16 * train.n_users


@pytest.mark.filterwarnings("ignore::cfcore.errors.ConvergenceWarning")
@pytest.mark.parametrize("near", [True, False])
def test_the_sampler_goes_on_past_its_plan(
    near: bool, client: Any, train: cf.Ratings, called: list[str], monkeypatch: Any
) -> None:
    for name, value in {"SAMPLES": 40, "MORE": 10, "MOST_SAMPLES": 60, "LARGE": 0.5}.items():
        monkeypatch.setattr(bayesian_stopping, name, value)
    if not near:
        monkeypatch.setattr(fit_cluster.Tasks, "are_near", lambda self: False)

    def make() -> Any:
        return cf.BayesianSVD(n_factors=4, burn_in=2, n_samples=None, n_kept=7, random_state=0)

    local, planned = make().fit(train), []
    model = cf.distributed.fit(make(), train, callback=lambda epochs, history: planned.append(epochs))
    assert model.n_epochs_ == local.n_epochs_ == 62  # R-hat is never so low: 40, and 10 twice
    assert len(planned) == 62
    assert differing(local, model) == []
    assert bool(called) == (near and sys.platform == "linux")


@pytest.mark.filterwarnings("ignore::cfcore.errors.ConvergenceWarning")
def test_a_plan_that_changes_and_a_checkpoint(
    client: Any, train: cf.Ratings, tmp_path: Any, monkeypatch: Any
) -> None:
    for name, value in {"SAMPLES": 40, "MORE": 10, "MOST_SAMPLES": 50, "LARGE": 0.5}.items():
        monkeypatch.setattr(bayesian_stopping, name, value)

    def make() -> Any:
        return cf.BayesianSVD(n_factors=4, burn_in=2, n_samples=None, n_kept=5, random_state=0)

    def stop(epochs: int, history: Any) -> None:
        if epochs == 45:  # three after the plan has changed
            raise KeyboardInterrupt

    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        cf.distributed.fit(make(), train, checkpoint=path, callback=stop)
    model = cf.distributed.fit(make(), train, checkpoint=path)
    assert model.n_epochs_ == 52
    assert differing(make().fit(train), model) == []


def test_as_many_tasks_as_workers(train: cf.Ratings, called: list[str]) -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0", silence_logs=50
    ) as own, Client(own, set_as_default=False) as client:  # fmt: skip
        model = cf.distributed.fit(MODELS["BayesianSVD"](), train, client=client)
    assert bool(called) == (sys.platform == "linux")
    assert differing(MODELS["BayesianSVD"]().fit(train), model) == []
