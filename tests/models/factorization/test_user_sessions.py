"""Sessions of users: which lengths are chosen, and which session a time belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.models.factorization.user_sessions import LENGTHS, Sessions

START = 880_000_000 // 86_400 * 86_400


def bursts(seed: int = 0, n_users: int = 60, gap: int = 20) -> tuple[Any, Any]:
    """Users and times of ratings in bursts of ten, a page of three at a time, some a day."""
    rng = np.random.default_rng(seed)
    users, times = [], []
    for user in range(n_users):
        for day in rng.choice(300, 3, replace=False):
            for hour in rng.choice(20, 2, replace=False):
                moment = START + 86_400 * int(day) + 3_600 * int(hour) + int(rng.integers(0, 900))
                for page in range(4):
                    times += [moment + page * gap * 10 + k for k in range(3)]
                    users += [user] * 3
    return np.array(users, dtype=np.int32), np.array(times, dtype=np.int64)


def test_all_lengths_where_clocks_are_fine_and_users_rate_in_bursts() -> None:
    users, times = bursts()
    assert Sessions.of(users, times, 60).lengths.tolist() == list(LENGTHS)


def test_coarse_clocks_have_the_lengths_that_they_tell_apart() -> None:
    users, times = bursts()
    days = Sessions.of(users, times // 86_400 * 86_400, 60)
    assert days.lengths.tolist() == [86_400]
    hours = Sessions.of(users, times // 3_600 * 3_600, 60)
    assert hours.lengths.tolist() == [86_400, 1_800]


def test_times_that_were_rebuilt_have_no_sessions() -> None:
    """One time for all, or each rating days after the one before."""
    users, times = bursts()
    assert not len(Sessions.of(users, np.full_like(times, START), 60).lengths[1:])
    rebuilt = START + 86_400 * np.arange(len(times), dtype=np.int64)
    assert Sessions.of(users, rebuilt, 60).lengths.tolist() == []


def test_a_time_belongs_to_the_session_of_its_user() -> None:
    users, times = bursts()
    sessions = Sessions.of(users, times, 60)
    placed = sessions.place(users, times)
    assert len(placed) == len(LENGTHS)
    owners = np.repeat(np.arange(60), np.diff(sessions.indptr))
    for at, (length, codes) in enumerate(zip(LENGTHS, placed, strict=True)):
        assert (codes >= 0).all()
        np.testing.assert_array_equal(owners[codes], users)
        assert (sessions.levels()[codes] == at).all()
        expected = np.unique(np.stack([users, times // length]), axis=1, return_inverse=True)[1].ravel()
        assert len(np.unique(codes)) == expected.max() + 1
        assert len(np.unique(np.stack([codes, expected]), axis=1)[0]) == expected.max() + 1


def test_other_users_and_times_have_none() -> None:
    users, times = bursts()
    sessions = Sessions.of(users, times, 60)
    for other, when in ((np.int32(-1), times[0]), (users[0], times[0] + 10**8), (users[0], -(2**63))):
        for codes in sessions.place(np.array([other], dtype=np.int32), np.array([when], dtype=np.int64)):
            assert codes.tolist() == [-1]
    nobody = Sessions.none(3)
    assert nobody.place(users[:1], times[:1]) == []
