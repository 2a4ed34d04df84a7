from typing import Any

from numpy.typing import NDArray

def find(ids: NDArray[Any], raw: int | str) -> int: ...
