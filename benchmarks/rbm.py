"""Time of a pass of the RBM by CD-1, updates included, against bare C, PyTorch and NumPy.

    python benchmarks/rbm.py                    # MovieLens 1M, some minutes
    python benchmarks/rbm.py --quick            # smoke test: MovieLens 100K, one repeat each

Times are in nanoseconds per rating, with 100 hidden units. ``bare C`` is `limits/rbm.c`: the same order of
work on one thread, without checks, with cheaper random numbers and fused and reordered sums. ``bytes`` is the
memory traffic of W alone beyond the second-level cache, unit by unit, over the bandwidth of NumPy's addition
of two arrays of its size: a lower bound if W does not fit in a cache. PyTorch (extra ``bench``) runs two
straightforward versions: rows of W gathered for the rated pairs, and dense matrices with a mask. The NumPy
loop processes one user and one item at a time, as in the article.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from limits import NoCompilerError, library
from measure import alternate, arguments, describe, machine, seconds, show, table, write

import cfcore as cf
from cfcore.arrays import aligned_zeros
from cfcore.kernels import current_level
from cfcore.kernels.records import RBMParameters
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import known_of
from cfcore.models.rbm.cases import find_cases, find_levels
from cfcore.models.rbm.inference import Settings
from cfcore.models.rbm.parameters import first_parameters
from cfcore.models.rbm.schedule import KINDS, Schedule
from cfcore.models.rbm.trainer import RBMTrainer, Training

Array = np.ndarray[Any, Any]

N_HIDDEN = 100
DECAY = 0.01
RATES = (0.01, 0.001, 0.001, 0.003)
NO_SHARING = np.zeros(0, dtype=np.float32)


class Job:
    """Cases of a data set, and parameters to train on them."""

    def __init__(self, ratings: cf.Ratings, by: str, batch: int, conditional: bool) -> None:
        self.ratings, self.by = ratings, by
        self.levels = find_levels(ratings.values)
        self.cases = find_cases(ratings, self.levels, by)
        self.batch, self.conditional = batch, conditional
        self.some = np.flatnonzero(np.diff(self.cases.indptr)).astype(np.int32)
        self.n = len(self.cases.units)

    def parameters(self) -> RBMParameters:
        return first_parameters(self.cases, N_HIDDEN, self.conditional, np.random.default_rng(0))

    def ours(self, n_threads: int) -> Callable[[], float]:
        schedule = Schedule(1, RATES, 1.0, (0.0, 0.0), (1,), average=False)
        training = Training(schedule, N_HIDDEN, self.conditional, NO_SHARING, DECAY, self.batch)
        context = FitContext(known_of(self.ratings), "RBM", np.random.default_rng(0), n_threads)
        settings = Settings(self.by == "user", False, "mean", n_threads)
        trainer = RBMTrainer(self.cases, self.levels, None, training, settings, context)

        def run() -> None:
            for part in trainer.parts(0)[:-1]:  # the last is the averaging
                trainer.run_part(part)

        return lambda: seconds(run)

    def bare(self) -> Callable[[], float]:
        own = self.parameters()
        width = own.weights.shape[2]
        work = aligned_zeros(5 * self.batch, width, np.float32)
        call, rng = library("rbm", current_level()).rbm, np.random.default_rng(2)
        call.restype = None

        def run() -> None:
            order = rng.permutation(self.some)
            data = (self.cases.indptr, self.cases.units, self.cases.levels, order)
            numbers = [ctypes.c_int64(n) for n in (len(order), self.batch, own.n_units, width, N_HIDDEN)]
            floats = [ctypes.c_float(x) for x in (RATES[0], DECAY)]
            arrays = [address(array) for array in (*(getattr(own, kind) for kind in KINDS), work)]
            call(
                *map(address, data), *numbers[:3], *arrays, *numbers[3:], *floats, ctypes.c_uint64(2**63 + 9)
            )

        return lambda: seconds(run)

    def bound(self) -> float:
        """Seconds per pass: W is read for the sums, for the draws and for the update, and written."""
        size = self.cases.n_units * len(self.levels) * 112
        one, two = np.zeros(size, np.float32), np.ones(size, np.float32)
        one += two
        rate = 3 * one.nbytes / min(seconds(lambda: np.add(one, two, out=one)) for _ in range(9))
        rng, touched = np.random.default_rng(3), 0
        order = rng.permutation(self.some)
        for begin in range(0, len(order), self.batch):
            rows = [self.cases.units[self.cases.indptr[c] : self.cases.indptr[c + 1]]
                    for c in order[begin : begin + self.batch]]  # fmt: skip
            touched += len(np.unique(np.concatenate(rows)))
        return touched * len(self.levels) * 112 * 4 * 4 / rate


def address(array: Array) -> ctypes.c_void_p | None:
    """Address of an array; None for one without rows."""
    return ctypes.c_void_p(array.ctypes.data) if len(array) else None


def numpy_loop(job: Job, n_cases: int) -> float:
    """Seconds per rating of the article's loops, over cases and over the units of each case."""
    own, rng = job.parameters(), np.random.default_rng(4)
    weights, bias = own.weights[:, :, :N_HIDDEN].astype(np.float64), own.visible_bias.astype(np.float64)
    hidden = np.zeros(N_HIDDEN)
    picked = rng.permutation(job.some)[:n_cases]
    total = 0

    def run() -> None:
        nonlocal total
        gradient = np.zeros_like(weights)
        for case in picked:
            mine = slice(job.cases.indptr[case], job.cases.indptr[case + 1])
            units, levels = job.cases.units[mine], job.cases.levels[mine]
            total += len(units)
            inputs = hidden.copy()
            for i, k in zip(units, levels, strict=True):
                inputs += weights[i, k]
            first = 1 / (1 + np.exp(-inputs))
            state = (rng.random(N_HIDDEN) < first).astype(float)
            drawn = []
            for i in units:
                shares = np.exp(bias[i] + np.array([weights[i, k] @ state for k in range(5)]))
                drawn.append(int(np.searchsorted(np.cumsum(shares / shares.sum()), rng.random())))
            inputs = hidden.copy()
            for i, k in zip(units, drawn, strict=True):
                inputs += weights[i, min(k, 4)]
            last = 1 / (1 + np.exp(-inputs))
            for i, k, new in zip(units, levels, drawn, strict=True):
                gradient[i, k] += first
                gradient[i, min(new, 4)] -= last
        weights[:] += 0.01 / n_cases * gradient - 0.01 * DECAY * weights

    return seconds(run) / total


