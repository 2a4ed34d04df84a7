"""Fits that are broken off after an epoch, and models compared by all that their files hold."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cfcore import codec

Array = np.ndarray[Any, Any]


class BreakOff(BaseException):
    """As Ctrl-C: code that catches Exception does not stop it."""


def broken_off(path: Path, model: Any, ratings: Any, epoch: int = 2, **given: Any) -> None:
    """Fit until the checkpoint holds `epoch` epochs, and break off during the next one."""

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        if epochs > epoch:
            raise BreakOff

    with pytest.raises(BreakOff):
        model.fit(ratings, checkpoint=path, callback=watch, **given)
    header, _ = codec.read(path)
    assert len(header["state"]["train"]) == epoch


def content(model: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """All that a file holds of the fitted state: scalars by name, and arrays."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        header, arrays = codec.read(Path(folder) / "model")
    return header, arrays


def same(model: Any, other: Any) -> None:
    """Assert that two models are equal to the bit; their hyper-parameters may differ."""
    (header, arrays), (other_header, other_arrays) = content(model), content(other)
    for part in ("class", "scalars", "absent"):
        assert header[part] == other_header[part]
    assert list(arrays) == list(other_arrays)
    for name, array in arrays.items():
        assert array.dtype == other_arrays[name].dtype, name
        assert array.shape == other_arrays[name].shape, name
        assert array.tobytes() == other_arrays[name].tobytes(), name
