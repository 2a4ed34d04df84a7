"""Ratings given with a question to BayesianSVD: the equations of users, and the biases of their sessions."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization import sets

Array = np.ndarray[Any, Any]
DAY = 86_400
LENGTHS = (DAY, 1_800, 120, 15)
START = 880_000_000 // DAY * DAY


@cache
def world(seed: int = 0, n_users: int = 150, n_items: int = 60, mood: float = 0.6) -> tuple[Array, ...]:
    """Users, items, values and times of ratings, with a mood of the user's day, half hour and two minutes."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), 30)
    items = np.concatenate([rng.choice(n_items, 30, replace=False) for _ in range(n_users)])
    days, halves, minutes = (rng.integers(0, n, len(users)) for n in (3, 4, 3))
    times = START + DAY * days + 1_800 * halves + 120 * minutes + rng.integers(0, 100, len(users))
    values = 3.5 + rng.normal(0, 0.4, n_users)[users] + rng.normal(0, 0.5, n_items)[items]
    x, z = rng.normal(0, 0.6, (n_users, 2)), rng.normal(0, 0.7, (n_items, 2))
    values += np.sum(x[users] * z[items], axis=1) + rng.normal(0, 0.3, len(users))
    for parts in ((days,), (days, halves), (days, halves, minutes)):
        _, codes = np.unique(np.stack([users, *parts]), axis=1, return_inverse=True)
        values += rng.normal(0, mood, codes.max() + 1)[codes.ravel()]
    return users, items, values, times


def ratings(part: Array, timed: bool = True) -> cf.Ratings:
    users, items, values, times = (one[part] for one in world())
    return cf.Ratings(users, items, values, times if timed else None, scale=(-9, 16))


@cache
def fitted(sessions: str | None = "auto") -> cf.BayesianSVD:
    part = world()[0] < 120
    model = cf.BayesianSVD(n_factors=3, n_samples=30, burn_in=30, random_state=0, sessions=sessions)
    return model.fit(ratings(part, sessions is not None))


def given_of(users: Any, n: int = 20, timed: bool = True) -> cf.Ratings:
    """The first n ratings of some users."""
    place = np.arange(len(world()[0])) % 30
    return ratings(np.isin(world()[0], users) & (place < n), timed)


def test_users_are_those_of_the_whole_normal_distribution() -> None:
    """Row, bias and session biases of a user, solved for together in each sample."""
    model = fitted()
    assert model.session_lengths_.tolist() == list(LENGTHS)
    given = given_of(130)
    k, n_kept = 3, len(model.precisions_)
    items = model.encode_items(given.items)
    expected = np.zeros(60)
    sessions = np.zeros(60)
    times = np.asarray(given.timestamps)
    groups = [np.unique(times // length, return_inverse=True) for length in LENGTHS]
    asked = times[0]
    for at in range(n_kept):
        z = model.item_factors_.reshape(-1, n_kept, k)[:-1, at].astype(float)
        noise = model.precisions_[at, 0]
        columns = [z[items], np.ones((len(items), 1))]
        columns += [np.eye(len(keys))[codes] for keys, codes in groups]
        design = np.hstack(columns)
        y = model.implicit_factors_.reshape(-1, n_kept, k)[items, at].astype(float)
        mean = np.zeros(design.shape[1])
        mean[:k] = model.prior_means_[at] + y.sum(axis=0) / np.sqrt(len(items))
        prior = np.zeros((len(mean), len(mean)))
        prior[:k, :k] = model.prior_precisions_[at]
        prior[k, k] = model.precisions_[at, 1]
        begin = k + 1
        for tau, (keys, _) in zip((model.precisions_[at, 3:]), groups, strict=True):
            prior[range(begin, begin + len(keys)), range(begin, begin + len(keys))] = tau
            begin += len(keys)
        targets = (given.values - model.mean_) / model.spread_ - model.item_biases_[items, at]
        solved = np.linalg.solve(prior + noise * design.T @ design, prior @ mean + noise * design.T @ targets)
        expected += z @ solved[:k] + solved[k]
        begin = k + 1
        for length, (keys, _) in zip(LENGTHS, groups, strict=True):
            sessions += solved[begin + int(np.searchsorted(keys, asked // length))]
            begin += len(keys)
    expected, sessions = (model.spread_ * one / n_kept for one in (expected, sessions))
    base = model.mean_ + model.item_bias_[:-1].astype(float)
    here = model.for_users(given)
    users = np.zeros(60, dtype=np.int32)
    codes = np.arange(60, dtype=np.int32)
    np.testing.assert_allclose(here.score_codes(users, codes), base + expected, atol=2e-4)
    timed = here.score_codes(users, codes, np.full(60, asked))
    np.testing.assert_allclose(timed, base + expected + sessions, atol=2e-4)


def test_sessions_of_ratings_given_pay() -> None:
    users = np.arange(120, 150)
    given, untimed = given_of(users), given_of(users, timed=False)
    part = (world()[0] >= 120) & (np.arange(len(world()[0])) % 30 >= 20)
    asked = ratings(part)
    model = fitted()
    errors = [
        cf.metrics.rmse(asked.values, model.predict(asked, given=given, **more))
        for given, more in ((given, {}), (given, {"timestamps": False}), (untimed, {"timestamps": False}))
    ]
    assert errors[0] < 0.9 * errors[1]
    assert errors[1] < errors[2]


@pytest.mark.parametrize("timed", [True, False])
def test_one_user_is_answered_as_many_are(timed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted()
    users = np.arange(118, 140)
    given = given_of(users, timed=timed)
    together = model.for_users(given)
    times = START + 500
    expected = together.predict(users, users % 60, np.full(len(users), times))
    for user, one in zip(users.tolist(), expected, strict=True):
        alone = model.for_users(given_of(user, timed=timed))
        assert alone.predict(user, user % 60, times) == one
    monkeypatch.setattr(sets, "WORK", 1)  # one user a call
    again = model.for_users(given).predict(users, users % 60, np.full(len(users), times))
    np.testing.assert_array_equal(again, expected)


def test_a_dict_is_answered_as_columns_are() -> None:
    model = fitted(None)
    given = given_of(140, timed=False)
    session = dict(zip(given.items.tolist(), given.values.astype(float).tolist(), strict=True))
    listed, scores = model.recommend(given=session)
    wanted = model.recommend(given=given)
    np.testing.assert_array_equal(listed, wanted[0].ravel())
    np.testing.assert_array_equal(scores, wanted[1].ravel())
    assert model.predict(3, given=session) == model.predict([140], [3], given=given)[0]


def test_intervals_of_users_given_depend_on_their_sessions() -> None:
    model = fitted()
    given = given_of(130)
    here = model.for_users(given)
    codes = np.arange(20, dtype=np.int32)
    users = np.zeros(20, dtype=np.int32)
    inside = here.predictive_codes(users, codes, np.full(20, np.asarray(given.timestamps)[0]))
    outside = here.predictive_codes(users, codes, np.full(20, START + 300 * DAY))
    assert (inside.variance() < outside.variance()).all()


def test_deviations_of_a_user_do_not_depend_on_the_others() -> None:
    model, asked = fitted(), np.arange(10)
    both, one = given_of([120, 130]), given_of([130])
    for stays in (False, True):  # a copy for the question, and users that are folded in
        together, alone = (
            copy.copy(model).fold_in(given) if stays else model.for_users(given) for given in (both, one)
        )
        found, expected = (
            users.predict(np.full(10, 130), asked, timestamps=False, return_std="mean")
            for users in (together, alone)
        )
        np.testing.assert_array_equal(found, expected)
