"""Lists of the best items for many users: `recommend` against NumPy and against implicit.

    python benchmarks/lists.py                   # all users of MovieLens 1M, lists of 10, seen items excluded
    python benchmarks/lists.py --memory          # memory for a million users of 20,000 items
    python benchmarks/lists.py --quick           # MovieLens 100K, and fewer users

All rank by the same factors, those of an SVD with default hyper-parameters; EASE has a table of its own,
from calls of EASE and SVD in turn. NumPy multiplies factors block by block (BLAS on the same number of
threads), adds biases, removes seen items, and sorts the result of argpartition. For implicit the biases are
two further factors. cfcore makes an item layout at the first call for a model, which has its own column.
"""

from __future__ import annotations

import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import alternate, arguments, describe, machine, seconds, show, table, write
from threadpoolctl import threadpool_limits

import cfcore as cf

N = 10


def by_numpy(model: Any, users: Any) -> tuple[Any, Any]:
    """Codes and scores of the lists of known users, by product and argpartition."""
    items = np.flatnonzero(model.item_counts_)
    columns = np.ascontiguousarray(model.item_factors_[items].T)
    bias = (model.item_bias_[items] + np.float32(model.mean_)).astype(np.float32)
    column = np.full(len(model.item_ids_), -1)
    column[items] = np.arange(len(items))
    codes, scores = [], []
    for begin in range(0, len(users), 512):
        block = users[begin : begin + 512]
        values = model.user_factors_[block] @ columns
        values += bias
        values += model.user_bias_[block, None]
        starts, stops = model.seen_indptr_[block], model.seen_indptr_[block + 1]
        rows = np.repeat(np.arange(len(block)), stops - starts)
        seen = np.concatenate([model.seen_items_[a:b] for a, b in zip(starts, stops, strict=True)])
        values[rows, column[seen]] = -np.inf
        part = np.argpartition(values, values.shape[1] - N, axis=1)[:, -N:]
        found = np.take_along_axis(values, part, axis=1)
        order = np.argsort(-found, axis=1)
        codes.append(items[np.take_along_axis(part, order, axis=1)])
        scores.append(np.take_along_axis(found, order, axis=1))
    return np.concatenate(codes), np.concatenate(scores)


def implicit_model(model: Any, n_threads: int) -> Any:
    """A model of implicit with the factors of `model`, or None if it is not installed."""
    try:
        from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
    except ImportError:
        return None

    class Ours(MatrixFactorizationBase):
        def fit(self, *_: Any, **__: Any) -> None: ...

        def save(self, *_: Any, **__: Any) -> None: ...

    peer = Ours(num_threads=n_threads)
    one = np.ones((len(model.user_ids_), 1), dtype=np.float32)
    peer.user_factors = np.hstack([model.user_factors_, one, model.user_bias_[:, None]])
    one = np.ones((len(model.item_ids_), 1), dtype=np.float32)
    peer.item_factors = np.hstack([model.item_factors_, model.item_bias_[:, None], one])
    return peer


def compare(name: str, n_factors: int, repeats: int) -> dict[str, Any]:
    """Times of all contenders on one and on two threads."""
    from scipy import sparse

    ratings = cf.datasets.load(name)
    model = cf.SVD(n_factors=n_factors, random_state=0, verbose=0).fit(ratings)
    users = np.arange(len(model.user_ids_))
    seen = sparse.csr_matrix(
        (np.ones(len(model.seen_items_), dtype=np.float32), model.seen_items_, model.seen_indptr_),
        shape=(len(users), len(model.item_ids_)),
    )
    codes, scores = by_numpy(model, users)
    ids, ours = model.recommend(model.user_ids_, n=N)
    began = time.perf_counter()
    ease = cf.EASE().fit(ratings)
    ease_fit = time.perf_counter() - began
    same = float(np.mean(model.item_ids_[codes] == ids))
    rows = {}
    for n_threads in (1, 2):
        model.set_params(n_threads=n_threads)
        ease.set_params(n_threads=n_threads)
        peer = implicit_model(model, n_threads)

        def numpy_lists(n_threads: int = n_threads) -> float:
            with threadpool_limits(n_threads):
                return seconds(lambda: by_numpy(model, users))

        def peer_lists(peer: Any = peer) -> float:
            with threadpool_limits(1):  # as implicit demands: it has its own threads
                return seconds(lambda: peer.recommend(users, seen, N=N, filter_already_liked_items=True))

        def our_lists(n_threads: int = n_threads, *, first: bool = False) -> float:
            ours = model.with_parameters() if first else model  # a new state has no layout
            with threadpool_limits(n_threads):
                return seconds(lambda: ours.recommend(ours.user_ids_, n=N))

        def ease_lists(n_threads: int = n_threads, *, first: bool = False) -> float:
            ours = ease.with_parameters() if first else ease
            with threadpool_limits(n_threads):
                return seconds(lambda: ours.recommend(ours.user_ids_, n=N))

        contenders = {
            "cfcore": our_lists,
            "first": lambda our_lists=our_lists: our_lists(first=True),
            "ease": ease_lists,
            "ease_first": lambda ease_lists=ease_lists: ease_lists(first=True),
            "numpy": numpy_lists,
        }
        if peer is not None:
            contenders["implicit"] = peer_lists
        # Threads of BLAS spin for a while after a call, on a core that the next contender needs.
        pause = 0.2 * (n_threads > 1)
        rows[n_threads] = alternate(contenders, repeats, pause=pause)
        # The ratio of two medians is steady if their calls are neighbours in time.
        over = alternate({"svd": our_lists, "ease": ease_lists}, 2 * repeats, pause=pause)
        rows[n_threads] |= {f"{name}_in_turn": value for name, value in over.items()}
    return {
        "data": name, "n_factors": n_factors, "n_users": len(users), "n_items": len(model.item_ids_),
        "same_items_as_numpy": same,
        "largest_difference": float(np.nanmax(np.abs(np.clip(scores, *model.scale_) - ours))),
        "seconds": rows, "ease_fit_seconds": ease_fit,
    }  # fmt: skip


