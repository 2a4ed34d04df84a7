"""Latency of one answer, with ids given as Python values, against other libraries and NumPy by hand.

    pip install '.[bench]'
    python benchmarks/serving.py                 # MovieLens 1M, one thread
    python benchmarks/serving.py --quick         # MovieLens 100K, few calls
    python benchmarks/serving.py --threads 2 --data ml-100k

Median and 99th percentile of single calls in one process, in microseconds: the prediction of a pair, a list
of 10 for a known user, and a list of 10 for a user of whom 20 ratings are given. Contenders alternate in
short bursts, each call with another user. "first" is the first call for a fitted state. Factors have 100
dimensions, and implicit ranks by those of cfcore's SVD; fits are short, as time does not depend on how good
the parameters are. Then lists in four threads, alone and while another thread trains and exchanges the
state of the same model; and pairs and lists per second where many are asked for at once.

With ``--threads 1`` BLAS has one thread too.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import scipy.linalg  # its BLAS must be there when `threadpool_limits` is entered
from lists import by_numpy, implicit_model
from measure import arguments, describe, machine, show, table, write
from threadpoolctl import threadpool_limits

import cfcore as cf

N, N_GIVEN, N_FACTORS = 10, 20, 100
#: Calls of one contender before it is the turn of the next.
BURST = 20
READERS = 4

Call = Callable[[int], Any]


class Service:
    """Models fitted on the same ratings, and questions in Python's own types."""

    def __init__(self, name: str, n_threads: int, quick: bool) -> None:
        self.ratings = cf.datasets.load(name)
        self.n_threads, self.quick = n_threads, quick
        rng = np.random.default_rng(0)
        ratings = self.ratings
        self.users = ratings.user_ids[rng.integers(0, ratings.n_users, 4096)].tolist()
        self.items = ratings.item_ids[rng.integers(0, ratings.n_items, 4096)].tolist()
        rows = ratings.by_user
        self.sessions = []
        for user in rng.integers(0, ratings.n_users, 512):
            own = slice(rows.indptr[user], rows.indptr[user + 1])
            some = rng.permutation(rows.indptr[user + 1] - rows.indptr[user])[:N_GIVEN]
            items, values = ratings.item_ids[rows.indices[own][some]], rows.values[own][some]
            self.sessions.append(dict(zip(items.tolist(), values.tolist(), strict=True)))
        kinds = {
            "SVD": cf.SVD(n_factors=N_FACTORS, n_epochs=2, random_state=0, n_threads=n_threads),
            "ItemKNN": cf.ItemKNN(n_threads=n_threads),
            "RBM": cf.RBM(n_epochs=1, random_state=0, n_threads=n_threads),
            "EASE": cf.EASE(n_threads=n_threads),
        }
        self.models = {name: model.fit(ratings) for name, model in kinds.items()}

    # ------------------------------------------------------------------ questions

    def user(self, k: int) -> Any:
        """The user of call `k`, of users that come back after 4,096 calls."""
        return self.users[k % len(self.users)]

    def item(self, k: int) -> Any:
        """The item of call `k`."""
        return self.items[k * 7 % len(self.items)]

    def session(self, k: int) -> dict[Any, float]:
        """The ratings given in call `k`."""
        return self.sessions[k % len(self.sessions)]

    # ------------------------------------------------------------------ contenders

    def ours(self, how: Callable[[Any], Call]) -> dict[str, Call]:
        """The models of cfcore; the first call is for a state that has derived nothing yet."""
        return {name: how(model.with_parameters()) for name, model in self.models.items()}

    def pairs(self) -> dict[str, Call]:
        """Predictions of a pair."""
        found = self.ours(self._predict)
        svd = self.models["SVD"]
        user_code = {user: code for code, user in enumerate(svd.user_ids_.tolist())}
        item_code = {item: code for code, item in enumerate(svd.item_ids_.tolist())}
        users, items, mean = svd.user_factors_, svd.item_factors_, svd.mean_
        user_bias, item_bias, (low, high) = svd.user_bias_, svd.item_bias_, svd.scale_

        def by_hand(k: int) -> float:
            u, i = user_code[self.user(k)], item_code[self.item(k)]
            return min(max(float(mean + user_bias[u] + item_bias[i] + users[u] @ items[i]), low), high)

        found["NumPy by hand"] = by_hand
        with suppress(ImportError):
            import surprise

            ratings = self.ratings
            rows = zip(ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist(), strict=True)
            reader = surprise.Reader(rating_scale=(low, high))
            train = surprise.Dataset(reader).construct_trainset([(*row, None) for row in rows])
            peer = surprise.SVD(n_factors=N_FACTORS, n_epochs=1).fit(train)
            found["scikit-surprise SVD"] = lambda k: peer.predict(self.user(k), self.item(k)).est
        return found

    def _predict(self, model: Any) -> Call:
        return lambda k: model.predict(self.user(k), self.item(k))

    def lists(self) -> dict[str, Call]:
        """Lists for a known user."""
        found = self.ours(self._recommend)
        svd = self.models["SVD"]
        code = {user: k for k, user in enumerate(svd.user_ids_.tolist())}
        items, bias, seen, bounds = svd.item_factors_, svd.item_bias_, svd.seen_items_, svd.seen_indptr_
        users, ids = svd.user_factors_, svd.item_ids_

        def by_hand(k: int) -> Any:
            u = code[self.user(k)]
            scores = items @ users[u]
            scores += bias
            scores[seen[bounds[u] : bounds[u + 1]]] = -np.inf
            best = np.argpartition(scores, len(scores) - N)[-N:]
            return ids[best[np.argsort(-scores[best])]]

        found["NumPy by hand"] = by_hand
        peer = implicit_model(svd, self.n_threads)
        if peer is not None:
            rows = self._rows()
            found["implicit, factors of SVD"] = lambda k: peer.recommend(
                code[self.user(k)], rows[code[self.user(k)]], N=N, filter_already_liked_items=True
            )
        return found

    def _recommend(self, model: Any) -> Call:
        return lambda k: model.recommend(self.user(k), n=N)

    def _rows(self) -> list[Any]:
        """The ratings of each user as a matrix of one row, made before the calls."""
        from scipy import sparse

        rows = self.ratings.by_user
        whole = sparse.csr_matrix(
            (rows.values, rows.indices, rows.indptr), (self.ratings.n_users, self.ratings.n_items)
        )
        return [whole[k] for k in range(whole.shape[0])]

    def given(self) -> dict[str, Call]:
        """Lists for a user of whom ratings are given."""
        found = self.ours(self._given)
        with suppress(ImportError):
            found["implicit ALS, recalculate_user"] = self._implicit()
        with suppress(ImportError):
            found["LensKit BiasedMF"] = self._lenskit()
        return found

    def _given(self, model: Any) -> Call:
        return lambda k: model.recommend(given=self.session(k), n=N)

    def _implicit(self) -> Call:
        from implicit.cpu.als import AlternatingLeastSquares
        from scipy import sparse

        rows, n_items = self.ratings.by_user, self.ratings.n_items
        columns = (np.array(one) for one in (rows.values, rows.indices, rows.indptr))  # that can be written
        whole = sparse.csr_matrix(tuple(columns), (self.ratings.n_users, n_items))
        peer = AlternatingLeastSquares(N_FACTORS, iterations=1, num_threads=self.n_threads, random_state=0)
        peer.fit(whole, show_progress=False)
        code = {item: k for k, item in enumerate(self.ratings.item_ids.tolist())}

        def answer(k: int) -> Any:
            given = self.session(k)
            columns = [code[item] for item in given]
            row = sparse.csr_matrix((list(given.values()), columns, [0, len(columns)]), (1, n_items))
            return peer.recommend(0, row.astype(np.float32), N=N, recalculate_user=True)

        return answer

    def _lenskit(self) -> Call:
        import pandas as pd
        from lenskit import recommend
        from lenskit.als import BiasedMFScorer
        from lenskit.data import ItemList, RecQuery, from_interactions_df
        from lenskit.pipeline import topn_pipeline

        ratings = self.ratings
        columns = {"user_id": ratings.users, "item_id": ratings.items, "rating": ratings.values}
        peer = topn_pipeline(BiasedMFScorer(embedding_size=N_FACTORS, epochs=1), n=N)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer.train(from_interactions_df(pd.DataFrame(columns)))

        def answer(k: int) -> Any:
            given = self.session(k)
            rated = ItemList(item_ids=list(given), rating=list(given.values()))
            return recommend(peer, RecQuery(user_items=rated), n=N)

        return answer


