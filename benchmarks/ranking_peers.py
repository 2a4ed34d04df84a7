"""List models of RecTools, implicit and LensKit with their defaults, for `ranking.py`.

A model has its default parameters, and is given the ratings in the form that its documentation uses:
RecTools' README the ratings as weights; implicit's MovieLens example the ratings from 4 on, as ones (its
ALS: weighted by BM25, times 5; its BM25: B = .2); LensKit's models of implicit feedback which items were
rated. Models that take weights are also given the others: the ratings, and ones. The items that a user rated
in training are left out of all lists, whatever the model was given of them.

Left out are models that their authors call experimental (LensKit's FlexMF), or that need more than the
library installs (SASRec and BERT4Rec of RecTools, HPF and LightGCN of LensKit).
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

Array = np.ndarray[Any, Any]

N = 10


@dataclass
class Contender:
    """A model to be fitted and asked for lists.

    Attributes
    ----------
    library, model, data : str
        `data`: what it is given of the ratings.
    fit : callable
        () -> fitted model.
    lists : callable
        (fitted model, codes of users) -> codes of the listed items, int[n_users, N]; -1 beyond the end.
    """

    library: str
    model: str
    data: str
    fit: Callable[[], Any]
    lists: Callable[[Any, Array], Array]


class MissingError(Exception):
    """A library that is not installed."""


def matrices(train: Any) -> dict[str, Any]:
    """What models are given: users x items, float32, by name."""
    shape = len(train.user_ids), len(train.item_ids)
    ratings = sparse.csr_matrix(
        (train.values.astype(np.float32), (train.user_codes, train.item_codes)), shape=shape
    )
    ones, liked = ratings.copy(), ratings.copy()
    ones.data[:] = 1
    liked.data = (liked.data >= 4).astype(np.float32)
    liked.eliminate_zeros()
    return {"ratings": ratings, "ones": ones, "4+ as ones": liked}


def imported(library: str, *modules: str) -> list[Any]:
    """Modules of a library that is quiet from here on.

    Raises
    ------
    MissingError
        It is not installed.
    """
    warnings.filterwarnings("ignore", module=library)
    try:
        found = [importlib.import_module(name) for name in modules]
    except ImportError as error:
        raise MissingError(f"{library} is not installed ({error})") from error
    logging.getLogger(library).setLevel(logging.ERROR)
    return found


# ---------------------------------------------------------------------- implicit


def of_implicit(train: Any) -> Iterator[Contender]:
    """ALS, BPR, logistic factors, and neighbors by cosine, TF-IDF and BM25."""
    als, bpr, lmf, knn, threads = imported(
        "implicit", "implicit.als", "implicit.bpr", "implicit.lmf", "implicit.nearest_neighbours",
        "threadpoolctl",
    )  # fmt: skip
    given = matrices(train)
    weighted = (knn.bm25_weight(given["4+ as ones"], B=0.9) * 5).tocsr().astype(np.float32)
    # As many more entries as a list may lose when the items of lower ratings are left out.
    lower = int(np.max(np.diff(given["ones"].indptr) - np.diff(given["4+ as ones"].indptr)))

    def contender(name: str, make: Callable[[], Any], data: str, matrix: Any, more: int = 0) -> Contender:
        def fit() -> Any:
            model = make()
            with threads.threadpool_limits(1, "blas"):  # as it asks for: it has threads of its own
                model.fit(matrix, show_progress=False)
            return model

        def lists(model: Any, users: Array) -> Array:
            ids, _ = model.recommend(users, matrix[users], N=N + more, filter_already_liked_items=True)
            return unseen(ids, given["ones"], users) if more else ids

        return Contender("implicit", name, data, fit, lists)

    liked = "4+ as ones"
    yield contender("ALS", lambda: als.AlternatingLeastSquares(random_state=0), "4+, BM25", weighted, lower)
    for name, make, data in (
        ("ALS", lambda: als.AlternatingLeastSquares(random_state=0), ("ratings", "ones")),
        ("BPR", lambda: bpr.BayesianPersonalizedRanking(random_state=0), (liked, "ones")),
        ("LMF", lambda: lmf.LogisticMatrixFactorization(random_state=0), (liked, "ones")),
        ("cosine", knn.CosineRecommender, (liked, "ratings", "ones")),
        ("TF-IDF", knn.TFIDFRecommender, (liked, "ratings", "ones")),
        ("BM25", knn.BM25Recommender, ("ratings", "ones")),
        ("BM25, B=.2", lambda: knn.BM25Recommender(B=0.2), (liked,)),
    ):
        for form in data:
            yield contender(name, make, form, given[form], lower if form == liked else 0)


def unseen(ids: Array, seen: Any, users: Array) -> Array:
    """The first N entries of each list that are not among the user's items in `seen`."""
    kept = np.full((len(ids), N), -1)
    for row, user in enumerate(users):
        fresh = ids[row][~np.isin(ids[row], seen.indices[seen.indptr[user] : seen.indptr[user + 1]])][:N]
        kept[row, : len(fresh)] = fresh
    return kept


