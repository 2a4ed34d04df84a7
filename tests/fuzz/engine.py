"""What all fuzz targets share: choices read from bytes, mutations, and the classes of outcomes."""

from __future__ import annotations

import random
import struct
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cfcore.errors import CfcoreError

T = TypeVar("T")

#: Integers near the bounds that code checks, or forgets to.
INTEGERS = (
    0, 1, -1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 1000, 1023,
    1024, 1025,
    2**15 - 1, 2**15, 2**16 - 1, 2**16, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32 - 1, 2**32, 2**53,
    2**53 + 1,
    2**62, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, -2, -100,
)  # fmt: skip
REALS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 5.0, 1e-300, 5e-324, 1e-38, 1e-45, 1e15, 1e16, 3.4e38, 3.5e38, -3.4e38,
    1.7e308,
    float("inf"), float("-inf"), float("nan"), 2.0**31, 2.0**53, 2.0**63,
)  # fmt: skip


#: Folders of code whose warnings, of its own arithmetic for displays, say nothing about cfcore.
OTHERS = frozenset({"fuzz", "pandas", "polars", "pyarrow"})


class Wrong(Exception):
    """A target accepted its input and gave a result that it must not give."""


class Stream:
    """Choices read from bytes, so that one string of bytes stands for one input; zeros after its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        at, self._at = self._at, self._at + 1
        return self._data[at] if at < len(self._data) else 0

    def below(self, n: int) -> int:
        """A number in [0, n); 0 if n is 0."""
        number = self.byte()
        bound = 256
        while bound < n:
            number = number << 8 | self.byte()
            bound <<= 8
        return number % n if n else 0

    def chance(self, one_in: int) -> bool:
        return self.below(one_in) == one_in - 1

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def integer(self) -> int:
        kind = self.byte()
        if kind < 160:
            return self.pick(INTEGERS)
        if kind < 230:
            return self.below(12)
        return int.from_bytes(bytes(self.byte() for _ in range(8)), "little", signed=True)

    def real(self) -> float:
        kind = self.byte()
        if kind < 160:
            return self.pick(REALS)
        if kind < 230:
            return self.below(100) / 10
        return float(struct.unpack("<d", bytes(self.byte() for _ in range(8)))[0])

    def rest(self) -> bytes:
        return self._data[self._at :]


def mutate(data: bytes, rng: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """A few random changes: bits, bytes, numbers, tokens, blocks removed, repeated, moved, or spliced in."""
    out = bytearray(data)
    for _ in range(1 + int(rng.expovariate(0.6))):
        size = len(out)
        at = rng.randrange(size + 1)
        span = min(size - at, 1 + int(rng.expovariate(0.15)))
        kind = rng.randrange(10)
        if kind == 0 and at < size:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < size:
            out[at] = rng.randrange(256)
        elif kind == 2:
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(INTEGERS) & (1 << 8 * width) - 1
            out[at : at + width] = number.to_bytes(width, "little")
        elif kind == 3:
            del out[at : at + span]
        elif kind == 4:
            out[at:at] = out[at : at + span] * rng.choice((1, 1, 2, 5))
        elif kind == 5 and others:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            out[at : at + rng.choice((0, span))] = other[start : start + 1 + int(rng.expovariate(0.05))]
        elif kind in (6, 7) and tokens:
            out[at : at + rng.choice((0, 0, 1, span))] = rng.choice(tokens)
        elif kind == 8:
            block = out[at : at + span]
            del out[at : at + span]
            to = rng.randrange(len(out) + 1)
            out[to:to] = block
        elif kind == 9 and rng.random() < 0.3:
            del out[at:]
    return bytes(out)


@dataclass(frozen=True)
class Target:
    """A surface that takes hostile input.

    Attributes
    ----------
    name : str
    run : callable (bytes) -> None
        Feeds one input; an exception is the refusal of it, `Wrong` a result that must not be.
    seeds : callable () -> list of bytes
        Valid inputs; empty for targets whose inputs are choices, which random bytes stand for.
    tokens : sequence of bytes
        What mutations insert.
    weight : int
        Share of the inputs of a run over all targets.
    length : int
        Bytes of a random input.
    smoke : int
        Inputs of the test in the test suite.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]] = list
    tokens: Sequence[bytes] = ()
    weight: int = 1
    length: int = 96
    smoke: int = 300


@dataclass
class Seeded:
    """Inputs of a target; number `index` of a seed is the same in every run."""

    target: Target
    seed: int
    _seeds: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seeds = self.target.seeds()

    def input(self, index: int) -> bytes:
        rng = random.Random(f"{self.seed} {self.target.name} {index}")
        if not self._seeds:
            return rng.randbytes(self.target.length)
        chosen = rng.choice(self._seeds)
        return chosen if rng.random() < 0.002 else mutate(chosen, rng, self.target.tokens, self._seeds)


def outcome_of(target: Target, data: bytes) -> tuple[str, str, BaseException | None]:
    """Feed one input: ("accepted" | "refused" | "unclear" | "wrong", class of the exception, the exception).

    Clear are cfcore's own exceptions, ValueError, TypeError and OSError, but not their subclasses that name
    a fault of the code, such as UnicodeDecodeError. A warning that is not cfcore's or the user's own counts
    as unclear: it tells of arithmetic on invalid numbers.
    """
    error: BaseException | None = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            target.run(data)
        except Wrong as wrong:
            return "wrong", "Wrong", wrong
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:  # panics of Rust libraries are no Exceptions
            error = raised
    for warning in caught:
        if not OTHERS.intersection(Path(warning.filename).parts) and issubclass(
            warning.category, (RuntimeWarning, DeprecationWarning, FutureWarning, SyntaxWarning)
        ):
            shown = f"{warning.category.__name__}: {warning.message} ({warning.filename}:{warning.lineno})"
            return "unclear", warning.category.__name__, Wrong(shown)
    if error is None:
        return "accepted", "", None
    name = type(error).__name__
    clear = (
        isinstance(error, CfcoreError) or type(error) in (ValueError, TypeError) or isinstance(error, OSError)
    )
    return ("refused" if clear else "unclear"), name, error
