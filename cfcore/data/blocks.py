"""Text in blocks of whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.data.stream import Stream
from cfcore.errors import DataError

__all__ = ["head", "line_blocks", "lines_of_open_quotes", "n_lines"]

#: Bytes in a block.
BLOCK = 1 << 25

#: A first line that is longer is no line of a table.
LONGEST_LINE = 1 << 26


def head(stream: Stream, size: int = 1 << 16) -> bytes:
    """The first lines that are not blank, which are read again; blank ones before them are gone."""
    while (start := stream.peek(size)) and not start.strip(b" \r\n"):
        stream.read(len(start))
    while b"\n" not in start and len(start) >= size:
        size *= 4
        if size > LONGEST_LINE:
            raise DataError(f"{stream.where} is not a table: its first line has more than {len(start)} bytes")
        start = stream.peek(size)
    return start if len(start) < size else start[: start.rfind(b"\n") + 1]


def line_blocks(stream: Stream, size: int = 0) -> Iterator[bytes]:
    """Blocks of whole lines; only the last may lack a line end. The whole text is never in memory."""
    rest: list[bytes] = []
    while block := stream.read_block(size or BLOCK):
        cut = block.rfind(b"\n") + 1
        if cut == 0:
            rest.append(block)
            continue
        yield b"".join([*rest, memoryview(block)[:cut]]) if rest else block[:cut]
        rest = [block[cut:]] if cut < len(block) else []
    if rest:
        yield b"".join(rest)


def n_lines(block: bytes) -> int:
    """Number of lines in a block, a last one without a line end included."""
    bytes_of: NDArray[Any] = np.frombuffer(block, dtype=np.uint8)
    return sum(
        int(np.count_nonzero(bytes_of[start : start + (1 << 20)] == 10))
        for start in range(0, len(block), 1 << 20)
    ) + (not block.endswith(b"\n"))


def lines_of_open_quotes(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Number, blank lines not counted, and content of the lines with an odd number of double quotes."""
    bytes_of: NDArray[Any] = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(bytes_of == 10)
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    n_quotes = np.searchsorted(np.flatnonzero(bytes_of == 34), ends)
    odd = np.flatnonzero(np.diff(n_quotes, prepend=0) % 2)
    if len(odd) == 0:
        return
    begins = np.append(0, ends[:-1] + 1)
    blank = 0
    before = 0
    for line in odd.tolist():
        blank += sum(
            not block[begin:end].strip()
            for begin, end in zip(begins[before:line].tolist(), ends[before:line].tolist(), strict=True)
        )
        before = line
        yield line - blank, block[begins[line] : ends[line]]
