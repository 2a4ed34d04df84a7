"""Whatever the hyper-parameters, a fitted model predicts finite numbers, or `fit` says what to type."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.registry import BY_NAME

HUGE, TINY = 1e18, 1e-300
#: The largest value, where it is not HUGE: greater ones are refused by name.
MOST = {"lr_decay": 2.0, "init_scale": 1e15}
#: Numeric hyper-parameters: learning rates, penalties and terms of time.
RATES = ("lr", "lr_bias", "lr_implicit", "lr_decay")
PENALTIES = (
    "reg", "reg_bias", "reg_implicit", "reg_user", "reg_item", "weight_decay", "shrinkage", "damping",
    "power", "init_scale",
)  # fmt: skip
TERMS = ("user_slope", "user_scale", "day_bias", "day_scale", "user_drift", "day_factors", "item_bins")


def ratings(n: int = 70, seed: int = 0, values: Any = (1, 2, 3, 4, 5)) -> cf.Ratings:
    """Ratings of 14 users and 11 items."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(14 * 11, n, replace=False)
    given = rng.choice(np.array(values, dtype=np.float32), n)
    return cf.Ratings(cells // 11, cells % 11, given, rng.integers(880_000_000, 881_000_000, n))


def absurd(kind: Any) -> list[dict[str, Any]]:
    """Settings of a class with which every training diverges, or far outside of useful ranges."""
    names = kind.default_params()
    found = [{name: value} for name in (*RATES, *PENALTIES) if name in names
             for value in (MOST.get(name, HUGE), TINY)]  # fmt: skip
    found += [{term: (HUGE, 0.0)} for term in TERMS if term in names]
    found += [{term: (0.01, HUGE)} for term in TERMS if term in names]
    if "lr" in names and kind is not cf.RBM:
        found += [{"lr": value, "reg": 0.0} for value in (0.8, 3.0, 30.0)]
    if kind is cf.Baseline:
        found = [{"method": method, **params} for params in found for method in ("als", "sgd", "mean")]
    return found


CASES = [
    pytest.param(name, params, id=f"{name}-{params}")
    for name, entry in BY_NAME.items()
    if name != "Blend"
    for params in absurd(entry.load())
]


def model_of(name: str, params: dict[str, Any], n_epochs: int | None = None) -> Any:
    """The model with little training."""
    model = BY_NAME[name].load()(**params)
    small = {"n_factors": 4, "n_hidden": 4, "n_epochs": n_epochs, "random_state": 0, "n_threads": 1}
    return model.set_params(
        **{key: value for key, value in small.items() if key in model.get_params() and value is not None}
    )


def check(model: Any, train: cf.Ratings) -> None:
    """Predictions for known and unknown ids, with times and without, lists and files."""
    users = np.append(train.user_ids, 999)
    items = np.append(train.item_ids, 999)
    pairs = np.repeat(users, len(items)), np.tile(items, len(users))
    for times in ((), (np.full(len(pairs[0]), 880_500_000),)):
        predicted = model.predict(*pairs, *times)
        assert np.isfinite(predicted).all()
        assert (predicted >= train.scale[0]).all()
        assert (predicted <= train.scale[1]).all()
    assert len(model.recommend(users[0], n=3))


def refusal(call: Any) -> str:
    """The message of the DivergenceError that a call raises; empty if it raises none."""
    try:
        call()
    except cf.DivergenceError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("name", "params"), CASES)
def test_predictions_are_finite_or_the_fit_is_refused(
    name: str, params: dict[str, Any], tmp_path: Path
) -> None:
    train = ratings()
    for n_epochs in (1, 3, 12):
        model = model_of(name, params, n_epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cf.ConvergenceWarning)
            refused = refusal(lambda model=model: model.fit(train))
        if refused:
            assert "Try " in refused
            assert not model.is_fitted()
            continue
        check(model, train)
        model.save(tmp_path / "model")
        check(cf.load(tmp_path / "model"), train)


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "Blend"])
@pytest.mark.parametrize("values", [(3,), (-1e12, 0, 1e12), (1e-6, 2e-6, 5e-6), (-7.5, 1000)])
def test_defaults_do_not_diverge(name: str, values: tuple[float, ...]) -> None:
    for n in (1, 12, 70):
        train = ratings(n, values=values)
        with warnings.catch_warnings():
            # The training error of an RBM on twelve ratings of random values may rise.
            warnings.simplefilter("ignore" if name == "RBM" else "error", cf.ConvergenceWarning)
            model = model_of(name, {}).fit(train)
        check(model, train)


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "Blend"])
def test_what_is_not_a_number_is_refused_by_name(name: str) -> None:
    kind = BY_NAME[name].load()
    for parameter in (*RATES, *PENALTIES):
        if parameter not in kind.default_params():
            continue
        for value in (np.nan, np.inf, -np.inf, -1.0, 1e300):
            with pytest.raises(ValueError, match=parameter):
                model_of(name, {parameter: value}).fit(ratings())


