"""Contents and refusals of checkpoints; the contract tests resume every model from one."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import codec
from tests.checkpoints import broken_off, same
from tests.contracts.conftest import numbers
from tests.models.core.examples import Scripted

RATINGS = cf.Ratings(*numbers())
HELD_OUT = cf.Ratings(*numbers(seed=1))
SEED: dict[str, Any] = {"method": "sgd", "n_epochs": 4, "random_state": 0}


def test_carried_arrays_go_on(tmp_path: Path) -> None:
    whole = Scripted([1.0] * 6).fit(RATINGS)
    for epoch in range(1, 6):
        path = tmp_path / str(epoch)
        broken_off(path, Scripted([1.0] * 6), RATINGS, epoch)
        same(Scripted([1.0] * 6).fit(RATINGS, checkpoint=path), whole)
    assert whole.total_ == 35  # momentum 0, 1, 3, 6, 10, 15


def test_written_once_an_epoch(tmp_path: Path) -> None:
    path, seen = tmp_path / "run", []

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        held = len(codec.read(path)[0]["state"]["train"]) if path.exists() else 0
        seen.append((epochs, held))

    cf.Baseline(n_epochs=4).fit(RATINGS, checkpoint=path, callback=watch)
    assert seen == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert len(codec.read(path)[0]["state"]["train"]) == 4


def test_models_without_epochs_write_none(tmp_path: Path) -> None:
    for model in (cf.GlobalMean(), cf.Baseline(method="mean")):
        same(model.clone().fit(RATINGS, checkpoint=tmp_path / "run"), model.fit(RATINGS))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["Baseline", "SVD", "SVDpp"])
def test_a_fit_without_a_seed_goes_on(kind: str, tmp_path: Path) -> None:
    params: dict[str, Any] = {"method": "sgd"} if kind == "Baseline" else {"n_factors": 4}

    def model() -> Any:
        return getattr(cf, kind)(n_epochs=5, **params)

    paths = [tmp_path / "one", tmp_path / "two"]
    broken_off(paths[0], model(), RATINGS)
    paths[1].write_bytes(paths[0].read_bytes())
    one, two = (model().fit(RATINGS, checkpoint=path) for path in paths)
    same(one, two)
    assert len(one.history_["train_rmse"]) == 5


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_is_put_where_it_was(bits: Any, tmp_path: Path) -> None:
    generators = [np.random.Generator(bits(seed)) for seed in (7, 7, 8)]
    models = [cf.Baseline(method="sgd", n_epochs=5, random_state=rng) for rng in generators]
    whole = models[0].fit(RATINGS)
    broken_off(tmp_path / "run", models[1], RATINGS)
    same(models[2].fit(RATINGS, checkpoint=tmp_path / "run"), whole)
    assert np.array_equal(generators[2].random(5), generators[0].random(5))


def test_early_stopping_remembers_the_best_epoch(tmp_path: Path) -> None:
    """Broken off between the best epoch and the end, when the best is no longer the current one."""
    errors = [1.0 - 0.02 * k for k in range(12)]
    predictions = [3.0, 3.4, 3.7, 3.9, 3.8, 3.6, 3.5, 3.4, 3.3, 3.2, 3.1, 3.0]
    given: dict[str, Any] = {"validation": ([10], [100], [4.0]), "early_stopping": 4}
    train = cf.Ratings([10, 13], [100, 100], [1.0, 5.0])
    whole = Scripted(errors, predictions).fit(train, **given)
    assert (whole.n_epochs_, len(whole.history_["train_rmse"])) == (4, 8)
    for epoch in range(4, 8):
        path = tmp_path / str(epoch)
        broken_off(path, Scripted(errors, predictions), train, epoch, **given)
        same(Scripted(errors, predictions).fit(train, checkpoint=path, **given), whole)


def test_divergence_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "run"
    model = cf.Baseline(method="sgd", n_epochs=40, lr=0.02, lr_decay=2.0, random_state=0)
    with pytest.warns(cf.ConvergenceWarning) as first:
        whole = model.clone().fit(RATINGS, checkpoint=path)
    with pytest.warns(cf.ConvergenceWarning) as second:
        same(model.clone().fit(RATINGS, checkpoint=path), whole)
    assert str(first[0].message) == str(second[0].message)
    assert second[0].filename == __file__
    assert 0 < whole.n_epochs_ < 40


def test_divergence_in_the_first_epoch_is_remembered(tmp_path: Path) -> None:
    path, model = tmp_path / "run", cf.Baseline(method="sgd", n_epochs=9, lr=1e9, random_state=0)
    with pytest.raises(cf.DivergenceError, match="in epoch 1") as first:
        model.fit(RATINGS, checkpoint=path)
    with pytest.raises(cf.DivergenceError) as second:
        model.fit(RATINGS, checkpoint=path)
    assert str(first.value) == str(second.value)
    assert not model.is_fitted()


def test_implicit_pairs_of_svdpp(tmp_path: Path) -> None:
    users, items, _, _ = numbers(seed=5)
    model, path = cf.SVDpp(n_factors=4, n_epochs=4, random_state=0), tmp_path / "run"
    whole = model.clone().fit(RATINGS, implicit=(users, items))
    broken_off(path, model.clone(), RATINGS, implicit=(users, items))
    with pytest.raises(cf.DataError, match="differs in the implicit given to fit"):
        model.fit(RATINGS, checkpoint=path)
    with pytest.raises(cf.DataError, match="the implicit given to fit"):
        model.fit(RATINGS, checkpoint=path, implicit=(users[1:], items[1:]))
    same(model.fit(RATINGS, checkpoint=path, implicit=(users, items)), whole)


OTHERS: dict[str, tuple[dict[str, Any], Any, dict[str, Any], str]] = {
    "params": ({"lr": 0.02, "n_epochs": 9}, RATINGS, {},
               r"n_epochs \(4 there, 9 here\), lr \(0.01 there, 0.02 here\)"),
    "seed": ({"random_state": 1}, RATINGS, {}, r"random_state \(0 there, 1 here\)"),
    "a value": ({}, cf.Ratings(RATINGS.user_ids[RATINGS.user_codes], RATINGS.item_ids[RATINGS.item_codes],
                               np.append(RATINGS.values[:1] % 5 + 1, RATINGS.values[1:]), RATINGS.timestamps),
                {}, "the training ratings"),
    "a row less": ({}, RATINGS.subset(np.arange(1, len(RATINGS))), {}, "the training ratings"),
    "ids": ({}, cf.Ratings(RATINGS.user_codes, RATINGS.item_codes, RATINGS.values), {}, "training ratings"),
    "validation": ({}, RATINGS, {"validation": HELD_OUT}, "the validation ratings"),
    "patience": ({}, RATINGS, {"validation": HELD_OUT, "early_stopping": 2}, r"early_stopping \(None there"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(OTHERS))
def test_another_fit_is_refused(case: str, tmp_path: Path) -> None:
    params, ratings, given, message = OTHERS[case]
    path = tmp_path / "run"
    broken_off(path, cf.Baseline(**SEED), RATINGS)
    content = path.read_bytes()
    model = cf.Baseline(**SEED).fit(RATINGS).set_params(**params)
    before = model.predict(HELD_OUT)
    with pytest.raises(cf.DataError, match=message):
        model.fit(ratings, checkpoint=path, **given)
    assert np.array_equal(model.predict(HELD_OUT), before)  # the earlier fit is kept
    assert path.read_bytes() == content


def test_another_model_and_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    broken_off(path, cf.Baseline(**SEED), RATINGS)
    with pytest.raises(cf.DataError, match=r"model \('Baseline' there, 'tests\..*Scripted' here\)"):
        Scripted([1.0]).fit(RATINGS, checkpoint=path)
    monkeypatch.setattr(cf, "__version__", "77.0")
    with pytest.raises(cf.DataError, match=r"version of cfcore \(.* there, '77.0' here\)"):
        cf.Baseline(**SEED).fit(RATINGS, checkpoint=path)


def test_damage_is_never_a_new_start(tmp_path: Path) -> None:
    path, model = tmp_path / "run", cf.Baseline(**SEED)
    broken_off(path, model.clone(), RATINGS)
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (b"", content[:-1], content[:middle], flipped, b"x" * 100):
        path.write_bytes(damaged)
        with pytest.raises(cf.FileFormatError, match="run"):
            model.fit(RATINGS, checkpoint=path)
        assert path.read_bytes() == damaged
    path.write_bytes(content)
    header, arrays = codec.read(path)
    arrays["state.user_bias_"] = arrays["state.user_bias_"][1:]
    codec.write(path, header, arrays)
    with pytest.raises(cf.FileFormatError, match="user_bias_ is missing, or not of the shape"):
        model.fit(RATINGS, checkpoint=path)


def test_checkpoints_and_models_are_told_apart(tmp_path: Path) -> None:
    model = cf.Baseline(**SEED).fit(RATINGS, checkpoint=tmp_path / "run")
    model.save(tmp_path / "model")
    with pytest.raises(cf.FileFormatError, match="a fitted model, not a checkpoint"):
        model.fit(RATINGS, checkpoint=tmp_path / "model")
    with pytest.raises(cf.FileFormatError, match=r"a checkpoint; fit\(\.\.\., checkpoint=path\)"):
        cf.load(tmp_path / "run")


def test_paths(tmp_path: Path) -> None:
    model = cf.Baseline(n_epochs=1)
    with pytest.raises(FileNotFoundError, match=r"checkpoint: there is no folder .*absent"):
        model.fit(RATINGS, checkpoint=tmp_path / "absent" / "run")
    with pytest.raises(OSError, match=tmp_path.name):
        model.fit(RATINGS, checkpoint=tmp_path)
    with pytest.raises(TypeError):
        model.fit(RATINGS, checkpoint=7)  # type: ignore[arg-type]
    model.fit(RATINGS, checkpoint=str(tmp_path / "text"))
    assert (tmp_path / "text").exists()


def test_interrupt_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a write: the file before is whole, and nothing else is left."""
    path, model = tmp_path / "run", cf.Baseline(**SEED)
    broken_off(path, model.clone(), RATINGS)
    content = path.read_bytes()

    def interrupted(_: int) -> None:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.clone().fit(RATINGS, checkpoint=path)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    same(model.clone().fit(RATINGS, checkpoint=path), model.clone().fit(RATINGS))


