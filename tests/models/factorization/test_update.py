"""`fold_in` and `partial_fit` of the factor models: ratings that come after the fit."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import cfcore as cf
from tests.contracts.conftest import fitted_names

MODELS: dict[str, Any] = {
    "SVD": lambda **kw: cf.SVD(**{"n_factors": 8, "n_epochs": 6, "random_state": 0} | kw),
    "SVD-unbiased": lambda **kw: cf.SVD(
        **{"n_factors": 6, "n_epochs": 20, "biased": False, "random_state": 0} | kw
    ),
    "SVD-no-factors": lambda **kw: cf.SVD(**{"n_factors": 0, "n_epochs": 6, "random_state": 0} | kw),
    "SVDpp": lambda **kw: cf.SVDpp(**{"n_factors": 8, "n_epochs": 6, "random_state": 0} | kw),
    "TimeSVDpp": lambda **kw: cf.TimeSVDpp(**{"n_factors": 8, "n_epochs": 6, "random_state": 0} | kw),
}
FIRST, DAY = 880_000_000, 86_400
KEPT = ("user_ids_", "item_ids_", "user_counts_", "item_counts_", "seen_indptr_", "seen_items_")


@pytest.fixture(params=list(MODELS))
def make(request: pytest.FixtureRequest) -> Any:
    return MODELS[request.param]


def some_ratings(seed: int = 0, n_users: int = 60, n_items: int = 40, n: int = 900) -> cf.Ratings:
    """Ratings of low rank with noise; users 10, 13, ..., items 100, 102, ..."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(n_users * n_items, n, replace=False)
    users, items = cells // n_items, cells % n_items
    p, q = rng.normal(0, 0.7, (n_users, 2)), rng.normal(0, 0.7, (n_items, 2))
    values = 3 + rng.normal(0, 0.4, n_users)[users] + (p[users] * q[items]).sum(axis=1)
    times = FIRST + DAY * ((users * 7 + items) % 4 * 9)
    return cf.Ratings(users * 3 + 10, items * 2 + 100, np.clip(np.round(values), 1, 5), times, scale=(1, 5))


def columns(users: Any, items: Any, values: Any) -> tuple[Any, ...]:
    """The columns with timestamps of three days, for models that need them."""
    return users, items, values, FIRST + DAY * (np.arange(len(users)) % 3)


RATINGS = some_ratings()
#: Every fifth user comes later; their codes lie between those of the others.
LATE = np.isin(RATINGS.user_codes, np.arange(0, 60, 5))
EARLY, LATER = RATINGS.subset(~LATE), RATINGS.subset(LATE)


def early() -> cf.Ratings:
    """The early users' ratings, in a vocabulary of their own."""
    return cf.Ratings(EARLY.users, EARLY.items, EARLY.values, EARLY.timestamps, scale=(1, 5))


def state(model: Any) -> dict[str, Any]:
    """All that is fitted, to be compared by ==."""
    return {
        name: (value.dtype.str, value.shape, value.tobytes())
        if isinstance(value, np.ndarray)
        else repr(value)
        for name, value in ((name, getattr(model, name)) for name in fitted_names(model))
    }


def rmse(model: Any, test: cf.Ratings) -> float:
    return cf.metrics.rmse(test.values, model.predict(test))


def rated(model: Any, user: int) -> set[int]:
    """Raw ids of the items that the model holds a user to have rated."""
    code = np.flatnonzero(model.user_ids_ == user)[0]
    codes = model.seen_items_[model.seen_indptr_[code] : model.seen_indptr_[code + 1]]
    assert (np.diff(codes) > 0).all()
    return set(model.item_ids_[codes].tolist())


def assert_sound(model: Any, seen: cf.Ratings) -> None:
    """Vocabularies are sorted, and codes, counts and seen items are those of the ratings `seen`."""
    assert (np.diff(model.user_ids_) > 0).all()
    assert (np.diff(model.item_ids_) > 0).all()
    for user, count in zip(model.user_ids_.tolist(), model.user_counts_.tolist(), strict=True):
        own = set(seen.items[seen.users == user].tolist())
        assert rated(model, user) == own
        assert count == len(own)
    for item, count in zip(model.item_ids_.tolist(), model.item_counts_.tolist(), strict=True):
        assert count == np.count_nonzero(seen.items == item)


# ---------------------------------------------------------------------- accuracy, on real data


