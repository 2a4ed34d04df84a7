"""A few hundred inputs of each target, and the harness's own reports of faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import captured, run
from tests.fuzz.engine import Seeded
from tests.fuzz.targets import TARGETS

NAMES = [name for name in TARGETS if name != "faulty"]


@pytest.mark.parametrize("name", NAMES)
def test_no_crash_no_hang_no_unclear_error(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inputs = str(TARGETS[name]().smoke)
    code = run.main(["--target", name, "--inputs", inputs, "--engine", "seeded", "--save", str(tmp_path)])
    assert code == 0, capfd.readouterr().out


def test_every_kernel_function_is_called() -> None:
    assert captured.missing() == []


@pytest.mark.parametrize("name", ["kernels", "text"])
def test_an_input_is_the_same_in_every_run(name: str) -> None:
    first, second = Seeded(TARGETS[name](), 1), Seeded(TARGETS[name](), 1)
    assert [first.input(k) for k in range(50)] == [second.input(k) for k in range(50)]
    assert [first.input(k) for k in range(9)] != [Seeded(TARGETS[name](), 2).input(k) for k in range(9)]


def test_faults_are_counted_and_their_inputs_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--target", "faulty", "--engine", "seeded", "--save", str(tmp_path), "--timeout", "0.2"]
    assert run.main([*arguments, "--inputs", "250"]) == 1
    out = capsys.readouterr().out
    row = next(
        line for line in out.splitlines() if line.startswith("faulty ") and "DataError" in line
    ).split()
    inputs, accepted, refused, crashes, hangs, unclear, wrong = map(int, row[1:8])
    assert inputs == 250 == accepted + refused + crashes + hangs + unclear + wrong
    assert min(crashes, hangs, unclear, wrong) > 0
    assert "Segmentation fault" in out
    assert "KeyError" in out
    saved = {kind: next(tmp_path.glob(f"faulty-{kind}-*")) for kind in ("crash", "hang", "unclear", "wrong")}
    assert [path.read_bytes()[0] % 64 for path in saved.values()] == [0, 1, 2, 3]
    with pytest.raises(KeyError):
        run.main(["--target", "faulty", "--input", str(saved["unclear"])])
