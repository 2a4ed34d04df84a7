"""`forget`: users are removed from every model, and the others keep what they have."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.contracts.conftest import fitted_names
from tests.contracts.updating import bits


def gone(train: cf.Ratings) -> np.ndarray[Any, Any]:
    """Three users, the first and the last of all among them."""
    return train.user_ids[[0, 7, -1]]


def others(train: cf.Ratings) -> cf.Ratings:
    """The ratings of all others."""
    return train.subset(~np.isin(train.users, gone(train)))


def test_users_are_unknown_then(fitted: Any, train: cf.Ratings) -> None:
    model = fitted.snapshot()
    assert model.forget(gone(train)) is model
    assert not model.knows(gone(train)).any()
    assert not np.isin(gone(train), model.user_ids_).any()
    assert len(model.user_ids_) == train.n_users - 3
    item = others(train).item_ids[5]
    np.testing.assert_array_equal(model.predict(gone(train), item), [model.predict(-999, item)] * 3)
    with pytest.raises(cf.DataError, match="no training ratings"):
        model.predict(int(gone(train)[0]), item, unknown="error")
    assert fitted.knows(gone(train)).all()


def test_what_is_kept_is_that_of_the_others(fitted: Any, train: cf.Ratings) -> None:
    model, rest = fitted.snapshot().forget(gone(train)), others(train)
    np.testing.assert_array_equal(model.user_ids_, np.setdiff1d(train.user_ids, gone(train)))
    np.testing.assert_array_equal(model.item_ids_, train.item_ids)
    np.testing.assert_array_equal(model.item_counts_, np.bincount(rest.item_codes, minlength=train.n_items))
    for code, user in enumerate(model.user_ids_.tolist()):
        own = rest.subset(rest.users == user)
        order, row = np.argsort(own.items), slice(*model.seen_indptr_[code : code + 2])
        np.testing.assert_array_equal(model.item_ids_[model.seen_items_[row]], own.items[order])
        np.testing.assert_array_equal(model.seen_values_[row], own.values[order])
        assert model.user_counts_[code] == len(own)


def test_others_are_predicted_to_the_same_bits(fitted: Any, train: cf.Ratings, test: cf.Ratings) -> None:
    model = fitted.snapshot().forget(gone(train))
    pairs = test.subset(~np.isin(test.users, gone(train)) & np.isin(test.items, others(train).items))
    before, after = fitted.predict(pairs), model.predict(pairs)
    name = type(fitted).__name__
    weighs = name == "Blend" and fitted.method == "feature-weighted"
    if name == "UserKNN" or weighs:  # neighbours went, or ratings that are counted
        assert np.abs(after - before).max() < 1
    else:
        np.testing.assert_array_equal(after, before)
    some = np.setdiff1d(train.user_ids, gone(train))[:5]
    for user in some.tolist():
        ids, scores = model.recommend(user, 5, by="rating")
        np.testing.assert_array_equal(scores, model.predict(user, ids))


def test_a_file_has_nothing_of_them(fitted: Any, train: cf.Ratings, tmp_path: Path) -> None:
    """Neither ids nor ratings, in no array; and the model is the same after loading."""
    model = fitted.snapshot().forget(gone(train))
    model.save(tmp_path / "rest")
    loaded = cf.load(tmp_path / "rest")
    rest = others(train)
    np.testing.assert_array_equal(loaded.predict(train), model.predict(train))
    held = [loaded, *getattr(loaded, "members_", ())]
    for one in held:
        for name in fitted_names(one):
            array = getattr(one, name)
            if isinstance(array, np.ndarray) and array.ndim:
                lengths = (train.n_users, train.n_users + 1, len(train))
                assert array.shape[0] not in lengths or train.n_items in array.shape[:1], name
        assert not np.isin(gone(train), one.user_ids_).any()
        assert len(one.seen_items_) == len(rest)


def test_ids_are_not_in_the_bytes(model: Any, train: cf.Ratings) -> None:
    names = np.array([f"person{code:04d}x" for code in range(train.n_users)])
    ratings = cf.Ratings(names[train.user_codes], train.items, train.values, train.timestamps)
    model.fit(ratings)
    with_all, without = io.BytesIO(), io.BytesIO()
    model.save(with_all)
    model.forget("person0007x").save(without)
    assert _mentions(with_all.getvalue(), "person0007x")
    assert not _mentions(without.getvalue(), "person0007x")
    assert _mentions(without.getvalue(), "person0008x")


def _mentions(content: bytes, text: str) -> bool:
    return any(text.encode(encoding) in content for encoding in ("utf-8", "utf-32-le"))


def test_snapshots_keep_them(fitted: Any, train: cf.Ratings) -> None:
    model = fitted.snapshot()
    before = model.snapshot()
    expected = bits(before.predict(train))
    model.forget(gone(train))
    assert bits(before.predict(train)) == expected
    assert len(before.user_ids_) == train.n_users


def test_users_that_are_not_there(fitted: Any, train: cf.Ratings) -> None:
    model, user = fitted.snapshot(), int(train.user_ids[3])
    with pytest.raises(cf.DataError, match=r'2 of the users .*-8, -7; pass unknown_users="ignore"'):
        model.forget([user, -7, -8])
    assert model.knows(user)
    model.forget([user, -7, -8], unknown_users="ignore")
    assert not model.knows(user)
    with pytest.raises(cf.DataError, match=f"forget: 1 of the users are not in the model: {user}"):
        model.forget(user)
    with pytest.raises(cf.DataError, match="integers"):
        model.forget("nobody")
    with pytest.raises(ValueError, match="unknown_users"):
        model.forget(user, unknown_users="drop")
    with pytest.raises(cf.NotFittedError):
        model.clone().forget(user)


def test_users_one_after_the_other_until_one_remains(fitted: Any, train: cf.Ratings) -> None:
    model, last = fitted.snapshot(), int(train.user_ids[-1])
    for user in train.user_ids[:-1].tolist():
        model.forget(user)
    assert model.user_ids_.tolist() == [last]
    np.testing.assert_array_equal(
        model.item_counts_, np.isin(train.item_ids, train.items[train.users == last])
    )
    assert np.isfinite(model.predict(train)).all()
    with pytest.raises(cf.DataError, match="no user would remain"):
        model.forget(last)
    assert model.knows(last)


def test_users_who_come_back_are_new(fitted: Any, train: cf.Ratings) -> None:
    user = int(train.user_ids[3])
    own = train.subset(train.users == user)
    model = fitted.snapshot().forget(user)
    items = own.items[np.isin(own.items, model.known_items_)]
    values = own.values[np.isin(own.items, model.known_items_)]
    given = (np.full(len(items), user), items, values, np.full(len(items), 885_000_000))
    assert np.isfinite(model.predict(user, train.item_ids, given=given)).all()
    if hasattr(model, "fold_in"):
        model.fold_in(given)
        assert model.knows(user)


def test_a_model_that_does_not_say_which_rows_are_of_users_refuses() -> None:
    class Own(cf.Model):
        def _fit(self, train: cf.Ratings, context: Any) -> Any:
            return context.state(user_means=np.zeros(train.n_users))

        def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
            return np.full(len(users), self.mean_)

    model = Own().fit(([1, 2], [1, 1], [3, 4]))
    with pytest.raises(TypeError, match=r"rows of user_means_ are of users; .*_remaining\(kept\)"):
        model.forget(1)
    assert model.knows(1)


def test_nothing_to_forget_changes_nothing(fitted: Any, train: cf.Ratings) -> None:
    model = fitted.snapshot()
    model.forget([])
    assert bits(model.predict(train)) == bits(fitted.predict(train))
