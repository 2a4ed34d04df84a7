"""What computes: scikit-surprise's algorithms, number by number, or cfcore's models of the same names."""

from __future__ import annotations

from typing import Any, Self

__all__ = ["ENGINES", "on_engine", "settle", "use"]

#: "surprise": the numbers of scikit-surprise. "cfcore": cfcore's models.
ENGINES = ("surprise", "cfcore")

_default = "surprise"


class use:
    """Choose what algorithms made from now on compute with; also for the time of a ``with`` block.

    Parameters
    ----------
    engine : {"surprise", "cfcore"}
        "surprise", the default: the numbers of scikit-surprise. "cfcore": cfcore's model of that name, on all
        cores and with a lower error, for `SVD`, `SVDpp`, `KNNBasic`, `KNNWithMeans`, `KNNWithZScore`,
        `KNNBaseline` and `BaselineOnly`; `NMF`, `SlopeOne`, `CoClustering`, `NormalPredictor` and algorithms
        of your own stay as they are.

    Raises
    ------
    ValueError
        There is no such engine.

    Examples
    --------
    >>> import cfcore.surprise as surprise
    >>> with surprise.use("cfcore"):
    ...     algo = surprise.SVD()
    >>> algo.engine
    'cfcore'
    """

    def __init__(self, engine: str) -> None:
        global _default
        self._before = _default
        _default = _checked(engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        global _default
        _default = self._before


def _checked(engine: Any) -> str:
    if engine not in ENGINES:
        raise ValueError(f'engine must be "surprise" or "cfcore", not {engine!r}')
    return str(engine)


def settle(algo: Any, engine: str | None) -> None:
    """Give an algorithm the class of its engine; called by the constructor of `AlgoBase`.

    Parameters
    ----------
    algo : AlgoBase
    engine : str or None
        The argument of its constructor; None for what `use` has set.

    Raises
    ------
    ValueError
        There is no such engine, or not for this algorithm.
    """
    wanted = _default if engine is None else _checked(engine)
    if wanted == "surprise":
        return
    found = on_engine(type(algo), wanted)
    if found is not type(algo):
        algo.__class__ = found
    elif engine is not None and not hasattr(algo, "engine"):
        from cfcore.adapters.surprise.on_cfcore import ON_CFCORE

        names = ", ".join(kind.__name__ for kind in ON_CFCORE)
        raise ValueError(
            f'engine="cfcore" is for {names}, not for {type(algo).__name__}; leave engine out for '
            f"scikit-surprise's numbers"
        )


def on_engine(kind: type[Any], engine: str) -> type[Any]:
    """The class of an algorithm on an engine; `kind` itself if there is none."""
    from cfcore.adapters.surprise.on_cfcore import ON_CFCORE

    return ON_CFCORE.get(kind, kind) if engine == "cfcore" else kind
