"""`Chains`: the trainer of `BayesianSVD`; several samplers on the same ratings, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.models.core.fit_context import FitContext
from cfcore.models.factorization.bayesian_diagnostics import diagnose, r_hat_of
from cfcore.models.factorization.bayesian_features import encoded_features
from cfcore.models.factorization.bayesian_levels import predictions
from cfcore.models.factorization.bayesian_ordinal import levels_of
from cfcore.models.factorization.bayesian_samples import BY_SAMPLE
from cfcore.models.factorization.bayesian_start import Start
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.models.factorization.bayesian_stopping import Stopping
from cfcore.models.factorization.bayesian_trainer import GibbsTrainer
from cfcore.random import seed64
from cfcore.threads import resolve_threads

Array = np.ndarray[Any, Any]

#: Fields of the state that are means over sweeps: of several chains, means of theirs.
MEANS = ("user_bias", "item_bias", "session_bias", "user_feature_effects", "item_feature_effects")
#: Fields whose first dimension is that of samples, or of chains; of other fields of samples it is the second.
BY_SAMPLE_OR_CHAIN = (*BY_SAMPLE, "chain_scalars")


class Chains:
    """Chains, each of which runs one sweep in an epoch. Draws of chain c depend on the seed and on c alone.

    Parameters
    ----------
    model : BayesianSVD
        Whose hyper-parameters are read, and which is not kept.
    train : Ratings
    seconds : int64[n] or None
        Times of the ratings, where there are sessions.
    context : FitContext
    start : Start, optional
        Parameters to go on from.
    """

    def __init__(
        self, model: Any, train: Ratings, seconds: Array | None, context: FitContext,
        start: Start | None = None,
    ) -> None:  # fmt: skip
        self.context, n = context, model.n_chains
        self.seconds = None if seconds is None else seconds[train.by_user.order]
        self.weights = None if context.weights is None else context.weights[train.by_user.order]
        self.burn_in, self.stopping = model.burn_in, Stopping.of(model)
        self.levels = levels_of(train.values, model.likelihood)
        seed = seed64(context.rng)
        self.chains: list[GibbsTrainer] = []
        for at in range(n):
            n_kept = model.n_kept // n + (at < model.n_kept % n)
            chain = GibbsTrainer(model, train, seconds, context, seed_of(seed, at), n_kept)
            self.chains.append(chain)
            if at:
                chain.share(self.chains[0])
            if start is not None:
                start.set(chain, at)
        n_threads = resolve_threads(context.n_threads)
        self.n_workers = min(n, n_threads)
        for chain in self.chains:
            chain.n_threads = max(n_threads // n, 1)
        self.traces = [chain.trace for chain in self.chains]
        self.n_sweeps_run = np.zeros(1, dtype=np.int64)
        self.n_checks = np.zeros(1, dtype=np.int64)
        n_checked = sum(map(self.stopping.is_checked, range(1, self.stopping.most + 1)))
        self.checks = np.zeros((n_checked, 2))
        self.n_planned = np.array([self.stopping.planned])

    # ------------------------------------------------------------------ what `run_epochs` asks for

    def epoch(self, k: int) -> float:
        """Run sweep `k` of each chain; the RMSE of the draws on the training ratings."""
        errors = np.array(self._each(lambda chain: chain.epoch(k)))
        self.n_sweeps_run[0] = k + 1
        if self.stopping.is_checked(k + 1 - self.burn_in):
            self.checks[self.n_checks[0]] = k + 1, r_hat_of(self.traces, k + 1)
            self.n_checks[0] += 1
        self._plan(k + 1 - self.burn_in)
        return float(errors[0] if len(errors) == 1 else np.sqrt(np.mean(errors * errors)))

    def _plan(self, n: int) -> None:
        """After `n` samples: whether these are all, and further ones where those planned are not enough."""
        if self.finished():
            for chain in self.chains:
                chain.samples.n_sweeps = self.burn_in + n
        elif n == self.n_planned[0]:
            self.n_planned[0] = self.stopping.more(n)
            for chain in self.chains:
                chain.samples.plan(int(self.n_planned[0]))

    def planned(self) -> int:
        """Sweeps that are planned."""
        return self.burn_in + int(self.n_planned[0])

    def _each(self, run: Callable[[GibbsTrainer], float]) -> list[float]:
        """Results for all chains, which run on threads of their own."""
        if self.n_workers == 1:
            return [run(chain) for chain in self.chains]
        stop = False

        def one(chain: GibbsTrainer) -> float:
            return 0.0 if stop else run(chain)

        with ThreadPoolExecutor(self.n_workers) as pool:
            # The contexts of this thread, so that `policy` and the choice of a backend apply in the others.
            futures = [pool.submit(copy_context().run, one, chain) for chain in self.chains]
            try:
                return [future.result() for future in futures]
            except BaseException:  # Ctrl-C: chains end their step
                stop = True
                for chain in self.chains:
                    chain.interrupted = True
                raise

    def parts(self, k: int) -> Sequence[Any]:
        """The sweep of each chain."""
        return [(k, at) for at in range(len(self.chains))]

    def run_part(self, part: Any) -> float:
        """Run a sweep of a chain."""
        k, at = part
        return self.chains[at].epoch(k)

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes from the samples so far; timestamps are in seconds."""
        state = self._state(self.arrays(), {}, int(self.n_sweeps_run[0]))
        return predictions(state, users, items, timestamps, self.context.n_threads)

    def arrays(self) -> dict[str, Array]:
        """Means of biases, and the latest sweep: what changes with every sweep of what is predicted from."""
        return self._named(lambda chain: chain.arrays())

    def carried(self) -> dict[str, Array]:
        """Parameters as they are drawn, and the samples."""
        own = {
            "n_sweeps_run": self.n_sweeps_run, "n_checks": self.n_checks, "checks": self.checks,
            "n_planned": self.n_planned,
        }  # fmt: skip
        return own | self._named(lambda chain: chain.carried())

    def _named(self, of: Callable[[GibbsTrainer], dict[str, Array]]) -> dict[str, Array]:
        """Arrays of all chains, by names that begin with the chain, but for those of the first."""
        return {
            f"chain_{at}_{name}" if at else name: array
            for at, chain in enumerate(self.chains)
            for name, array in of(chain).items()
        }

    def figures(self) -> dict[str, list[float]]:
        """Entries of ``history_`` after the last sweep."""
        n, n_checks = int(self.n_sweeps_run[0]), int(self.n_checks[0])
        sums = np.array([trace.log_likelihood[:n] for trace in self.traces]).mean(axis=0)
        checks = self.checks[:n_checks]
        return {
            "log_likelihood": sums.tolist(),
            "r_hat": checks[:, 1].tolist(),
            "r_hat_sweep": checks[:, 0].tolist(),
        }

    def finished(self) -> bool:
        """Whether sampling ends: R-hat is low enough, or there may be no more samples."""
        n = int(self.n_checks[0])
        if n == 0:
            return False
        sweep, r_hat = self.checks[n - 1]
        return bool(sweep == self.n_sweeps_run[0]) and self.stopping.ends(int(sweep) - self.burn_in, r_hat)

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int
    ) -> BayesianState:
        """The state with these means of biases, and the samples of so many sweeps of each chain."""
        last = joined([chain.last() for chain in self.chains])
        found = diagnose(self.traces, n_epochs)
        return self._state(
            arrays,
            history,
            n_epochs,
            diagnostics=found,
            n_samples=max(n_epochs - self.burn_in, 0),
            seen_times=self.seconds,
            seen_weights=self.weights,
            **last,
        )

    def _state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int, **more: Any
    ) -> BayesianState:
        parts, each = [], []
        for at, chain in enumerate(self.chains):
            start = f"chain_{at}_" if at else ""
            each.append({name: arrays[start + name] for name in chain.arrays()})
            parts.append(chain.fields(each[-1], n_epochs))
        fields, first = joined(parts), self.chains[0]
        if len(parts) > 1:
            fields |= first.moments.fields(first.moments.pooled(each), first.spread)
        return self.context.state(
            BayesianState, **fields, history=dict(history), n_epochs=n_epochs, levels=self.levels,
            n_levels=0 if self.levels is None else len(self.levels),
            spread=self.chains[0].spread, time_unit=self.context.side.get("time_unit", 1),
            weighted=self.context.weights is not None, **encoded_features(self.context.side), **more,
        )  # fmt: skip


def joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Fields of the state of several chains: samples in their order, means of means."""
    first = parts[0]
    if len(parts) == 1:
        return dict(first)
    sizes = np.array([len(part["precisions"]) if "precisions" in part else 1 for part in parts])
    found: dict[str, Any] = {}
    for name, held in first.items():
        each = [part[name] for part in parts]
        if name in ("user_factors", "user_feature_factors"):  # in a unit over the number of samples
            shares = (sizes / sizes.sum()).astype(np.float32)
            each = [one * share for one, share in zip(each, shares, strict=True)]
        if held is None:
            found[name] = None
        elif not isinstance(held, np.ndarray):
            found[name] = float(np.mean(each))
        elif name in MEANS:
            found[name] = np.mean(each, axis=0, dtype=np.float64).astype(held.dtype)
        elif name.startswith("session_"):
            found[name] = held
        else:
            found[name] = np.concatenate(each, axis=0 if name in BY_SAMPLE_OR_CHAIN else -1)
    return found


def seed_of(seed: int, chain: int) -> int:
    """The seed of a chain."""
    return int(np.random.SeedSequence([seed, chain]).generate_state(1, np.uint64)[0])