@pytest.mark.parametrize("model_class", [cf.SVD, cf.SVDpp, cf.TimeSVDpp])
def test_users_folded_in_are_predicted_almost_as_after_a_full_fit(model_class: Any) -> None:
    data = cf.datasets.load("ml-100k")
    rng = np.random.default_rng(0)
    late = (rng.random(data.n_users) < 0.2)[data.user_codes]
    half = rng.random(len(data)) < 0.5
    train, given, test = (data.subset(rows) for rows in (~late, late & half, late & ~half))
    model = model_class(random_state=0).fit(train)
    without = rmse(model, test)
    full = rmse(model_class(random_state=0).fit(data.subset(~late | half)), test)
    folded = rmse(model.fold_in(given, unknown_items="ignore"), test)
    assert folded < full + 0.012
    assert folded < without - 0.07


@pytest.mark.parametrize("model_class", [cf.SVD, cf.SVDpp, cf.TimeSVDpp])
def test_partial_fit_on_what_came_later_makes_the_model_better(model_class: Any) -> None:
    data = cf.datasets.load("ml-100k")
    part = np.random.default_rng(0).random(len(data))
    first, later, test = data.subset(part < 0.72), data.subset((part >= 0.72) & (part < 0.9)), part >= 0.9
    model = model_class(random_state=0).fit(first)
    before = rmse(model, data.subset(test))
    assert rmse(model.partial_fit(later), data.subset(test)) < before - 0.002


def test_partial_fit_on_a_new_user_and_new_items_learns_them(make: Any) -> None:
    model = make().fit(early())
    known = early().item_ids[:6]
    users = np.repeat([1, 4], [6, 8])
    items = np.append(known, [*known, 901, 903])
    values = np.array([5, 5, 4, 5, 5, 4, 2, 1, 1, 2, 1, 1, 1, 2], dtype=np.float32)
    new = cf.Ratings(*columns(users, items, values))
    before = rmse(model, new)
    model.partial_fit(new)
    assert rmse(model, new) < before - 0.3
    assert model.predict(1, known[0]) > model.predict(4, known[0]) + 0.3


# ---------------------------------------------------------------------- rows and codes


def test_after_fold_in_ids_are_sorted_and_codes_right(make: Any) -> None:
    model = make().fit(early())
    before = make().fit(early())
    model.fold_in(LATER)
    assert_sound(model, RATINGS)
    # For others nothing changes, whatever became of their codes.
    assert model.predict(EARLY).tobytes() == before.predict(EARLY).tobytes()
    assert (model.mean_, model.history_, model.n_epochs_) == (
        before.mean_, before.history_, before.n_epochs_,
    )  # fmt: skip
    user = int(LATER.users[0])
    ids, scores = model.recommend(user, 40)
    assert set(ids.tolist()) == set(RATINGS.item_ids.tolist()) - rated(model, user)
    np.testing.assert_array_equal(scores, model.predict(user, ids))
    model.similar_users(user, 3)


def test_after_partial_fit_ids_are_sorted_and_codes_right(make: Any) -> None:
    # New users, new items, and new ratings of known ones: items below 120 are held back for all.
    first = RATINGS.subset((RATINGS.items >= 120) & ~LATE)
    rest = RATINGS.subset((RATINGS.items < 120) | LATE)
    model = make().fit(cf.Ratings(first.users, first.items, first.values, first.timestamps, scale=(1, 5)))
    error, n_epochs = rmse(model, rest), model.n_epochs_
    model.partial_fit(rest, n_epochs=3)
    assert_sound(model, RATINGS)
    assert rmse(model, rest) < error
    assert model.n_epochs_ == n_epochs + 3
    assert len(model.history_["train_rmse"]) == 3


def test_strings_longer_than_those_known_keep_their_whole_names(make: Any) -> None:
    model = make().fit(columns(["a", "b", "b"], ["x", "x", "y"], [1, 5, 4]))
    model.fold_in(columns(["a longer name"], ["x"], [5]))
    assert model.user_ids_.tolist() == ["a", "a longer name", "b"]
    model.partial_fit(columns(["aa"], ["xyz"], [5]))
    assert model.item_ids_.tolist() == ["x", "xyz", "y"]


@pytest.mark.parametrize("method", ["fold_in", "partial_fit"])
def test_user_with_no_ratings_in_the_vocabulary_is_new(make: Any, method: str) -> None:
    model = make().fit(EARLY)  # a subset, whose vocabulary names the late users, too
    user = LATER.subset(LATER.users == LATER.users[0])
    unknown = cf.Ratings(user.users * 0 + 1, user.items, user.values, user.timestamps, scale=(1, 5))
    other = getattr(copy.deepcopy(model), method)(unknown)
    getattr(model, method)(user)
    assert_sound(model, RATINGS.subset(~LATE | (RATINGS.users == LATER.users[0])))
    np.testing.assert_allclose(model.predict(user), other.predict(unknown), atol=0.01)


