"""What a checkpoint keeps, and what it refuses; that every model goes on from one is in contracts."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import codec
from cfcore.models.core.checkpoint import Checkpoint
from tests.contracts.conftest import numbers
from tests.contracts.test_checkpoint import BreakOff, break_after, same

RATINGS = cf.Ratings(*numbers())
HELD_OUT = cf.Ratings(*numbers(seed=1))


def broken_off(path: Path, model: Any, monkeypatch: pytest.MonkeyPatch, epoch: int = 2, **given: Any) -> None:
    with monkeypatch.context() as patch:
        break_after(epoch, patch)
        with pytest.raises(BreakOff):
            model.fit(given.pop("ratings", RATINGS), checkpoint=path, **given)


@pytest.mark.parametrize("kind", [cf.SVD, cf.SVDpp])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [(1, 2), (2, 1)])
def test_threads_may_change(
    kind: Any, dtype: str, threads: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So large that both threads get work.
    ratings = cf.Ratings(*numbers(1200, 500, 270_000))
    model = kind(n_factors=20, n_epochs=4, dtype=dtype, random_state=3)
    whole = model.clone().set_params(n_threads=1).fit(ratings)
    broken_off(tmp_path / "run", model.clone().set_params(n_threads=threads[0]), monkeypatch, ratings=ratings)
    resumed = model.set_params(n_threads=threads[1], verbose=1).fit(ratings, checkpoint=tmp_path / "run")
    same(resumed, whole)


@pytest.mark.parametrize("kind", [cf.SVD, cf.SVDpp])
def test_a_fit_without_a_seed_goes_on(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    broken_off(paths[0], kind(n_factors=4, n_epochs=5), monkeypatch)
    paths[1].write_bytes(paths[0].read_bytes())
    one, two = (kind(n_factors=4, n_epochs=5).fit(RATINGS, checkpoint=path) for path in paths)
    same(one, two)
    assert len(one.history_["train_rmse"]) == 5


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_is_put_where_it_was(bits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generators = [np.random.Generator(bits(seed)) for seed in (7, 7, 8)]
    whole = cf.SVD(n_factors=4, n_epochs=5, random_state=generators[0]).fit(RATINGS)
    broken_off(tmp_path / "run", cf.SVD(n_factors=4, n_epochs=5, random_state=generators[1]), monkeypatch)
    resumed = cf.SVD(n_factors=4, n_epochs=5, random_state=generators[2])
    same(resumed.fit(RATINGS, checkpoint=tmp_path / "run"), whole)
    assert np.array_equal(generators[2].random(5), generators[0].random(5))


def test_early_stopping_remembers_the_best_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off between the best epoch and the end, when the best is no longer the current one."""
    model = cf.SVD(n_factors=20, n_epochs=40, lr=0.08, reg=0.0, random_state=0)
    given: dict[str, Any] = {"validation": HELD_OUT, "early_stopping": 4}
    whole = model.clone().fit(RATINGS, **given)
    best, last = whole.n_epochs_, len(whole.history_["train_rmse"])
    assert last == best + 4 < 40
    for epoch in range(best, last + 1):
        path = tmp_path / str(epoch)
        broken_off(path, model.clone(), monkeypatch, epoch, **given)
        same(model.clone().fit(RATINGS, checkpoint=path, **given), whole)


def test_divergence_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "run"
    model = cf.SVD(n_factors=4, n_epochs=9, lr=900.0, random_state=0)
    with pytest.warns(cf.ConvergenceWarning) as first:
        whole = model.clone().fit(RATINGS, checkpoint=path)
    with pytest.warns(cf.ConvergenceWarning) as second:
        same_again = model.clone().fit(RATINGS, checkpoint=path)
    assert str(first[0].message) == str(second[0].message)
    assert second[0].filename == __file__
    assert same_again.n_epochs_ == whole.n_epochs_ == 0
    assert np.array_equal(whole.item_factors_, same_again.item_factors_)


def test_sets_of_svdpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users, items, _, _ = numbers(seed=5)
    model, path = cf.SVDpp(n_factors=4, n_epochs=4, random_state=0), tmp_path / "run"
    whole = model.clone().fit(RATINGS, implicit=(users, items))
    broken_off(path, model.clone(), monkeypatch, implicit=(users, items))
    with pytest.raises(cf.DataError, match="differs in the implicit given to fit"):
        model.fit(RATINGS, checkpoint=path)
    with pytest.raises(cf.DataError, match="the implicit given to fit"):
        model.fit(RATINGS, checkpoint=path, implicit=(users[1:], items[1:]))
    same(model.fit(RATINGS, checkpoint=path, implicit=(users, items)), whole)


