from collections.abc import Callable
from typing import Any

from numpy import int32, uint8
from numpy.typing import NDArray

from cfcore.adapters.surprise.batch import Estimates
from cfcore.adapters.surprise.predictions import Prediction

def encode(
    rows: list[Any] | tuple[Any, ...], users: dict[Any, int], items: dict[Any, int]
) -> tuple[list[tuple[Any, Any, Any]], NDArray[int32], NDArray[int32]]: ...
def predictions(
    kind: type[Prediction],
    rows: list[tuple[Any, Any, Any]],
    estimates: Estimates,
    scale: tuple[float, float],
    default: Callable[[], float] | None,
    default_value: float | None,
) -> list[Prediction]: ...
def untrack(rows: list[Any]) -> None: ...
def add_pairs(
    rows: list[tuple[Any, Any, Any]], uid: Any, items: list[Any], wanted: NDArray[uint8], value: float
) -> bool: ...