# ---------------------------------------------------------------------- the users' own


def test_one_by_one_is_all_at_once(make: Any) -> None:
    together, apart = make(n_threads=2).fit(early()), make(n_threads=1).fit(early())
    together.fold_in(LATER)
    for user in reversed(np.unique(LATER.users)):
        apart.fold_in(LATER.subset(LATER.users == user))
    assert state(together) == state(apart)


def test_known_user_counts_anew_from_what_is_given(make: Any) -> None:
    model = make().fit(early())
    user = int(EARLY.users[0])
    own = EARLY.subset(EARLY.users == user)
    opposite = cf.Ratings(own.users, own.items, 6 - own.values, own.timestamps, scale=(1, 5))
    again = copy.deepcopy(model).fold_in(opposite)
    unknown = model.fold_in(
        cf.Ratings(own.users * 0 + 1, own.items, opposite.values, own.timestamps, scale=(1, 5))
    )
    assert again.user_counts_.tolist() == make().fit(early()).user_counts_.tolist()
    items = RATINGS.item_ids
    np.testing.assert_array_equal(again.predict(user, items), unknown.predict(1, items))
    assert rmse(again, opposite) < rmse(unknown, opposite)


def test_new_ratings_of_a_known_user_join_what_is_seen(make: Any) -> None:
    model = make().fit(early())
    user = int(EARLY.users[0])
    new = next(item for item in RATINGS.item_ids.tolist() if item not in rated(model, user))
    own = rated(model, user) | {new}
    for changed in (
        copy.deepcopy(model).fold_in(columns([user], [new], [5])),
        model.partial_fit(columns([user], [new], [5])),
    ):
        assert rated(changed, user) == own
        assert new not in changed.recommend(user, 40)[0]


# ---------------------------------------------------------------------- implicit pairs


def test_item_known_by_implicit_pairs_alone_becomes_rated() -> None:
    train = early()
    some = np.unique(train.users)[:20]
    # One item before all item ids, one after them, for which the sets are not the same.
    pairs = (np.append(some, some[:10]), np.repeat([901, 95], [20, 10]))
    model = cf.SVDpp(n_factors=8, n_epochs=6, random_state=0).fit(train, implicit=pairs)
    y = dict(zip([*model.item_ids_, *model.extra_item_ids_], model.implicit_factors_, strict=True))
    before = copy.deepcopy(model)
    given = cf.Ratings([some[10], 1, 1], [901, 901, 100], [5, 4, 3])

    known = given.subset(given.items == 100)
    folded = copy.deepcopy(model).fold_in(known)
    assert folded.extra_item_ids_.tolist() == [95, 901]
    assert folded.predict(EARLY).tobytes() == before.predict(EARLY).tobytes()
    with pytest.raises(cf.DataError, match="901"):
        model.fold_in(given)

    model.partial_fit(given, n_epochs=1)
    assert model.extra_item_ids_.tolist() == [95]
    assert 901 in model.item_ids_
    names = np.append(model.item_ids_, model.extra_item_ids_)
    sets = {
        user: set(names[model.implicit_items_[begin:end]].tolist())
        for user, begin, end in zip(
            model.user_ids_.tolist(), model.implicit_indptr_[:-1], model.implicit_indptr_[1:], strict=True
        )
    }
    everything = [
        *zip(train.users.tolist(), train.items.tolist(), strict=True),
        *zip(pairs[0].tolist(), pairs[1].tolist(), strict=True),
        *zip(given.users.tolist(), given.items.tolist(), strict=True),
    ]
    assert sets == {user: {item for who, item in everything if who == user} for user in sets}
    # Rows of y went with their items: a pass at the last epoch's rate moves none far from where it was.
    for name, row in zip(names.tolist(), model.implicit_factors_, strict=True):
        np.testing.assert_allclose(row, y[name], atol=0.02)
    assert np.abs(y[901] - y[95]).max() > 0
    assert np.abs(y[901]).max() > 0
    assert_sound(model, cf.Ratings(*(np.append(a, b) for a, b in zip(
        (train.users, train.items, train.values), (given.users, given.items, given.values), strict=True
    ))))  # fmt: skip


# ---------------------------------------------------------------------- files


