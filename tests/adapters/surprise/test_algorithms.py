"""Algorithms as people use and extend them: predictions, details, messages, own algorithms, errors."""

from __future__ import annotations

import gc
import heapq
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

from cfcore.adapters.surprise import algorithms as surprise
from cfcore.adapters.surprise import similarities
from cfcore.adapters.surprise.columns import first_seen
from cfcore.adapters.surprise.trainset import Trainset
from tests.adapters.surprise.cases import half_stars

BUILT_IN: list[Any] = [
    lambda: surprise.BaselineOnly(verbose=False),
    lambda: surprise.KNNBasic(k=5, min_k=2, verbose=False),
    lambda: surprise.KNNWithMeans(k=5, verbose=False),
    lambda: surprise.KNNWithZScore(k=5, verbose=False),
    lambda: surprise.KNNBaseline(k=5, verbose=False, sim_options={"user_based": False}),
    lambda: surprise.SVD(random_state=0),
    lambda: surprise.SVD(random_state=0, biased=False),
    lambda: surprise.SVDpp(random_state=0, n_epochs=2),
    lambda: surprise.NMF(random_state=0),
    lambda: surprise.SlopeOne(),
    lambda: surprise.CoClustering(random_state=0),
]


@pytest.fixture
def trainset() -> Trainset:
    rows, _, scale = half_stars()
    users, items, ratings = zip(*rows, strict=True)
    return Trainset.from_codes(first_seen(users), first_seen(items), np.array(ratings), scale)


@pytest.mark.parametrize("make", BUILT_IN)
def test_a_test_set_is_predicted_as_its_rows_one_by_one(make: Any, trainset: Trainset) -> None:
    test_set = half_stars()[1]
    algo = make()
    assert algo.fit(trainset) is algo
    assert [repr(one) for one in algo.test(test_set)] == [repr(algo.predict(*row)) for row in test_set]


@pytest.mark.parametrize("make", BUILT_IN)
def test_an_algorithm_is_pickled(make: Any, trainset: Trainset) -> None:
    algo, test_set = make().fit(trainset), half_stars()[1]
    assert pickle.loads(pickle.dumps(algo)).test(test_set) == algo.test(test_set)


def test_rows_of_any_kind_are_predicted(trainset: Trainset) -> None:
    algo = surprise.SVD(random_state=0).fit(trainset)
    rows = [("u1", "i1", None), ["u2", "i2", 3], ("u1", "new", 2.5)]
    assert algo.test(iter(rows)) == algo.test(tuple(rows)) == [algo.predict(*row) for row in rows]
    assert algo.test([]) == []
    with pytest.raises(ValueError, match="not enough values to unpack"):
        algo.test([("u1", "i1")])
    with pytest.raises(ValueError, match="too many values to unpack"):
        algo.test([("u1", "i1", 3, 4)])
    with pytest.raises(TypeError, match="unhashable"):
        algo.test([(["u1"], "i1", 3)])


def test_a_prediction_prints_itself(trainset: Trainset, capsys: pytest.CaptureFixture[str]) -> None:
    one = surprise.Prediction("ann", 12, None, 3.14159, {"was_impossible": False})
    assert (
        str(one) == "user: ann        item: 12         r_ui = None   est = 3.14   {'was_impossible': False}"
    )
    assert repr(one).startswith("Prediction(uid='ann', iid=12, r_ui=None, est=3.14159, details={")
    uid, iid, r_ui, est, details = one
    assert (uid, iid, r_ui, est, details) == tuple(one)
    algo = surprise.BaselineOnly(verbose=False).fit(trainset)
    found = algo.test([("u1", "i1", 3)], verbose=True)
    assert capsys.readouterr().out == f"{found[0]}\n"
    assert "r_ui = 3.00" in str(found[0])


def test_messages(trainset: Trainset, capsys: pytest.CaptureFixture[str]) -> None:
    surprise.KNNBaseline(sim_options={"name": "pearson_baseline"}).fit(trainset)
    surprise.SVD(n_epochs=1, verbose=True).fit(trainset)
    surprise.SVDpp(n_epochs=1, verbose=True).fit(trainset)
    assert capsys.readouterr().out.splitlines() == [
        "Estimating biases using als...",
        "Computing the pearson_baseline similarity matrix...",
        "Done computing similarity matrix.",
        "Processing epoch 0",
        " processing epoch 0",
    ]


class Own(surprise.AlgoBase):
    """The baseline, 100 for one user, and a detail; an unknown user or item is impossible."""

    def fit(self, trainset: Trainset) -> Own:
        super().fit(trainset)
        self.bu, self.bi = self.compute_baselines()
        self.sim = self.compute_similarities()
        return self

    def estimate(self, u: Any, i: Any) -> Any:
        if not (self.trainset.knows_user(u) and self.trainset.knows_item(i)):
            raise surprise.PredictionImpossible("User and/or item is unknown.")
        near = [(v, self.sim[u, v]) for v, _ in self.trainset.ir[i]]
        near = heapq.nlargest(3, near, key=lambda pair: pair[1])
        return 100.0 if u == 0 else self.bu[u] + self.bi[i] + self.trainset.global_mean, {"near": len(near)}