def test_temporary_files_of_killed_fits_are_removed(tmp_path: Path) -> None:
    left = tmp_path / ".run.1234.0123abcd.tmp"
    names = (".run2.1234.0123abcd.tmp", ".run.notes.tmp", "run.1234.0123abcd.tmp")
    others = [tmp_path / name for name in names]
    for file in (left, *others):
        file.write_bytes(b"half")
    cf.Baseline(n_epochs=1).fit(RATINGS, checkpoint=tmp_path / "run")
    assert not left.exists()
    assert all(file.exists() for file in others)


def test_a_trainer_with_other_arrays_is_told_what_is_missing(tmp_path: Path) -> None:
    """A checkpoint of a trainer whose arrays were called otherwise, as another version might have them."""
    path = tmp_path / "run"
    broken_off(path, Scripted([1.0] * 4), RATINGS)
    for group, name in (("state", "total_"), ("carried", "momentum")):
        header, arrays = codec.read(path)
        renamed: Mapping[str, Any] = {
            key.replace(f"{group}.{name}", f"{group}.other"): value for key, value in arrays.items()
        }
        codec.write(tmp_path / "other", header, dict(renamed))
        with pytest.raises(cf.FileFormatError, match=f"{name} is missing, or not of the shape"):
            Scripted([1.0] * 4).fit(RATINGS, checkpoint=tmp_path / "other")