# ---------------------------------------------------------------------- RecTools


def of_rectools(train: Any) -> Iterator[Contender]:
    """EASE, PureSVD, and implicit's models in their wrappers."""
    models, data_sets, als, knn, pandas = imported(
        "rectools",
        "rectools.models",
        "rectools.dataset",
        "implicit.als",
        "implicit.nearest_neighbours",
        "pandas",
    )

    def frame(values: Array) -> Any:
        return pandas.DataFrame(
            {"user_id": train.user_codes, "item_id": train.item_codes, "weight": values, "datetime": 0}
        ).astype({"datetime": "datetime64[ns]"})

    def contender(name: str, make: Callable[[], Any], data: str, values: Array) -> Contender:
        known = data_sets.Dataset.construct(frame(values))

        def fit() -> Any:
            return make().fit(known)

        def lists(model: Any, users: Array) -> Array:
            found = model.recommend(users=users, dataset=known, k=N, filter_viewed=True)
            kept = np.full((len(users), N), -1)
            row = np.zeros(int(users.max()) + 1, dtype=np.int64)
            row[users] = np.arange(len(users))
            kept[row[found["user_id"].to_numpy()], found["rank"].to_numpy() - 1] = found["item_id"]
            return kept

        return Contender("RecTools", name, data, fit, lists)

    forms = {"ratings": train.values.astype(np.float32), "ones": np.ones(len(train), dtype=np.float32)}
    for name, make in (
        ("Popular", models.PopularModel),
        ("EASE", models.EASEModel),
        ("PureSVD", lambda: models.PureSVDModel(random_state=0)),
        ("ALS", lambda: models.ImplicitALSWrapperModel(als.AlternatingLeastSquares(random_state=0))),
        ("TF-IDF, K=10", lambda: models.ImplicitItemKNNWrapperModel(knn.TFIDFRecommender(K=10))),
        ("cosine", lambda: models.ImplicitItemKNNWrapperModel(knn.CosineRecommender())),
        ("BM25", lambda: models.ImplicitItemKNNWrapperModel(knn.BM25Recommender())),
    ):
        for data, values in forms.items() if name != "Popular" else [("ones", forms["ones"])]:
            yield contender(name, make, data, values)


# ---------------------------------------------------------------------- LensKit


def of_lenskit(train: Any) -> Iterator[Contender]:
    """EASE, SLIM, ALS, neighbors and popularity."""
    data, pipeline, batch, knn, als, basic, pandas = imported(
        "lenskit", "lenskit.data", "lenskit.pipeline", "lenskit.batch", "lenskit.knn", "lenskit.als",
        "lenskit.basic", "pandas",
    )  # fmt: skip
    known = data.from_interactions_df(
        pandas.DataFrame({"user_id": train.user_codes, "item_id": train.item_codes, "rating": train.values})
    )

    def contender(name: str, make: Callable[[], Any], form: str) -> Contender:
        def fit() -> Any:
            made = pipeline.topn_pipeline(make(), n=N)
            made.train(known)
            return made

        def lists(made: Any, users: Array) -> Array:
            found = batch.recommend(made, users.tolist(), N, n_jobs=1)
            kept = np.full((len(users), N), -1)
            row = {user: at for at, user in enumerate(users.tolist())}
            for key, one in found.items():
                kept[row[key.user_id], : len(one)] = one.ids()
            return kept

        return Contender("LensKit", name, form, fit, lists)

    yield contender("Popular", basic.PopScorer, "ones")
    yield contender("EASE", knn.EASEScorer, "ones")
    yield contender("SLIM", knn.SLIMScorer, "ones")
    yield contender("ALS", als.ImplicitMFScorer, "ones")
    yield contender("ALS", lambda: als.ImplicitMFScorer(use_ratings=True), "ratings")
    yield contender("ItemKNN", lambda: knn.ItemKNNScorer(feedback="implicit"), "ones")
    yield contender("UserKNN", lambda: knn.UserKNNScorer(feedback="implicit"), "ones")


#: Distribution -> contenders for training ratings.
LIBRARIES: dict[str, Callable[[Any], Iterator[Contender]]] = {
    "rectools": of_rectools, "implicit": of_implicit, "lenskit": of_lenskit,
}  # fmt: skip