def test_an_own_algorithm(trainset: Trainset) -> None:
    algo = Own(sim_options={"name": "cosine"}, bsl_options={"method": "sgd"}).fit(trainset)
    first, second, unknown = algo.test(
        [("u44", "i1", 3), (trainset.to_raw_uid(0), "i1", 3), ("new", "i1", 3)]
    )
    assert first.details == {"near": 3, "was_impossible": False}
    assert second.est == trainset.rating_scale[1]
    assert unknown.details == {"was_impossible": True, "reason": "User and/or item is unknown."}
    assert unknown.est == algo.default_prediction() == trainset.global_mean
    assert algo.compute_baselines() == (algo.bu, algo.bi)
    assert algo.predict(trainset.to_raw_uid(0), "i1", clip=False).est == 100


def test_overridden_methods_are_called(trainset: Trainset) -> None:
    class Lower(surprise.SVD):
        def estimate(self, u: Any, i: Any) -> Any:
            return super().estimate(u, i) - 1

    class Elsewhere(surprise.KNNBasic):
        def default_prediction(self) -> float:
            return 1.25

    class Twice(surprise.SlopeOne):
        def predict(self, *args: Any, **kwargs: Any) -> Any:
            return surprise.Prediction(*args[:2], "seen", 3, {})

    row = [("u1", "i1", 3.0), ("new", "i1", 3.0)]
    plain = surprise.SVD(random_state=0).fit(trainset).test(row)
    assert [one.est for one in Lower(random_state=0).fit(trainset).test(row)] == [
        one.est - 1 for one in plain
    ]
    assert Elsewhere(verbose=False).fit(trainset).test(row)[1].est == 1.25
    assert [one.r_ui for one in Twice().fit(trainset).test(row)] == ["seen", "seen"]
    patched = surprise.SVD(random_state=0).fit(trainset)
    patched.estimate = lambda u, i: 2  # type: ignore[method-assign]
    assert [one.est for one in patched.test(row)] == [2, 2]


def test_attributes_that_are_replaced_count(trainset: Trainset) -> None:
    algo = surprise.KNNWithMeans(verbose=False, k=3).fit(trainset)
    test_set = half_stars()[1]
    algo.sim = np.eye(trainset.n_users)
    alone = algo.test(test_set)
    assert {one.details.get("actual_k") for one in alone} <= {0, 1, None}
    assert alone == [algo.predict(*row) for row in test_set]
    algo.sim = np.where(np.eye(trainset.n_users), np.nan, 0.5)
    assert algo.test(test_set) == [algo.predict(*row) for row in test_set]
    factors = surprise.SVD(random_state=0).fit(trainset)
    factors.pu = np.zeros_like(factors.pu)
    assert factors.test([("u1", "i1", 3)])[0].est == pytest.approx(
        trainset.global_mean
        + factors.bu[trainset.to_inner_uid("u1")]
        + factors.bi[trainset.to_inner_iid("i1")]
    )
    factors.pu = factors.pu[:2]
    with pytest.raises(ValueError, match="one row for each user or item"):
        factors.test(test_set)


def test_neighbors_come_in_the_order_of_a_heap(trainset: Trainset) -> None:
    algo = surprise.KNNBasic(verbose=False, sim_options={"name": "cosine", "user_based": False}).fit(trainset)
    found = algo.get_neighbors(0, 5)
    others = [(x, algo.sim[0, x]) for x in trainset.all_items() if x != 0]
    assert found == [x for x, _ in heapq.nlargest(5, others, key=lambda pair: pair[1])]
    assert len(algo.get_neighbors(0, 1000)) == trainset.n_items - 1
    assert algo.xr[0] == trainset.ir[0]
    assert algo.yr[0] == trainset.ur[0]
    assert algo.switch("u", "i") == ("i", "u")


def test_similarities_of_lists() -> None:
    yr = {7: [(0, 1.0), (1, 2.0)], 3: [(1, 4.0), (0, 5.0), (2, 1.0)]}
    squares = similarities.msd(4, yr, 1)
    assert squares[0, 1] == 1 / (1 + (1 + 1) / 2)
    assert squares[0, 3] == 0
    assert similarities.cosine(n_x=4, yr=yr, min_support=2)[0, 2] == 0
    assert np.array_equal(np.diag(similarities.pearson(4, yr, 1)), np.ones(4))
    with pytest.raises(ValueError, match="yr has 2 in its lists"):
        similarities.cosine(2, yr, 1)
    with pytest.raises(ValueError, match="y_biases has 4 numbers"):
        similarities.pearson_baseline(4, yr, 1, 3.0, np.zeros(4), np.zeros(4))
    with pytest.raises(ZeroDivisionError):
        similarities.cosine(2, {0: [(0, 0.0), (1, 0.0)]}, 1)


