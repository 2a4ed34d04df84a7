"""`cfcore.distributed.fit` gives the bits of a fit in one process."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.distributed import fit_blocks

MODELS = {
    "SVD": lambda: cf.SVD(n_factors=8, n_epochs=7, random_state=0),
    "SVD in double": lambda: cf.SVD(n_factors=5, n_epochs=3, dtype="float64", random_state=0),
    "SVD without biases": lambda: cf.SVD(n_factors=5, n_epochs=4, biased=False, random_state=0),
    "SVDpp": lambda: cf.SVDpp(n_factors=8, n_epochs=2, random_state=0),
    "AsymmetricSVD": lambda: cf.AsymmetricSVD(n_factors=8, n_epochs=2, random_state=0),
    "TimeSVDpp": lambda: cf.TimeSVDpp(n_factors=6, n_epochs=2, random_state=0),
    "ALS": lambda: cf.ALS(n_factors=8, n_epochs=3, random_state=0),
    "ALS of columns for several workers": lambda: cf.ALS(n_factors=20, n_epochs=2, random_state=0),
    "ALS without sets": lambda: cf.ALS(n_factors=8, n_epochs=3, sets=None, random_state=0),
    "BayesianSVD": lambda: cf.BayesianSVD(n_factors=6, burn_in=3, n_samples=4, random_state=0),
    "BayesianSVD of columns for several workers": lambda: cf.BayesianSVD(
        n_factors=20, burn_in=2, n_samples=2, random_state=0
    ),
    "BayesianSVD, two chains": lambda: cf.BayesianSVD(
        n_factors=4, burn_in=2, n_samples=2, n_chains=2, likelihood="ordinal", random_state=0
    ),
    "BayesianSVD that ends by R-hat": lambda: cf.BayesianSVD(
        n_factors=4, burn_in=2, stop_at_r_hat=90, random_state=0
    ),
    "RBM": lambda: cf.RBM(n_hidden=10, n_epochs=2, random_state=0),
    "RBM with persistent chains": lambda: cf.RBM(n_hidden=8, n_epochs=2, sampler="pcd", random_state=0),
    "ItemKNN": lambda: cf.ItemKNN(),
    "UserKNN of few neighbours": lambda: cf.UserKNN(storage=30),
    "ItemKNN of means": lambda: cf.ItemKNN(similarity="pearson", center="mean"),
    "EASE": lambda: cf.EASE(),
    "Baseline": lambda: cf.Baseline(),
    "Baseline by descent": lambda: cf.Baseline(method="sgd", n_epochs=3, random_state=0),
    "Popularity": lambda: cf.Popularity(),
    "Blend": lambda: cf.Blend(
        [cf.Baseline(), cf.ALS(n_factors=4, n_epochs=2, random_state=0)], random_state=0
    ),
}  # fmt: skip


def differing(one: Any, other: Any) -> list[str]:
    """Fitted attributes of two models whose bits differ."""
    names = [name for name in dir(one) if name.endswith("_") and not name.startswith("_")]
    return [name for name in names if not same(getattr(one, name), getattr(other, name))]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and one.dtype != object:
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, (dict, float, str, int)) or one is None:
        return repr(one) == repr(other)
    return True  # members of a blend are compared by their predictions


@pytest.fixture(autouse=True)
def divided(monkeypatch: Any) -> None:
    """Have small data divided between workers, which takes longer than not to."""
    monkeypatch.setattr(fit_blocks, "LATENCY", 0.0)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.filterwarnings("ignore::cfcore.errors.ConvergenceWarning", "ignore:.*there are no timestamps")
def test_bits_are_those_of_a_fit_in_one_process(name: str, client: Any, train: cf.Ratings) -> None:
    local = MODELS[name]().fit(train)
    model = MODELS[name]()
    assert cf.distributed.fit(model, train, client=client) is model
    assert differing(local, model) == []
    users, items = train.user_ids[train.user_codes[:500]], train.item_ids[train.item_codes[:500]]
    np.testing.assert_array_equal(model.predict(users, items), local.predict(users, items))


def test_steps_of_conjugate_gradients_run_in_this_process(client: Any, train: cf.Ratings) -> None:
    local, model = (cf.ALS(n_factors=8, n_epochs=3, solver="cg", random_state=0) for _ in range(2))
    local.fit(train)
    with pytest.warns(cf.errors.DataWarning, match="pass solver='cholesky' to run them there"):
        cf.distributed.fit(model, train, client=client)
    assert differing(local, model) == []


def test_weights_validation_and_early_stopping(client: Any, train: cf.Ratings) -> None:
    rng = np.random.default_rng(0)
    rows = rng.random(len(train)) < 0.9
    some, rest = train.subset(rows), train.subset(~rows)
    options = {"validation": rest, "early_stopping": 1}
    weights = rng.uniform(0.5, 2, len(some))
    for make, more in (
        (lambda: cf.ALS(n_factors=6, n_epochs=8, reg=0.01, random_state=0), {"weights": weights}),
        (lambda: cf.SVD(n_factors=12, n_epochs=30, lr=0.08, lr_decay=1.0, reg=0.0, random_state=0), {}),
    ):
        local = make().fit(some, **options, **more)
        assert local.n_epochs_ < len(local.history_["train_rmse"])  # it stopped early
        assert differing(local, cf.distributed.fit(make(), some, **options, **more)) == []


def test_training_that_diverges_keeps_the_same_epoch(client: Any, train: cf.Ratings) -> None:
    def make() -> Any:
        return cf.SVD(n_factors=8, n_epochs=30, lr=0.02, lr_decay=1.25, random_state=0)

    with pytest.warns(cf.errors.ConvergenceWarning, match="diverged in epoch") as told:
        local = make().fit(train)
    assert 2 < local.n_epochs_ < 30
    with pytest.warns(cf.errors.ConvergenceWarning) as here:
        found = cf.distributed.fit(make(), train)
    assert differing(local, found) == []
    assert [str(one.message) for one in here] == [str(one.message) for one in told]


def test_plain_columns_and_the_current_client(client: Any) -> None:
    columns = (["ann", "ann", "bob", "eve"], ["x", "y", "x", "y"], [5, 4, 3, 2])
    local = cf.SVD(n_factors=2, random_state=0).fit(columns)
    assert differing(local, cf.distributed.fit(cf.SVD(n_factors=2, random_state=0), columns)) == []


@pytest.mark.parametrize("name", ["SVD", "ALS", "BayesianSVD", "ItemKNN"])
def test_ratings_in_files(name: str, client: Any, train: cf.Ratings, tmp_path: Path) -> None:
    opened = cf.Ratings.open(train.save_shards(tmp_path / "shards", shard_size=2_000))
    before = sorted((tmp_path / "shards").iterdir())
    assert differing(MODELS[name]().fit(train), cf.distributed.fit(MODELS[name](), opened)) == []
    gc.collect()
    assert sorted((tmp_path / "shards").iterdir()) == before