@pytest.mark.parametrize(
    ("params", "remedy"),
    [
        ({"lr": 0.8}, "Try lr=0.2"),
        ({"lr": 0.01, "lr_bias": 1e6}, "Try lr_bias=None, the default"),
        ({"lr": 1e10}, "Try lr=None, the default"),
        ({"reg": 1e6, "lr": 0.01}, "Try reg=10"),
        ({"init_scale": 1e9}, "Try init_scale=None"),
    ],
)
def test_the_remedy_names_the_cause(params: dict[str, Any], remedy: str) -> None:
    with pytest.raises(cf.DivergenceError, match=remedy):
        cf.SVD(n_factors=4, n_epochs=1, random_state=2, **params).fit(ratings())


def test_the_remedy_names_the_term_of_time() -> None:
    with pytest.raises(cf.DivergenceError, match="Try day_bias=True, the default"):
        cf.TimeSVDpp(n_factors=4, day_bias=(1e9, 0.1), random_state=0).fit(ratings())
    with pytest.raises(cf.DivergenceError, match=r"Try day_bias=\(0\.1, 1\)"):
        cf.TimeSVDpp(n_factors=4, day_bias=(0.1, 1e9), random_state=0).fit(ratings())


@pytest.mark.parametrize("name", ["SVD", "SVDpp", "TimeSVDpp", "AsymmetricSVD"])
def test_updates_after_a_fit_are_finite(name: str) -> None:
    train = ratings()
    new = cf.Ratings([55] * 4, train.item_ids[:4], [1, 5, 2, 4], [880_500_000] * 4, scale=(1, 5))
    for params in absurd(BY_NAME[name].load()):
        model = model_of(name, params, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cf.ConvergenceWarning)
            if refusal(lambda model=model: model.fit(train)):
                continue
            folded = model.snapshot().fold_in(new)
            check(folded, train)
            assert np.isfinite(folded.predict(55, train.item_ids)).all()
            trained, before = model.snapshot(), model.predict(train)
            refused = refusal(lambda trained=trained: trained.partial_fit(new, n_epochs=3))
        if refused:
            assert "with_parameters(rates=" in refused
            assert np.array_equal(trained.predict(train), before)
        else:
            check(trained, train)


def test_partial_fit_that_diverges_keeps_the_model() -> None:
    train = ratings()
    model = cf.SVD(n_factors=4, random_state=0).fit(train)
    model = model.with_parameters(rates={**model.rates_, "lr": 50.0})
    before = model.predict(train)
    with pytest.raises(cf.DivergenceError, match="Try fewer n_epochs, or lower rates"):
        model.partial_fit(train)
    assert np.array_equal(model.predict(train), before)


@pytest.mark.parametrize("name", ["SVD", "SVDpp", "TimeSVDpp", "AsymmetricSVD", "RBM", "Baseline"])
def test_an_epoch_that_diverges_reaches_neither_callback_nor_checkpoint(name: str, tmp_path: Path) -> None:
    """Callbacks read the parameters of the last good epoch; a fit that resumes gives the same model."""
    train, path = ratings(), tmp_path / "run"
    params: dict[str, Any] = {"lr": 0.05, "lr_decay": 2.0}
    if name == "Baseline":
        params["method"] = "sgd"
    model = model_of(name, params, 30)
    seen: list[bool] = []

    def watch(n_epochs: int, history: dict[str, list[float]]) -> None:
        seen.append(bool(np.isfinite(model.predict(train)).all()))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(train, checkpoint=path, callback=watch)
        again = model.clone().fit(train, checkpoint=path)
    assert all(seen)
    assert np.array_equal(again.predict(train), model.predict(train))
    if name != "RBM":  # whose probabilities cannot overflow
        assert model.n_epochs_ < 30
        assert len(caught) == 2
        assert "are kept. Try lr" in str(caught[0].message)


@pytest.mark.filterwarnings("ignore::cfcore.ConvergenceWarning")
@pytest.mark.parametrize("by", ["item", "user"])
def test_the_remedy_for_absurd_rates_of_an_rbm_is_the_default(by: str) -> None:
    model = cf.RBM(by=by, n_hidden=4, n_epochs=3, lr=1e10, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(ratings())
        except cf.DivergenceError as error:
            caught.append(error)  # type: ignore[arg-type]
    told = [str(getattr(one, "message", one)) for one in caught]
    assert all("Try lr=None, the default" in one for one in told)
    if model.is_fitted():  # probabilities may be 0 by rounding
        item = ratings().item_ids[0]
        assert np.isfinite(model.predict(ratings().item_ids, given={item: ratings().values[0]})).all()