def test_errors_of_options(trainset: Trainset) -> None:
    with pytest.raises(NameError, match="Wrong sim name foo"):
        surprise.KNNBasic(sim_options={"name": "foo"}, verbose=False).fit(trainset)
    with pytest.raises(ValueError, match="Invalid method foo for baseline computation"):
        surprise.BaselineOnly(bsl_options={"method": "foo"}, verbose=False).fit(trainset)
    with pytest.raises(ValueError, match="Wrong random state"):
        surprise.SVD(random_state="0").fit(trainset)
    with pytest.raises(ValueError, match="init_low should be greater than zero"):
        surprise.NMF(init_low=-1)
    with pytest.raises(TypeError):
        surprise.SVD(n_epochs=1.5).fit(trainset)
    with pytest.raises(ZeroDivisionError, match="min_k=1"):
        surprise.KNNBasic(min_k=0, k=0, verbose=False).fit(trainset).predict("u1", "i1")


def test_without_factors_there_are_biases(trainset: Trainset) -> None:
    rows = half_stars()[1]
    of_svd = surprise.SVD(n_factors=0, lr_all=0.007).fit(trainset).test(rows)
    assert surprise.SVDpp(n_factors=0).fit(trainset).test(rows) == of_svd
    assert len({row.est for row in of_svd}) > 5


def test_a_training_set_by_hand() -> None:
    ur = {1: [(0, 4.0), (1, 2.5)], 0: [(1, 5.0), (0, 3.0)]}
    ir = {1: [(1, 2.5), (0, 5.0)], 0: [(1, 4.0), (0, 3.0)]}
    raw = ({"a": 0, "b": 1}, {"x": 0, "y": 1})
    by_hand = Trainset(ur, ir, 2, 2, 4, (1, 5), *raw)
    read = Trainset.from_codes(
        ({"b": 0, "a": 1}, np.array([0, 0, 1, 1], dtype=np.int32)),
        ({"x": 0, "y": 1}, np.array([0, 1, 1, 0], dtype=np.int32)),
        np.array([4.0, 2.5, 5.0, 3.0]),
        (1, 5),
    )
    for make in BUILT_IN[:5] + BUILT_IN[9:10]:
        one, other = make().fit(by_hand), make().fit(read)
        assert [one.predict(u, i).est for u in "ab" for i in "xy"] == pytest.approx(
            [other.predict(u, i).est for u in "ab" for i in "xy"], rel=1e-12
        )


def test_sums_are_in_the_order_of_a_dict() -> None:
    rng = np.random.RandomState(0)
    lists = {y: [(x, rng.uniform(1, 5)) for x in rng.permutation(6)[:5].tolist()] for y in range(30)}
    given = {y: lists[y] for y in rng.permutation(30).tolist()}
    ur: dict[int, list[tuple[int, float]]] = {x: [] for x in range(6)}
    for y, entries in given.items():
        for x, rating in entries:
            ur[x].append((y, rating))
    ids = ({str(x): x for x in range(6)}, {str(y): y for y in range(30)})
    by_hand = Trainset(ur, given, 6, 30, 150, (1, 5), *ids)
    algo = surprise.KNNBaseline(verbose=False, sim_options={"name": "pearson_baseline"}).fit(by_hand)
    expected = similarities.pearson_baseline(6, given, 1, by_hand.global_mean, algo.bu, algo.bi)
    assert np.array_equal(algo.sim, expected)
    ascending = dict(sorted(given.items()))
    other = similarities.pearson_baseline(6, ascending, 1, by_hand.global_mean, algo.bu, algo.bi)
    assert not np.array_equal(other, expected)
    np.testing.assert_allclose(other, expected, rtol=1e-9)


def test_the_random_predictor_draws_as_numpy_is_seeded(trainset: Trainset) -> None:
    algo, test_set = surprise.NormalPredictor().fit(trainset), half_stars()[1]
    np.random.seed(1)  # noqa: NPY002
    at_once = algo.test(test_set)
    np.random.seed(1)  # noqa: NPY002
    assert at_once == [algo.predict(*row) for row in test_set]


class Node:
    """An id that refers to the list that it is in."""

    held: Any = None


@pytest.mark.parametrize("anti", [True, False])
def test_rows_in_a_cycle_are_collected(anti: bool) -> None:
    nodes = [Node() for _ in range(4)]
    ratings = np.array([1.0, 2.0, 3.0, 5.0])
    trainset = Trainset.from_codes(first_seen(nodes), first_seen(["a", "b", "a", "b"]), ratings, (1, 5))
    rows: Any = trainset.build_anti_testset()
    if not anti:
        rows = surprise.BaselineOnly(verbose=False).fit(trainset).test(rows)
    assert len(rows) == 4
    nodes[0].held = rows
    found = weakref.ref(nodes[0])
    del nodes, trainset, rows
    gc.collect()
    assert found() is None


def test_rows_of_plain_ids_are_not_visited_by_the_collector(trainset: Trainset) -> None:
    rows = trainset.build_anti_testset()
    found = surprise.SVD(random_state=0).fit(trainset).test(rows)
    assert not any(map(gc.is_tracked, (rows, rows[0], found, found[0], found[0].details)))
    with pytest.raises(TypeError):
        hash(found[0])  # for its details
    assert type(found) is list
    assert [*found, found[0]][-1] is found[0]