# ---------------------------------------------------------------------- latency


def latencies(contenders: Mapping[str, Call], n_calls: int, budget: float) -> dict[str, Any]:
    """Seconds of the calls of each contender; one that has taken `budget` seconds is not called again."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    first = {}
    for name, call in contenders.items():
        start = time.perf_counter()
        call(0)
        first[name] = time.perf_counter() - start
    for begin in range(1, n_calls + 1, BURST):
        for name, call in contenders.items():
            taken = found[name]
            if sum(taken) > budget:
                continue
            for k in range(begin, begin + BURST):
                start = time.perf_counter()
                call(k)
                taken.append(time.perf_counter() - start)
    return {name: summary(taken) | {"first": first[name]} for name, taken in found.items()}


def summary(taken: list[float]) -> dict[str, float]:
    """Median and 99th percentile, and the number of calls."""
    return {"p50": float(np.median(taken)), "p99": float(np.quantile(taken, 0.99)), "calls": len(taken)}


def under_load(service: Service, seconds: float) -> dict[str, Any]:
    """Latency of lists in four threads, alone and while another thread trains and exchanges the state."""
    model = service.models["SVD"]
    some = service.ratings.subset(slice(0, 2000))
    found = {}
    for kind in ("four readers", "beside partial_fit"):
        done, taken, swaps = threading.Event(), [], 0
        columns: list[list[float]] = [[] for _ in range(READERS)]

        def read(own: list[float], first: int, done: threading.Event = done) -> None:
            for k in itertools.count(first):
                if done.is_set():
                    return
                start = time.perf_counter()
                model.recommend(service.user(k), n=N)
                own.append(time.perf_counter() - start)

        threads = [threading.Thread(target=read, args=(own, 97 * k)) for k, own in enumerate(columns)]
        for thread in threads:
            thread.start()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            if kind == "four readers":
                time.sleep(seconds / 20)
            else:
                model.partial_fit(some, n_epochs=1)
                swaps += 1
        done.set()
        for thread in threads:
            thread.join()
        taken = [one for own in columns for one in own]
        found[kind] = summary(taken) | {"lists_per_second": len(taken) / seconds, "swaps": swaps}
    return found


# ---------------------------------------------------------------------- throughput


def throughput(service: Service, repeats: int) -> dict[str, Any]:
    """Pairs and lists per second where many are asked for in one call."""
    rng = np.random.default_rng(1)
    n = 20_000 if service.quick else 1_000_000
    ratings, found = service.ratings, {}
    for name, model in service.models.items():
        some = n if name in ("SVD", "EASE") else n // 20
        users = ratings.user_ids[rng.integers(0, ratings.n_users, some)]
        items = ratings.item_ids[rng.integers(0, ratings.n_items, some)]
        asked = ratings.user_ids[: None if name in ("SVD", "EASE") else 200]
        found[name] = {
            "pairs_per_second": rate(
                lambda model=model, u=users, i=items: model.predict(u, i), some, repeats
            ),
            "lists_per_second": rate(
                lambda model=model, u=asked: model.recommend(u, n=N), len(asked), repeats
            ),
        }
    svd, codes = service.models["SVD"], np.arange(ratings.n_users)
    found["NumPy by hand"] = {"lists_per_second": rate(lambda: by_numpy(svd, codes), len(codes), repeats)}
    peer = implicit_model(svd, service.n_threads)
    if peer is not None:
        from scipy import sparse

        seen = sparse.csr_matrix(
            (np.ones(len(svd.seen_items_), dtype=np.float32), svd.seen_items_, svd.seen_indptr_),
            (ratings.n_users, ratings.n_items),
        )
        found["implicit, factors of SVD"] = {
            "lists_per_second": rate(
                lambda: peer.recommend(codes, seen, N=N, filter_already_liked_items=True), len(codes), repeats
            )
        }
    return found


def rate(call: Callable[[], Any], n: int, repeats: int) -> float:
    """Answers per second, the best of some calls after a first one."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return n / min(times[1:])