def status_bytes(field: str) -> int:
    """A field of this process's status in bytes (Linux); on other systems the peak of its memory."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(field))) * 1024


def memory(n_users: int, n_items: int, n_factors: int) -> dict[str, Any]:
    """Memory for lists of all users in batches, beside the fitted model."""
    rng = np.random.default_rng(0)
    small = cf.Ratings(
        rng.integers(0, 50, 400), rng.integers(0, 30, 400), rng.integers(1, 6, 400), duplicates="last"
    )
    parameters = {"seen_indptr": np.arange(n_users + 1) * 20}
    for kind, size in (("user", n_users), ("item", n_items)):
        parameters[f"{kind}_ids"] = np.arange(size)
        parameters[f"{kind}_factors"] = rng.standard_normal((size, n_factors), dtype=np.float32) / 10
        parameters[f"{kind}_bias"] = rng.standard_normal(size, dtype=np.float32) / 3
        parameters[f"{kind}_counts"] = np.full(size, 20)
    # One of each twentieth of the items: ascending, as the rows of a model are.
    steps = rng.integers(0, n_items // 20, (n_users, 20), dtype=np.int32)
    parameters["seen_items"] = (np.arange(20, dtype=np.int32) * np.int32(n_items // 20) + steps).ravel()
    fitted = cf.SVD(n_factors=n_factors, n_epochs=1, random_state=0).fit(small)
    model = fitted.with_parameters(**parameters)
    model.predict(model.user_ids_[:1], model.item_ids_[:1])  # pads the factors for the kernels
    before, peak, done = status_bytes("VmRSS"), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, status_bytes("VmRSS"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, n_lists = time.perf_counter(), 0
    for users, _, scores in model.recommend_batches(model.user_ids_, n=N):
        n_lists += len(users)
        assert np.isfinite(scores).all()
    took = time.perf_counter() - start
    done.set()
    watcher.join()
    return {
        "n_users": n_users, "n_items": n_items, "n_factors": n_factors, "n_lists": n_lists,
        "seconds": took, "bytes_beside_the_model": max(0, peak - before), "bytes_of_all_scores": 4 * n_users * n_items,  # noqa: E501
    }  # fmt: skip


def main() -> None:
    parser = arguments("Lists of the best items for many users")
    parser.add_argument("--memory", action="store_true", help="memory for many users instead of time")
    options = parser.parse_args()
    facts = machine()
    print(describe(facts) + "\n")
    report: dict[str, Any] = {"machine": facts}
    if options.memory or options.quick:
        report["memory"] = memory(*((20_000, 5_000) if options.quick else (1_000_000, 20_000)), n_factors=32)
        found = report["memory"]
        print(
            f"{found['n_lists']:,} lists of {N} of {found['n_items']:,} items in {found['seconds']:.1f} s: "
            f"{found['bytes_beside_the_model'] / 1e6:,.0f} MB beside the model "
            f"(all scores: {found['bytes_of_all_scores'] / 1e6:,.0f} MB)\n"
        )
    if not options.memory:
        found = report["lists"] = compare(*(("ml-100k", 100, 1) if options.quick else ("ml-1m", 100, 15)))
        print(
            f"{found['data']}: lists of {N} for {found['n_users']:,} users of {found['n_items']:,} items, "
            f"{found['n_factors']} factors; {found['same_items_as_numpy']:.2%} of places hold the item NumPy puts there"  # noqa: E501
        )
        rows = []
        for n_threads, times in found["seconds"].items():
            for name in ("numpy", "implicit"):
                ratio = times[name] / times["cfcore"] if name in times else None
                rows.append(
                    [
                        name,
                        n_threads,
                        show(times.get(name), "{:.4f}"),
                        show(times["cfcore"], "{:.4f}"),
                        show(ratio, "{:.1f}x"),
                        show(times["first"], "{:.4f}"),
                    ]
                )
        print(table(["against", "threads", "seconds", "cfcore", "times faster", "first call"], rows))
        print(f"\nEASE, fitted in {found['ease_fit_seconds']:.2f} s, over SVD")
        rows = [
            [
                n_threads,
                show(times["ease_in_turn"], "{:.4f}"),
                show(times["svd_in_turn"], "{:.4f}"),
                show(times["ease_in_turn"] / times["svd_in_turn"], "{:.2f}x"),
                show(times["ease_first"], "{:.4f}"),
                show(times["ease_first"] / times["first"], "{:.1f}x"),
            ]
            for n_threads, times in found["seconds"].items()
        ]
        print(table(["threads", "EASE", "SVD", "over SVD", "first call", "over SVD's"], rows))
    write(options.json, report)


if __name__ == "__main__":
    main()