def test_saved_model_takes_more_as_the_one_in_memory(make: Any, tmp_path: Path) -> None:
    model = make().fit(early())
    model.save(tmp_path / "model")
    loaded = cf.load(tmp_path / "model")
    assert loaded.rates_ == model.rates_
    assert model.rates_["lr"] > 0
    for one in (model, loaded):
        one.fold_in(LATER.subset(LATER.user_codes < 30))
        one.partial_fit(LATER)
    assert state(loaded) == state(model)
    model.save(tmp_path / "model")
    assert cf.load(tmp_path / "model").predict(RATINGS).tobytes() == model.predict(RATINGS).tobytes()


def test_result_does_not_depend_on_the_number_of_threads(make: Any) -> None:
    one, two = (make(n_threads=n).fit(early()).partial_fit(RATINGS) for n in (1, 2))
    assert state(one) == state(two)


def test_unfitted_partial_fit_is_fit(make: Any) -> None:
    assert state(make().partial_fit(RATINGS)) == state(make().fit(RATINGS))
    model = make().partial_fit(RATINGS, n_epochs=2)
    assert state(model) == state(make(n_epochs=2).fit(RATINGS))
    assert model.n_epochs == make().n_epochs


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize("method", ["fold_in", "partial_fit"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([10, 11], [120, 120], [3, 9]), "user 11, item 120"),
        ((["ann"], [120], [3]), "users"),
        (([11], ["x"], [3]), "item"),
        (([11], [120], [np.nan]), "values"),
    ],
)
def test_ratings_that_cannot_be_used_leave_the_model_as_it_was(
    make: Any, method: str, given: Any, message: str
) -> None:
    model = make().fit(early())
    before, predictions = state(model), model.predict(RATINGS)
    with pytest.raises(cf.DataError, match=message):
        getattr(model, method)(columns(*given))
    assert state(model) == before
    assert model.predict(RATINGS).tobytes() == predictions.tobytes()


def test_items_without_training_ratings_are_named_or_left_out(make: Any) -> None:
    model = make().fit(early())
    before = state(model)
    given = columns([1, 1, 1], [901, 120, 903], [5, 4, 3])
    with pytest.raises(cf.DataError, match="2 of the items have no training ratings: 901, 903; pass"):
        model.fold_in(given)
    with pytest.raises(cf.DataError, match=r'901; pass unknown_items="add" to give them rows$'):
        model.fold_in(columns([1], [901], [5]), unknown_items="ignore")
    with pytest.raises(ValueError, match="unknown_items"):
        model.fold_in(given, unknown_items="drop")
    assert state(model) == before
    alone = copy.deepcopy(model).fold_in(([1], [120], [4], [FIRST + DAY]))
    assert state(model.fold_in(given, unknown_items="ignore")) == state(alone)


def test_training_that_is_broken_off_leaves_the_model_as_it_was(make: Any) -> None:
    class Interrupted(type(make())):  # type: ignore[misc]
        """Its training after a fit is interrupted in the second epoch."""

        def trainer(self, train: Any, context: Any, start: Any = None) -> Any:
            trainer = super().trainer(train, context, start)
            epoch = trainer.epoch

            def interrupted(k: int) -> float:
                if start is not None and k == 1:
                    raise KeyboardInterrupt
                return float(epoch(k))

            trainer.epoch = interrupted
            return trainer

    model = Interrupted(**make().get_params()).fit(early())
    before, predictions = state(model), model.predict(RATINGS)
    assert before == state(make().fit(early()))
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(RATINGS)
    assert state(model) == before
    assert model.predict(RATINGS).tobytes() == predictions.tobytes()


def test_hyper_parameters_are_checked(make: Any) -> None:
    with pytest.raises(cf.NotFittedError):
        make().fold_in(RATINGS)
    model = make().fit(early())
    before = state(model)
    with pytest.raises(ValueError, match="n_epochs"):
        model.partial_fit(RATINGS, n_epochs=0)
    model.n_factors += 1
    with pytest.raises(ValueError, match="n_factors was"):
        model.partial_fit(LATER)
    assert state(model) == before
    # Nothing is trained by this one.
    assert state(model.fold_in(LATER)) == state(make().fit(early()).fold_in(LATER))


def test_model_that_takes_no_further_ratings_says_so() -> None:
    class Closed(cf.SVD):
        updatable: ClassVar[bool] = False

    model = Closed(n_factors=2, n_epochs=1, random_state=0)
    for _ in range(2):  # unfitted, and fitted
        with pytest.raises(TypeError, match="Closed has no fold_in"):
            model.fold_in(LATER)
        with pytest.raises(TypeError, match="Closed has no partial_fit"):
            model.partial_fit(LATER)
        model.fit(early())
