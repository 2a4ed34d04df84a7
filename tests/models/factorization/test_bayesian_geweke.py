"""The sampler of `BayesianSVD` as a whole: its draws are from the posterior of the model that it states."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.factorization.geweke import Gaussian, scores, trainer_of


@pytest.mark.parametrize(
    ("sets", "sessions", "user_noise", "features"),
    [("both", "auto", True, False), ("user", None, False, False), (None, "auto", True, False),
     ("both", None, False, True)],
)  # fmt: skip
def test_joint_distribution(
    monkeypatch: pytest.MonkeyPatch, sets: Any, sessions: Any, user_noise: bool, features: bool
) -> None:
    likelihood = Gaussian(user_noise)
    trainer = trainer_of(monkeypatch, sets=sets, sessions=sessions, features=features, **likelihood.params)
    assert len(trainer.biases.groups) == (4 if sessions else 2)
    found = scores(trainer, likelihood, 3_000, 3_000, 2)
    far = {name: score for name, score in found.items() if abs(score) > 5}
    assert not far
