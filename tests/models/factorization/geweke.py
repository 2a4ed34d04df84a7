"""Geweke's joint-distribution test of the sampler of `BayesianSVD`, for any likelihood.

Parameters and ratings are drawn in two ways that have the same joint distribution if, and only if, each
conditional of the sampler is that of the model: parameters from their priors, and by sweeps of the sampler
between which the ratings are drawn anew, given the parameters. Geweke, "Getting it right: joint distribution
tests of posterior simulators" (Journal of the American Statistical Association, 2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization import bayesian, bayesian_noise, bayesian_priors, bayesian_side

Array = np.ndarray[Any, Any]

K, N_USERS, N_ITEMS = 2, 7, 6
#: Hyper-priors of the test: with those of the model, variances have no mean, and moments cannot be compared.
SHAPE, RATE, FREEDOM, WISHART = 6.0, 6.0, 8, 5 / 3
BATCHES = 40


@dataclass
class Side:
    """Rows x of users or items, rows of the members of their sets, and what these are drawn from."""

    rows: Array
    members: Array
    mean: Array
    precision: Array
    penalty: float
    features: Effects | None = None


@dataclass
class Effects:
    """Effects of features on rows and on biases, and their precisions."""

    effects: Array
    penalty: float
    on_biases: Array
    precision: float


@dataclass
class Parameters:
    """All parameters of the model; `noise` are those of the likelihood."""

    noise: dict[str, Array]
    biases: list[Array]
    bias_precisions: Array
    item_mean: float
    sides: list[Side]


class Gaussian:
    """Normal noise, with a precision of each user where `user_noise`."""

    params: ClassVar[dict[str, Any]] = {}

    def __init__(self, user_noise: bool = True) -> None:
        self.user_noise = user_noise
        self.params = {"user_noise": user_noise}

    def prior(self, trainer: Any, rng: np.random.Generator) -> dict[str, Array]:
        """Parameters of the likelihood from their priors."""
        found = {"precision": rng.gamma(SHAPE) / RATE}
        if self.user_noise:
            shape = rng.exponential(100)
            found["shape"] = shape / 30
            found["weights"] = rng.gamma(shape / 2, size=N_USERS) / (shape / 2)
        return found

    def drawn(self, trainer: Any) -> dict[str, Array]:
        """The same of the sampler."""
        noise = trainer.noise
        found = {"precision": noise.scalars[0]}
        if self.user_noise:
            found |= {"shape": noise.scalars[1] / 30, "weights": noise.user_weights.copy()}
        return found

    def simulate(self, trainer: Any, rng: np.random.Generator) -> None:
        """Draw the ratings anew, given the parameters of the sampler."""
        noise = trainer.noise
        precisions = noise.precision * noise.user_weights[trainer.codes[0]]
        errors = rng.normal(size=len(precisions)) / np.sqrt(precisions)
        noise.latents += errors - trainer.residuals.errors(slice(None))
        trainer.renew()


def ratings() -> cf.Ratings:
    """Half of the pairs, at times that make sessions of a day and of half an hour."""
    rng = np.random.default_rng(1)
    of_each = np.arange(N_USERS) * N_ITEMS + np.arange(N_USERS) % N_ITEMS  # every user and item has one
    others = np.setdiff1d(np.arange(N_USERS * N_ITEMS), of_each)
    pairs = np.sort(np.append(of_each, rng.choice(others, 20 - N_USERS, replace=False)))
    users, items = pairs // N_ITEMS, pairs % N_ITEMS
    times = 86_400 * rng.integers(10_000, 10_002, 20) + 3_600 * rng.integers(0, 3, 20)
    return cf.Ratings(users, items, rng.integers(1, 6, 20).astype(float), times)


class Captured(Exception):
    """Carries the trainer out of a fit."""


def tables() -> dict[str, Any]:
    """Features of all users and items: numbers and lists of categories."""
    rng = np.random.default_rng(4)
    return {
        f"{kind}_features": {
            kind: np.arange(n),
            "size": rng.normal(size=n),
            "tags": [[tag for tag in "abc" if rng.random() < 0.5] for _ in range(n)],
        }
        for kind, n in (("user", N_USERS), ("item", N_ITEMS))
    }


def trainer_of(monkeypatch: pytest.MonkeyPatch, features: bool = False, **params: Any) -> Any:
    """The trainer of a fit, before its first sweep, under the hyper-priors of the test.

    With `features` users and items have those of `tables`.
    """
    monkeypatch.setattr(bayesian_priors, "SHAPE", SHAPE)
    monkeypatch.setattr(bayesian_priors, "RATE", RATE)
    monkeypatch.setattr(bayesian_side, "FREEDOM", FREEDOM)
    monkeypatch.setattr(bayesian_side, "WISHART", WISHART)
    monkeypatch.setattr(bayesian_noise, "SHAPE_STEP", 0.7)  # longer steps: fewer sweeps are needed

    def capture(trainer: Any, *others: Any, **options: Any) -> None:
        raise Captured(trainer)

    model = cf.BayesianSVD(n_factors=K, n_samples=10_000, burn_in=0, n_kept=1, random_state=3, n_threads=1)
    model.set_params(**params)
    train = ratings()
    monkeypatch.setattr(bayesian, "run_epochs", capture)
    with pytest.raises(Captured) as caught:
        model.fit(train, **(tables() if features else {}))
    return caught.value.args[0].chains[0]


def from_priors(trainer: Any, likelihood: Any, rng: np.random.Generator) -> Parameters:
    """All parameters from their priors."""
    biases = trainer.biases
    precisions = rng.gamma(SHAPE, size=len(biases.groups)) / RATE
    item_mean = rng.normal() / np.sqrt(precisions[1])
    drawn = [
        rng.normal(size=len(one)) / np.sqrt(precision)
        for one, precision in zip(biases.biases, precisions, strict=True)
    ]
    drawn[1] += item_mean
    sides = [_side(side, rng) for side in (trainer.users, trainer.items)]
    for at, (side, terms) in enumerate(zip(sides, biases.features[:2], strict=True)):
        if side.features is not None:
            drawn[at] += terms.matrix @ side.features.on_biases
    return Parameters(likelihood.prior(trainer, rng), drawn, precisions, item_mean, sides)


def _side(side: Any, rng: np.random.Generator) -> Side:
    # A Wishart matrix as a sum of squares of normal rows.
    rows = rng.normal(size=(K + FREEDOM, K)) / np.sqrt(WISHART * (K + 1))
    precision = rows.T @ rows
    root = np.linalg.inv(np.linalg.cholesky(precision))  # root' root is the covariance
    mean = rng.normal(size=K) @ root
    penalty = rng.gamma(SHAPE) / RATE
    members = rng.normal(size=side.members.shape) @ root / np.sqrt(penalty)
    x = mean + rng.normal(size=(side.n, K)) @ root
    if side.has_sets:
        for row in range(side.n):
            mine = side.indices[side.indptr[row] : side.indptr[row + 1]]
            x[row] += members[mine].sum(axis=0) / np.sqrt(len(mine))
    if side.features is None:
        return Side(x, members, mean, precision, penalty)
    matrix = side.features.matrix.toarray()
    own, precision_of_biases = rng.gamma(SHAPE, size=2) / RATE
    effects = rng.normal(size=side.features.effects.shape) @ root / np.sqrt(own)
    x += (matrix / np.sqrt(np.maximum((matrix != 0).sum(axis=1), 1))[:, np.newaxis]) @ effects
    on_biases = rng.normal(size=len(effects)) / np.sqrt(precision_of_biases)
    return Side(x, members, mean, precision, penalty, Effects(effects, own, on_biases, precision_of_biases))


def of_sampler(trainer: Any, likelihood: Any) -> Parameters:
    """All parameters as the sampler has them."""
    biases = trainer.biases
    sides = [
        Side(
            side.rows[:, :K].astype(float), side.members.copy(), side.mean, side.precision,
            float(side.penalty[0]), _effects(side.features),
        )
        for side in (trainer.users, trainer.items)
    ]  # fmt: skip
    copies = [one.copy() for one in biases.biases]
    return Parameters(
        likelihood.drawn(trainer), copies, biases.precisions.copy(), float(biases.scalars[0]), sides
    )


def _effects(terms: Any) -> Effects | None:
    if terms is None:
        return None
    return Effects(
        terms.effects.copy(), float(terms.penalty[0]), terms.bias_effects.copy(),
        float(terms.bias_precision[0]),
    )  # fmt: skip


def statistics(drawn: Parameters, codes: Any) -> dict[str, float]:
    """First and second moments of all parameters and of predictions."""
    found: dict[str, Any] = {}
    for name, value in drawn.noise.items():
        part = value / (1 + value)
        found |= {name: np.mean(part), f"{name} squares": np.mean(part**2)}
    for at, (biases, precision) in enumerate(zip(drawn.biases, drawn.bias_precisions, strict=True)):
        found |= {f"biases {at}": np.mean(biases), f"biases {at} squares": np.mean(biases**2)}
        found |= {f"bias precision {at}": precision, f"bias precision {at} squares": precision**2}
    found |= {"item mean": drawn.item_mean, "item mean squares": drawn.item_mean**2}
    for name, side in zip(("users", "items"), drawn.sides, strict=True):
        found |= {f"{name} mean": side.mean[0], f"{name} mean squares": np.mean(side.mean**2)}
        found |= {f"{name} rows": np.mean(side.rows), f"{name} rows squares": np.mean(side.rows**2)}
        found[f"{name} columns"] = np.mean(side.rows[:, 0] * side.rows[:, 1])
        found |= {f"{name} precision": np.trace(side.precision)}
        found |= {f"{name} precision log": np.log(np.linalg.det(side.precision))}
        if len(side.members):
            found[f"{name} members squares"] = np.mean(side.members**2)
            found[f"{name} members"] = np.mean(side.members[0] * side.rows[0])
            found |= {f"{name} penalty": side.penalty, f"{name} penalty squares": side.penalty**2}
        if side.features is not None:
            for what, value in vars(side.features).items():
                found |= {f"{name} {what}": np.mean(value), f"{name} {what} squares": np.mean(value**2)}
    for name, at in (("users", 0), ("items", 1)):  # between the mean of rows and the other side's biases
        lines = drawn.sides[1 - at].rows @ drawn.sides[at].mean
        found[f"{name} mean and biases"] = np.mean(lines * drawn.biases[1 - at])
    products = np.sum(drawn.sides[0].rows[codes[0]] * drawn.sides[1].rows[codes[1]], axis=1)
    found |= {"products": np.mean(products), "products squares": np.log(np.mean(products**2))}
    return {name: float(value) for name, value in found.items()}


def scores(trainer: Any, likelihood: Any, n_sweeps: int, n_priors: int, seed: int) -> dict[str, float]:
    """Differences of the two ways' means of each statistic, in standard errors.

    Parameters
    ----------
    trainer : GibbsTrainer
    likelihood : Gaussian, or an object with its methods
    n_sweeps : int
        A multiple of `BATCHES`; standard errors are those of the means of so many batches.
    n_priors : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    independent = [statistics(from_priors(trainer, likelihood, rng), trainer.codes) for _ in range(n_priors)]
    chained = []
    first = bayesian_side.FIXED + 1  # precisions have fixed values before
    for sweep in range(-200, n_sweeps):
        likelihood.simulate(trainer, rng)
        trainer.epoch(first + 200 + sweep)
        if sweep >= 0:
            chained.append(statistics(of_sampler(trainer, likelihood), trainer.codes))
    found = {}
    for name in independent[0]:
        one = np.array([each[name] for each in independent])
        batches = np.array([each[name] for each in chained]).reshape(BATCHES, -1).mean(axis=1)
        error = np.sqrt(one.var() / len(one) + batches.var(ddof=1) / BATCHES)
        found[name] = float((batches.mean() - one.mean()) / error)
    return found
