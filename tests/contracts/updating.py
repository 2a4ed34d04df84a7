"""Updates of a fitted model, and the questions that readers put to it meanwhile."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import cfcore as cf
from tests.contracts.conftest import compares

Update = Callable[[Any], Any]


def columns(users: Any, items: Any, values: Any, day: int = 0) -> tuple[Any, ...]:
    """Ratings with times."""
    return users, items, values, np.full(len(users), 885_000_000 + 86_400 * day)


def takes(model: Any, method: str) -> bool:
    """Whether a model has `fold_in`, or `partial_fit`."""
    try:
        getattr(model.clone(), method)(())
    except cf.NotFittedError:
        return True
    except (AttributeError, TypeError):
        return False
    except cf.DataError:
        return True
    raise AssertionError(f"{method} took no ratings at all")


def new_users(train: cf.Ratings) -> tuple[Any, ...]:
    """Ratings of two users whose ids sort before all others, so that the codes of all others change."""
    return columns([1, 1, 1, 2, 2], train.item_ids[[0, 5, 9, 3, 5]], [5.0, 1.0, 4.0, 2.0, 2.0])


def known_users(train: cf.Ratings) -> tuple[Any, ...]:
    """New ratings of two users of the model."""
    users, items = np.repeat(train.user_ids[:2], 3), train.item_ids[[0, 5, 9, 1, 2, 3]]
    return columns(users, items, [5.0, 4.0, 5.0, 1.0, 1.0, 2.0], 3)


def new_items(train: cf.Ratings) -> tuple[Any, ...]:
    """Ratings of items, and by a user, whose ids sort before all others."""
    users = [3, 3, 3, *train.user_ids[:3]]
    return columns(users, [7, 8, 9, 7, 7, 8], [5.0, 4.0, 3.0, 2.0, 1.0, 5.0], 5)


def updates(model: Any, train: cf.Ratings) -> list[Update]:
    """Calls that change a fitted model, one after the other: `fit` on other ratings if it has no others."""
    calls: list[Update] = []
    if takes(model, "fold_in"):
        calls += [lambda one: one.fold_in(new_users(train)), lambda one: one.fold_in(known_users(train))]
    if takes(model, "partial_fit"):
        calls.append(lambda one: one.partial_fit(new_items(train), n_epochs=1))
    if calls:
        return calls
    rows = np.arange(len(train))
    for part in (rows[train.user_codes > 5], rows[train.item_codes > 3], rows[: len(rows) // 2]):
        given = train.subset(part)
        # A vocabulary of its own, so that the codes of all users and items are others.
        other = cf.Ratings(given.users, given.items, given.values, given.timestamps)
        calls.append(partial(refit, other))
    return calls


def refit(ratings: cf.Ratings, model: Any) -> None:
    """Fit the model anew."""
    model.fit(ratings)


def questions(model: Any, train: cf.Ratings) -> dict[str, Callable[[], Any]]:
    """Calls that read the model, for known and unknown users and items, and some that will be known."""
    users = np.concatenate([train.user_ids[::4], [1, 2, 3, 9_999]])
    items = np.resize(np.concatenate([train.item_ids, [7, 8, 9_999]]), len(users))
    times = np.full(len(users), 885_000_000)
    many = np.resize(train.user_ids, 150)
    one, item = train.user_ids[40], train.item_ids[20]

    def of_codes() -> Any:
        here = model.snapshot()
        return here.score_codes(here.encode_users(users), here.encode_items(items))

    calls: dict[str, Callable[[], Any]] = {
        "predict": lambda: model.predict(users, items, times),
        "predict one": lambda: model.predict(one, item),
        "recommend": lambda: model.recommend(one, 5),
        "recommend to many": lambda: model.recommend(many, 5),
        "batches": lambda: next(model.recommend_batches(users, 3)),
        "codes": of_codes,
        "known": lambda: model.is_known(users, items),
        "pickle": lambda: pickle.loads(pickle.dumps(model)).predict(users, items),
    }
    if compares(model, "item"):
        calls["similar items"] = lambda: model.similar_items(item, 50)
    if compares(model, "user"):
        calls["similar users"] = lambda: model.similar_users(one, 50)
    return calls


def bits(answer: Any) -> bytes:
    """An answer to be compared."""
    parts = answer if isinstance(answer, tuple) else (answer,)
    return b"|".join(np.asarray(part).tobytes() for part in parts)


def answers(model: Any, train: cf.Ratings) -> dict[str, bytes]:
    """All answers of a model as it is."""
    return {name: bits(call()) for name, call in questions(model, train).items()}