def main() -> None:
    parser = arguments("Latency of one answer")
    parser.add_argument("--data", help="data set (ml-1m)")
    parser.add_argument("--threads", type=int, default=1, help="threads of models and of BLAS (1)")
    options = parser.parse_args()
    scipy.linalg.norm(np.ones(2))
    facts = machine()
    print(describe(facts) + "\n")
    name = options.data or ("ml-100k" if options.quick else "ml-1m")
    report: dict[str, Any] = {"machine": facts, "data": name, "threads": options.threads}
    with threadpool_limits(options.threads):
        service = Service(name, options.threads, options.quick)
        n_calls, budget = (60, 0.5) if options.quick else (4000, 4.0)
        titles = {"pair": "predict(user, item)", "list": f"recommend(user, n={N})",
                  "given": f"recommend(given={{... {N_GIVEN} ratings}}, n={N})"}  # fmt: skip
        for part, contenders in (
            ("pair", service.pairs()), ("list", service.lists()), ("given", service.given())
        ):  # fmt: skip
            found = report[part] = latencies(contenders, n_calls, budget)
            rows = [
                [who, *(show(1e6 * one[column], "{:,.1f}") for column in ("p50", "p99", "first"))]
                for who, one in found.items()
            ]
            print(table([f"{name}, {titles[part]}", "p50 us", "p99 us", "first us"], rows) + "\n")
            sys.stdout.flush()
        found = report["load"] = under_load(service, 0.5 if options.quick else 8.0)
        rows = [
            [kind, show(1e6 * one["p50"], "{:,.0f}"), show(1e6 * one["p99"], "{:,.0f}"),
             show(one["lists_per_second"], "{:,.0f}"), one["swaps"]]
            for kind, one in found.items()
        ]  # fmt: skip
        print(table(["SVD, lists in four threads", "p50 us", "p99 us", "lists/s", "exchanges"], rows) + "\n")
        found = report["throughput"] = throughput(service, 1 if options.quick else 3)
        rows = [
            [who, *(show(one.get(f"{what}_per_second"), "{:,.0f}") for what in ("pairs", "lists"))]
            for who, one in found.items()
        ]
        print(table(["many in one call", "pairs/s", "lists/s"], rows))
    write(options.json, report)


if __name__ == "__main__":
    main()
