"""Models of one sample of `BayesianSVD`, and the options of lists that explore."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.conftest import run_inside as run

ITEMS = np.arange(40)
GIVEN = {3: 5.0, 7: 4.0, 11: 1.0, 20: 2.0}


@cache
def ratings() -> cf.Ratings:
    return cf.datasets.synthetic(120, 40, 2_000, random_state=0)


@cache
def fitted(likelihood: str = "gaussian") -> cf.BayesianSVD:
    model = cf.BayesianSVD(
        n_factors=3, n_samples=300, burn_in=50, sessions=None, likelihood=likelihood, random_state=0
    )
    return model.fit(ratings())


def scores_of(found: Any) -> Any:
    """Scores by item id."""
    return found[1][np.argsort(found[0])]


@pytest.mark.parametrize("likelihood", ["gaussian", "ordinal"])
def test_an_explorer_draws_the_users_that_come_with_ratings(likelihood: str) -> None:
    model, options = fitted(likelihood), {"given": GIVEN, "n": 40, "exclude_seen": False}
    drawn = []
    for seed in range(200):
        explorer = model.explorer("sample", random_state=seed)
        drawn.append(scores_of(explorer.recommend(by="rating", **options)))
        if seed < 3:
            listed = model.recommend(by="sample", random_state=seed, **options)
            np.testing.assert_allclose(drawn[-1], scores_of(listed), atol=1e-4)
            asked = explorer.predict(model.item_ids_, given=GIVEN)
            np.testing.assert_allclose(drawn[-1], np.clip(asked, *model.scale_), atol=1e-4)
    # The draws vary as the mean is uncertain; it is clipped where it leaves the scale.
    mean, std = model.predict(model.item_ids_, given=GIVEN, return_std="mean")
    inside = (mean - 2 * std > model.scale_[0]) & (mean + 2 * std < model.scale_[1])
    assert np.count_nonzero(inside) > 10
    np.testing.assert_allclose(np.mean(drawn, axis=0)[inside], mean[inside], atol=0.2)
    np.testing.assert_allclose(np.mean(np.std(drawn, axis=0)[inside] / std[inside]), 1, atol=0.15)


def test_a_model_of_a_sample_is_the_same_from_a_file(tmp_path: Path) -> None:
    explorer = fitted().explorer("sample", random_state=3)
    explorer.save(tmp_path / "model")
    loaded = cf.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(ratings()), explorer.predict(ratings()))
    np.testing.assert_array_equal(
        loaded.predict(ITEMS[:9], given=GIVEN), explorer.predict(ITEMS[:9], given=GIVEN)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_std": 2.0}, 'n_std= is for by="upper" alone: leave it out, or pass by="upper"'),
        ({"by": "sample", "n_std": 2.0}, "n_std= is for"),
        ({"by": "rating", "random_state": 1}, 'random_state= is for by="sample" alone'),
        ({"by": "upper", "random_state": 1}, "random_state= is for"),
        ({"given": GIVEN, "n_std": 1.0}, "n_std= is for"),
    ],
)
def test_options_without_a_use_are_refused(options: dict[str, Any], message: str) -> None:
    users = {} if "given" in options else {"users": 1}
    with pytest.raises(ValueError, match=message):
        fitted().recommend(**users, **options)
    if not users:
        return
    with pytest.raises(ValueError, match=message):
        next(fitted().recommend_batches([1, 2], **options))
    if options.get("by") in ("upper", "sample"):
        with pytest.raises(ValueError, match=message):
            fitted().explorer(**options)


def test_the_command_says_which_option_has_no_use(tmp_path: Path) -> None:
    path = tmp_path / "model.cf"
    fitted().save(path)
    for arguments, message in (
        (("--n-std", 2), "--n-std N_STD is for --by upper alone"),
        (("--seed", 2, "--by", "upper"), "is for --by sample alone"),
    ):
        done = run("recommend", path, 1, *arguments)
        assert done.returncode == 2
        assert message in done.stderr
    first, second = (run("recommend", path, 1, "--by", "upper", *more) for more in ((), ("--n-std", 1)))
    assert first.stdout == second.stdout


# ---------------------------------------------------------------------- levels


@pytest.mark.parametrize("likelihood", ["gaussian", "ordinal"])
def test_levels_that_are_not_all_there_are_refused(likelihood: str, tmp_path: Path) -> None:
    from cfcore import codec

    fitted(likelihood).save(tmp_path / "model")
    header, arrays = codec.read(tmp_path / "model")
    assert header["scalars"]["n_levels_"] == len(arrays["levels_"]) > 2
    codec.write(tmp_path / "model", header, arrays | {"levels_": arrays["levels_"][:-1]})
    with pytest.raises(cf.FileFormatError, match=r"levels_ has .* entries, and n_levels_ is"):
        cf.load(tmp_path / "model")
    if likelihood == "gaussian":
        other = fitted().with_parameters(levels=np.array([1.0, 3.0, 5.0]))
        assert other.predict_proba(1, 2).shape == (1, 3)


# ---------------------------------------------------------------------- arguments that models do not have


@pytest.mark.parametrize("name", ["SVD", "SVDpp", "RBM", "Ranker", "EASE", "ALS", "Baseline"])
def test_models_without_features_name_those_that_take_them(name: str) -> None:
    model = cf.Ranker(cf.EASE(), cf.SVD()) if name == "Ranker" else getattr(cf, name)()
    with pytest.raises(TypeError, match=f"{name}.fit takes no user_features=; BayesianSVD takes features"):
        model.fit(ratings(), user_features={1: ["x"]})
    with pytest.raises(TypeError, match=f"{name}.fit takes no wieghts="):
        model.fit(ratings(), wieghts=[1.0])


def test_weights_beyond_double_precision_are_named() -> None:
    given = ratings()
    weights = np.where(np.arange(len(given)) % 2, 1e9, 1e-9)
    model = cf.ALS(n_factors=30, reg=1e-9, reg_bias=1e-9, n_epochs=30, random_state=0)
    with pytest.raises(cf.DivergenceError, match=r"greatest is 1e\+18 times the least.*weights=np\.sqrt"):
        model.fit(given, weights=weights)
