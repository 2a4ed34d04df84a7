"""Standard deviations, intervals and lists that explore, of `BayesianSVD`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.threads import policy
from tests.models.factorization.test_bayesian import World

SMALL: dict[str, Any] = {"n_factors": 3, "n_samples": 80, "burn_in": 40, "random_state": 0, "n_threads": 1}


def levels(seed: int = 0) -> tuple[cf.Ratings, cf.Ratings]:
    """Training and test ratings of a world in whole numbers from 1 to 5."""
    world = World(seed, n=8_000, session=0.4, noise=lambda rng, n: rng.uniform(0.4, 1.0, n))
    whole = np.clip(np.rint(world.values), 1, 5)
    columns = world.users, world.items, whole, world.times
    train, test = (cf.Ratings(*(one[part] for one in columns)) for part in (~world.held, world.held))
    return train, test


@pytest.fixture(scope="module")
def parts() -> tuple[cf.Ratings, cf.Ratings]:
    return levels()


@pytest.fixture(scope="module")
def model(parts: Any) -> cf.BayesianSVD:
    return cf.BayesianSVD(**SMALL, sets=None).fit(parts[0])


def covered(interval: Any, values: Any) -> float:
    return float(np.mean((interval[0] <= values) & (values <= interval[1])))


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_ratings_of_levels_are_covered_as_often_as_is_asked(model: Any, parts: Any, coverage: float) -> None:
    low, high = model.predict_interval(parts[1], coverage=coverage)
    assert abs(covered((low, high), parts[1].values) - coverage) < (0.025 if coverage == 0.9 else 0.05)
    assert low.min() >= 1
    assert high.max() <= 5
    assert (low <= high).all()


def test_narrower_intervals_are_within_wider_ones(model: Any, parts: Any) -> None:
    wide, narrow = (model.predict_interval(parts[1], coverage=part) for part in (0.9, 0.5))
    assert (wide[0] <= narrow[0]).all()
    assert (narrow[1] <= wide[1]).all()
    of_mean = model.predict_interval(parts[1], of="mean")
    assert np.mean(of_mean[1] - of_mean[0]) < np.mean(wide[1] - wide[0]) / 1.5


def test_the_standard_deviation_is_that_of_the_errors(model: Any, parts: Any) -> None:
    predictions, std = model.predict(parts[1], return_std=True)
    assert predictions.tobytes() == model.predict(parts[1]).tobytes()
    assert abs(float(np.sqrt(np.mean(((parts[1].values - predictions) / std) ** 2))) - 1) < 0.07
    again = model.predict(parts[1], return_std="rating")[1]
    assert again.tobytes() == std.tobytes()
    assert (model.predict(parts[1], return_std="mean")[1] < std).all()


def test_the_mean_is_less_certain_the_fewer_ratings_there_are() -> None:
    rng = np.random.default_rng(0)
    world = World(3, n=12_000)
    few = (world.users % 2 == 0) & (rng.random(len(world.users)) < 0.85)
    model = cf.BayesianSVD(**SMALL, sessions=None).fit(world.ratings(~few, timed=False))
    many, rare = (model.predict(np.arange(start, 200, 2), 7, return_std="mean")[1] for start in (1, 0))
    assert rare.mean() > 1.3 * many.mean()
    unknown = model.predict(["10000"] if isinstance(model.user_ids_[0], str) else [10_000], 7)
    assert np.isfinite(unknown).all()
    assert model.predict(10_000, 7, return_std="mean")[1] > rare.mean()


def test_forms_of_answers(model: Any, parts: Any) -> None:
    user, item = int(parts[1].users[0]), int(parts[1].items[0])
    time = int(np.asarray(parts[1].timestamps)[0])
    one, std = model.predict(user, item, time, return_std=True)
    assert type(one) is type(std) is float
    assert one == model.predict(user, item, time)
    low, high = model.predict_interval(user, item, timestamps=time)
    assert type(low) is type(high) is float
    assert low < one < high
    found = model.predict([user, 10_000], item, timestamps=False, return_std=True, return_known=True)
    assert found[2].tolist() == [True, False]
    assert len(found) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answers = model.predict([user, 10_000], [item, item], unknown="nan", return_std=True)
        ends = model.predict_interval([user, 10_000], [item, item], unknown="nan")
    for numbers in (*answers, *ends):
        assert np.isnan(numbers).tolist() == [False, True]
    with pytest.raises(cf.DataError, match="10000"):
        model.predict_interval([user, 10_000], [item, item], timestamps=False, unknown="error")


def test_frames_get_columns(model: Any, parts: Any) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user": parts[1].users[:5], "item": parts[1].items[:5]}, index=list("abcde"))
    answers = (
        *model.predict(frame, timestamps=False, return_std=True),
        *model.predict_interval(frame, timestamps=False),
    )
    assert [one.name for one in answers] == ["prediction", "std", "low", "high"]
    assert all(list(one.index) == list("abcde") for one in answers)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.predict(1, 2, return_std="both"), "return_std must be one of True, False, 'rat"),
        (lambda model: model.predict_interval(1, 2, coverage=1.0), "coverage must be between 0 and 1"),
        (lambda model: model.predict_interval(1, 2, coverage=90), "coverage must be"),
        (lambda model: model.predict_interval(1, 2, of="noise"), "of must be one of 'rating', 'mean'"),
        (lambda model: model.recommend(1, by="best"), "by must be one of 'rating', 'preference', 'upper'"),
        (lambda model: model.recommend(1, by="upper", n_std=-1), "n_std must be"),
        (lambda model: model.recommend(1, by="sample", random_state=-1), "random_state must be"),
        (lambda model: model.explorer("rating"), "by must be one of 'upper', 'sample'"),
    ],
)  # fmt: skip
def test_arguments_out_of_range(model: Any, call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(model)


def test_one_answer_as_many_on_any_number_of_threads(model: Any, parts: Any) -> None:
    users, items = parts[1].users[:300], parts[1].items[:300]
    times = np.asarray(parts[1].timestamps)[:300]

    def answers(users: Any, items: Any, times: Any) -> Any:
        found = (
            *model.predict(users, items, times, return_std=True),
            *model.predict_interval(users, items, timestamps=times),
        )
        return np.stack(found)

    expected = answers(users, items, times)
    for at in (0, 5, 299):
        part = slice(at, at + 1)
        assert answers(users[part], items[part], times[part]).tobytes() == expected[:, part].tobytes()
    with policy(minimum_work=0):
        model.set_params(n_threads=3)
        assert answers(users, items, times).tobytes() == expected.tobytes()
    model.set_params(n_threads=1)


# ---------------------------------------------------------------------- lists that explore


def test_upper_bounds_are_the_mean_and_deviations_of_it(model: Any) -> None:
    user = model.user_ids_[3]
    items = model.item_ids_
    mean = model.score_codes(model.encode_users(np.repeat(user, len(items))), model.encode_items(items))
    std = model.predict(user, items, timestamps=False, return_std="mean")[1]
    for n_std in (0.0, 1.0, 2.5):
        ids, scores = model.recommend(user, 8, by="upper", n_std=n_std, exclude_seen=False)
        bound = mean + n_std * std
        np.testing.assert_allclose(scores, np.sort(bound)[::-1][:8], rtol=1e-12)
        np.testing.assert_array_equal(ids, items[np.argsort(-bound, kind="stable")[:8]])
    default = model.recommend(user, 8, by="upper")
    np.testing.assert_array_equal(default[1], model.recommend(user, 8, by="upper", n_std=1)[1])


def test_samples_are_chosen_by_the_seed_and_differ(model: Any) -> None:
    users = model.user_ids_[:20]
    first, again = (model.recommend(users, 5, by="sample", random_state=3) for _ in range(2))
    assert first[0].tobytes() == again[0].tobytes()
    assert first[1].tobytes() == again[1].tobytes()
    others = [model.recommend(users, 5, by="sample") for _ in range(4)]
    assert sum((one[0] != first[0]).any() for one in others) >= 3
    scores = np.concatenate([one[1] for one in others])
    assert scores.max() <= 5
    assert scores.min() >= 1


def test_over_many_samples_an_item_has_its_mean_and_deviation(model: Any) -> None:
    rng = np.random.default_rng(0)
    users, items = model.encode_users(model.user_ids_[:40]), model.encode_items(model.item_ids_[:40])
    drawn = np.array(
        [model.explorer("sample", random_state=rng).score_codes(users, items) for _ in range(600)]
    )
    found = model.predictive_codes(users, items)
    error = (drawn.mean(axis=0) - found.mean()) / np.sqrt(found.variance("mean"))
    assert np.abs(error).max() < 0.4
    np.testing.assert_allclose(drawn.std(axis=0) / np.sqrt(found.variance("mean")), 1, atol=0.2)


@pytest.mark.parametrize("by", ["upper", "sample"])
def test_batches_one_user_and_many_have_the_same_lists(model: Any, by: str) -> None:
    users = model.user_ids_[:150]  # from some number on, lists are made by another kernel
    options: dict[str, Any] = {"by": by, **({"random_state": 5} if by == "sample" else {"n_std": 0.5})}
    ids, scores = model.recommend(users, 4, **options)
    parts = list(model.recommend_batches(users, 4, **options))
    assert np.concatenate([part[1] for part in parts]).tobytes() == ids.tobytes()
    one = model.recommend(users[7], 4, **options)
    np.testing.assert_array_equal(one[0], ids[7])
    np.testing.assert_array_equal(one[1], scores[7])
    frame = model.recommend(users[:2], 4, **options, as_frame=True)
    np.testing.assert_array_equal(np.asarray(frame["score"]), scores[:2].reshape(-1))
    given = {int(item): 5.0 for item in model.item_ids_[:9]}
    listed, _ = model.recommend(given=given, n=4, **options)
    assert len(listed) == 4
    assert not set(listed.tolist()) & set(given)


@pytest.mark.parametrize("by", ["upper", "sample"])
@pytest.mark.parametrize("candidates", ["all", "test"])
def test_lists_that_explore_are_judged(model: Any, parts: Any, by: str, candidates: str) -> None:
    judged = cf.metrics.judge(model, parts[1], 5, by=by, candidates=candidates)
    again = cf.metrics.judge(model, parts[1], 5, by=by, candidates=candidates)
    np.testing.assert_array_equal(judged.items, again.items)
    if candidates == "all":
        seed = {"random_state": 0} if by == "sample" else {}
        ids = model.recommend(judged.users, 5, by=by, **seed)[0]
        np.testing.assert_array_equal(model.encode_items(ids.reshape(-1)), judged.items.reshape(-1))
    found = cf.metrics.evaluate(model, parts[1], ["ndcg@5"], by=by, candidates=candidates)
    assert 0 < found["ndcg@5"] < 1


def test_an_explorer_leaves_the_model_as_it_is(model: Any, parts: Any) -> None:
    before = model.predict(parts[1])
    upper = model.explorer("upper", n_std=2.0)
    assert (upper.predict(parts[1]) >= before).all()
    assert (model.explorer("sample", random_state=1).predict(parts[1]) != before).any()
    assert model.predict(parts[1]).tobytes() == before.tobytes()


def test_bounds_of_users_whose_ratings_come_with_the_question(model: Any, tmp_path: Path) -> None:
    given, items = {3: 5.0, 4: 1.0}, [5, 6, 7]
    mean, std = model.predict(items, given=given, return_std="mean")
    upper = model.explorer("upper", n_std=2.0)
    np.testing.assert_allclose(upper.predict(items, given=given), np.minimum(mean + 2 * std, 5))
    found, expected = upper.recommend(given=given), model.recommend(given=given, by="upper", n_std=2.0)
    np.testing.assert_array_equal(found[0], expected[0])
    with pytest.raises(ValueError, match="call explorer after load"):  # files do not hold them
        upper.save(tmp_path / "model")