def torch_versions(job: Job, n_batches: int, n_threads: int) -> dict[str, Callable[[], float]]:
    """Two versions in PyTorch; each call trains on some batches and returns its seconds per rating."""
    import torch

    torch.set_num_threads(n_threads)
    own, n_levels = job.parameters(), len(job.levels)
    order = np.random.default_rng(5).permutation(job.some)
    batches, n = [], 0
    for begin in range(0, n_batches * job.batch, job.batch):
        picked = order[begin : begin + job.batch]
        sizes = np.diff(job.cases.indptr)[picked]
        at = np.concatenate([np.arange(*job.cases.indptr[c : c + 2]) for c in picked])
        rows = np.repeat(np.arange(len(picked)), sizes)
        pairs = job.cases.units[at].astype(np.int64), job.cases.levels[at].astype(np.int64)
        starts = np.append(0, np.cumsum(sizes)[:-1])
        batches.append((len(picked), *map(torch.as_tensor, (rows, *pairs, starts))))
        n += len(at)
    start = torch.as_tensor(own.weights[:, :, :N_HIDDEN].copy())
    bias = torch.as_tensor(own.visible_bias.copy())

    def update(weights: Any, gradient: Any, units: Any) -> None:
        counts = torch.bincount(units, minlength=job.cases.n_units).clamp(min=1).to(torch.float32)
        gradient = gradient.view(job.cases.n_units, n_levels, N_HIDDEN) / counts[:, None, None]
        weights.add_(gradient - DECAY * weights, alpha=RATES[0])

    def gathered(weights: Any) -> None:
        bag = torch.nn.functional.embedding_bag
        for _, rows, units, levels, starts in batches:
            flat, cells = weights.view(-1, N_HIDDEN), units * n_levels + levels
            first = torch.sigmoid(bag(cells, flat, starts, mode="sum"))
            state = torch.bernoulli(first)
            logits = bias[units] + torch.einsum("rkh,rh->rk", weights[units], state[rows])
            drawn = units * n_levels + torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]
            last = torch.sigmoid(bag(drawn, flat, starts, mode="sum"))
            gradient = torch.zeros_like(flat)
            gradient.index_add_(0, cells, first[rows])
            gradient.index_add_(0, drawn, last[rows], alpha=-1)
            update(weights, gradient, units)

    def dense(weights: Any) -> None:
        for n_cases, rows, units, levels, _ in batches:
            flat = weights.view(-1, N_HIDDEN)
            visible = torch.zeros(n_cases, job.cases.n_units, n_levels)
            visible[rows, units, levels] = 1
            mask = visible.sum(dim=2, keepdim=True)
            first = torch.sigmoid(visible.view(n_cases, -1) @ flat)
            logits = (torch.bernoulli(first) @ flat.T).view(n_cases, job.cases.n_units, n_levels) + bias
            shares = torch.softmax(logits, 2)
            level = (torch.rand(n_cases, job.cases.n_units, 1) > shares.cumsum(2)[:, :, :-1]).sum(dim=2)
            drawn = torch.nn.functional.one_hot(level, n_levels) * mask
            last = torch.sigmoid(drawn.view(n_cases, -1) @ flat)
            gradient = visible.view(n_cases, -1).T @ first - drawn.view(n_cases, -1).T @ last
            update(weights, gradient, units)

    def timed(version: Callable[[Any], None]) -> Callable[[], float]:
        weights = start.clone()
        return lambda: seconds(lambda: version(weights)) / n

    return {"PyTorch, rows gathered": timed(gathered), "PyTorch, dense": timed(dense)}


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    repeats = 1 if options.quick else options.repeats
    facts = machine()
    print(describe(facts))
    data = cf.datasets.load("ml-100k" if options.quick else "ml-1m")
    report: dict[str, Any] = {"machine": facts, "rows": {}}
    default = cf.RBM().batch_size
    jobs = [("item", default), ("user", default), ("user", 200), ("item", 200), ("user", 1000)]
    lines = []
    for by, batch in dict.fromkeys(jobs[:1] if options.quick else jobs):
        for conditional in (True, False):
            job = Job(data, by, batch, conditional)
            contenders = {"1": job.ours(1), "2": job.ours(2)}
            try:
                contenders["C"] = job.bare()
            except NoCompilerError as error:
                print(f"bare C: {error}")
            found = {name: 1e9 * t / job.n for name, t in alternate(contenders, repeats, 60).items()}
            found["bytes"] = 1e9 * job.bound() / job.n
            report["rows"][f"{by} {batch} {'D' if conditional else 'no D'}"] = found
            bare = found.get("C")
            name = f"by {by}, {batch} a batch, {'D' if conditional else 'without D'}"
            ratios = show(bare and found["1"] / bare, "{:.2f}"), f"{found['1'] / found['2']:.2f}"
            lines.append([name, f"{found['1']:.0f}", show(bare, "{:.0f}"), *ratios, f"{found['bytes']:.0f}"])
    print(table(["ns a rating", "cfcore", "bare C", "ours / C", "2 threads over 1", "bytes"], lines))

    job = Job(data, "user", 200, False)
    others: dict[str, Callable[[], float]] = {
        "NumPy, case by case and unit by unit": lambda: numpy_loop(job, 4 if options.quick else 20)
    }
    try:
        others |= torch_versions(job, 1 if options.quick else 5, 1)
    except ImportError:
        print("PyTorch is not installed: pip install 'cfcore[bench]'")
    ours = job.ours(1)
    found = alternate({"cfcore": lambda: ours() / job.n, **others}, min(5, repeats), 60)
    report["others"] = found
    print()
    lines = [[name, f"{1e9 * t:,.0f}", f"{t / found['cfcore']:.1f}"] for name, t in found.items()]
    print(table(["by user, 200 a batch, one thread", "ns a rating", "over cfcore"], lines))
    write(options.json, report)


if __name__ == "__main__":
    main()