OTHERS: dict[str, tuple[dict[str, Any], Any, dict[str, Any], str]] = {
    "params": ({"lr": 0.02, "n_epochs": 9}, RATINGS, {}, r"n_epochs \(4 there, 9 here\), lr \(None there, 0"),
    "seed": ({"random_state": 1}, RATINGS, {}, r"random_state \(0 there, 1 here\)"),
    "dtype": ({"dtype": "float64"}, RATINGS, {}, "dtype"),
    "a value": ({}, cf.Ratings(RATINGS.user_ids[RATINGS.user_codes], RATINGS.item_ids[RATINGS.item_codes],
                               np.append(RATINGS.values[:1] % 5 + 1, RATINGS.values[1:]), RATINGS.timestamps),
                {}, "the training ratings"),
    "a row less": ({}, RATINGS.subset(np.arange(1, len(RATINGS))), {}, "the training ratings"),
    "ids": ({}, cf.Ratings(RATINGS.user_codes, RATINGS.item_codes, RATINGS.values), {}, "training ratings"),
    "validation": ({}, RATINGS, {"validation": HELD_OUT}, "the validation ratings"),
    "patience": ({}, RATINGS, {"validation": HELD_OUT, "early_stopping": 2}, r"early_stopping \(None there"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(OTHERS))
def test_another_fit_is_refused(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params, ratings, given, message = OTHERS[case]
    path = tmp_path / "run"
    broken_off(path, cf.SVD(n_factors=4, n_epochs=4, random_state=0), monkeypatch)
    content = path.read_bytes()
    model = cf.SVD(n_factors=4, n_epochs=4, random_state=0).fit(RATINGS).set_params(**params)
    before = model.predict(HELD_OUT)
    with pytest.raises(cf.DataError, match=message):
        model.fit(ratings, checkpoint=path, **given)
    assert np.array_equal(model.predict(HELD_OUT), before)  # the earlier fit is kept
    assert path.read_bytes() == content


def test_another_model_and_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    broken_off(path, cf.SVD(n_factors=4, n_epochs=4, random_state=0), monkeypatch)
    with pytest.raises(cf.DataError, match=r"model \('SVD' there, 'SVDpp' here\)"):
        cf.SVDpp(n_factors=4, n_epochs=4, random_state=0).fit(RATINGS, checkpoint=path)
    monkeypatch.setattr(cf, "__version__", "77.0")
    with pytest.raises(cf.DataError, match=r"version of cfcore \(.* there, '77.0' here\)"):
        cf.SVD(n_factors=4, n_epochs=4, random_state=0).fit(RATINGS, checkpoint=path)


def test_damage_is_never_a_new_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, model = tmp_path / "run", cf.SVD(n_factors=4, n_epochs=4, random_state=0)
    broken_off(path, model.clone(), monkeypatch)
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
    with pytest.raises(cf.FileFormatError, match="holds no user_bias_ as this fit needs it"):
        model.fit(RATINGS, checkpoint=path)


def test_files_are_not_taken_for_each_other(tmp_path: Path) -> None:
    model = cf.SVD(n_factors=4, n_epochs=4, random_state=0).fit(RATINGS, checkpoint=tmp_path / "run")
    model.save(tmp_path / "model")
    with pytest.raises(cf.FileFormatError, match="a fitted model, not a checkpoint"):
        model.fit(RATINGS, checkpoint=tmp_path / "model")
    with pytest.raises(cf.FileFormatError, match=r"a checkpoint; fit\(\.\.\., checkpoint=path\)"):
        cf.load(tmp_path / "run")


def test_paths(tmp_path: Path) -> None:
    model = cf.SVD(n_factors=4, n_epochs=1)
    with pytest.raises(FileNotFoundError, match=r"checkpoint: there is no folder .*absent"):
        model.fit(RATINGS, checkpoint=tmp_path / "absent" / "run")
    with pytest.raises(OSError, match=tmp_path.name):
        model.fit(RATINGS, checkpoint=tmp_path)
    with pytest.raises(TypeError):
        model.fit(RATINGS, checkpoint=7)
    model.fit(RATINGS, checkpoint=str(tmp_path / "text"))
    assert (tmp_path / "text").exists()


def test_interrupt_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a write: the file before is whole, and nothing else is left."""
    path, model = tmp_path / "run", cf.SVD(n_factors=4, n_epochs=4, random_state=0)
    broken_off(path, model.clone(), monkeypatch)
    content = path.read_bytes()

    def interrupted(_: int) -> None:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr("cfcore.codec.os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.clone().fit(RATINGS, checkpoint=path)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    same(model.clone().fit(RATINGS, checkpoint=path), model.clone().fit(RATINGS))


def test_leftovers_of_killed_fits_go(tmp_path: Path) -> None:
    left = tmp_path / ".run.1234.0123abcd.tmp"
    others = [
        tmp_path / name for name in (".run2.1234.0123abcd.tmp", ".run.notes.tmp", "run.1234.0123abcd.tmp")
    ]
    for file in (left, *others):
        file.write_bytes(b"half")
    cf.SVD(n_factors=4, n_epochs=1).fit(RATINGS, checkpoint=tmp_path / "run")
    assert not left.exists()
    assert all(file.exists() for file in others)


def test_an_epoch_that_changes_unnamed_arrays_is_no_use(tmp_path: Path) -> None:
    from tests.models.test_training import Scripted

    class Nameless(Scripted):
        def _fit(self, *_: Any) -> None:
            from cfcore.models.core.training import Training

            for _ in Training(self, 2):
                raise AssertionError("an epoch that could not be taken up again")

    with pytest.raises(RuntimeError, match="snapshot"):
        Nameless([]).fit(RATINGS, checkpoint=tmp_path / "run")


def test_carried_arrays_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cfcore.models.core.model import Model
    from cfcore.models.core.training import Training

    class Momentum(Model):
        def __init__(self, n_epochs: int = 6) -> None:
            self.n_epochs = n_epochs

        def _fit(self, *_: Any) -> None:
            self.state_, velocity = np.zeros(1), np.zeros(1)
            training = Training(
                self, self.n_epochs, snapshot=lambda: {"state_": self.state_.copy()},
                carried={"velocity": velocity},
            )  # fmt: skip
            for epoch in training:
                velocity += epoch
                self.state_ += velocity
                training.record(1.0)

    whole = Momentum().fit(RATINGS)
    broken_off(tmp_path / "run", Momentum(), monkeypatch, 3)
    assert Momentum().fit(RATINGS, checkpoint=tmp_path / "run").state_ == whole.state_ == 35


def test_written_once_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    monkeypatch.setattr(Checkpoint, "write", lambda _, state, groups: written.append(len(state["train"])))
    cf.Baseline(n_epochs=7).fit(RATINGS, checkpoint=tmp_path / "run")
    assert written == [1, 2, 3, 4, 5, 6, 7]
