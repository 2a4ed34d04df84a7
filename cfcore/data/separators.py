"""Separators of delimited text: found from its first lines, and brought into the form that kernels read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cfcore.errors import DataError

__all__ = ["NUMBER", "Separator", "find_separator", "separator_given"]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)

BLANKS, SPACES, TABS = r"\s+", " +", r"\t+"

# Tried in this order: a field may contain those that come later.
SEPARATORS = ("::", "\t", TABS, ",", ";", "|", BLANKS)

#: Takes the place of a separator that kernels do not read.
UNIT = "\x1f"

#: Lines that tell the separator.
MOST_LINES = 100


class Separator:
    """A separator of columns.

    Parameters
    ----------
    text : str
        As the caller gives it: some characters, or ``\\s+``, ``\\t+`` and `` +`` for runs of blanks or tabs.
    encoding : str
        Encoding of the file.

    Attributes
    ----------
    text : str
        For messages.
    kernel : str
        What separates the columns of a block after `prepare`: 1 to 4 ASCII characters.
    """

    def __init__(self, text: str, encoding: str = "utf-8") -> None:
        self.text = text
        self._run = {BLANKS: b" \t", SPACES: b" ", " ": b" ", TABS: b"\t"}.get(text)
        self._bytes = text.encode(encoding, errors="replace")
        self.kernel = "\t" if text == TABS else " " if self._run else text
        self._replaced = not self._run and not (text.isascii() and len(text) <= 4)
        if self._replaced:
            self.kernel = UNIT

    def split(self, line: str) -> list[str]:
        """Fields of one line, without the blanks and quotes around them."""
        if self._run:
            characters = self._run.decode()
            fields = split_line(re.sub(f"[{characters}]+", self.kernel, line.strip(characters)), self.kernel)
            return fields if '"' not in line else split_line(_squeezed_line(line, self), self.kernel)
        return split_line(line, self.text)

    def prepare(self, block: bytes, where: str) -> bytes:
        """A block of whole lines, in which `kernel` is between the columns."""
        if self._run:
            runs = (b"  ", b" \n", b"\n ") if b" " in self._run else (b"\t\t", b"\t\n", b"\n\t")
            odd = any(run in block for run in runs) or block[:1] in (b" ", b"\t")
            if odd or (self.text == BLANKS and b"\t" in block):
                return _squeezed(block, self._run, self.kernel.encode())
        elif self._replaced:
            if UNIT.encode() in block:
                raise DataError(f"{where} holds control characters, which a separator must replace")
            return block.replace(self._bytes, UNIT.encode())
        return block


def split_line(line: str, separator: str) -> list[str]:
    """Fields of one line, without the blanks and quotes around them."""
    if '"' not in line:
        return [field.strip() for field in line.split(separator)]
    quoted = rf'\s*"((?:[^"]|"")*)"\s*(?={re.escape(separator)}|$)|(.*?)(?={re.escape(separator)}|$)'
    fields, at = [], 0
    while True:
        match = re.compile(quoted, re.DOTALL).match(line, at)
        assert match is not None
        inside, plain = match.groups()
        fields.append(inside.replace('""', '"') if inside is not None else plain.strip())
        at = match.end() + len(separator)
        if match.end() >= len(line):
            return fields


def _squeezed_line(line: str, separator: Separator) -> str:
    return separator.prepare(line.encode() + b"\n", "").decode().rstrip("\n").strip(separator.kernel)


def _squeezed(block: bytes, run: bytes, kernel: bytes) -> bytes:
    """The block with one separator in place of each run, and none at the beginning of lines."""
    if b'"' in block:  # a run inside of quotes is part of the field
        pattern = rb'("(?:[^"\n]|"")*")|(^[ \t]+)|([' + run + rb"]+)"

        def squeeze(match: re.Match[bytes]) -> bytes:
            return match[1] or (b"" if match[2] else kernel)

        return re.sub(pattern, squeeze, block, flags=re.MULTILINE)
    text: NDArray[np.uint8] = np.frombuffer(block, dtype=np.uint8)
    separates = np.zeros(256, dtype=bool)
    separates[list(run)] = True
    is_separator = separates[text]
    drop = is_separator.copy()
    drop[1:] &= is_separator[:-1] | (text[:-1] == 10)
    kept = np.where(is_separator, np.uint8(kernel[0]), text)[~drop]
    return kept.tobytes()


def separator_given(separator: object, encoding: str) -> Separator:
    """A separator that the caller gives, or TypeError or ValueError."""
    if not isinstance(separator, str):
        raise TypeError(f"separator must be a str, not {type(separator).__name__}")
    separator = {r"\t": "\t"}.get(separator, separator)  # as shells pass it
    if not separator:
        raise ValueError("separator is empty; leave it out to have it found")
    wrong = re.search(r'[\r\n"0-9]', separator)
    if wrong and separator not in (BLANKS, TABS):
        raise ValueError(
            f"separator={separator!r} holds {wrong[0]!r}, which ends a line or belongs to a field"
        )
    return Separator(separator, encoding)


def find_separator(lines: Sequence[str], least: int, where: str) -> Separator:
    """The separator of these lines.

    Each candidate must separate all of them into one number of columns, at least `least`. The one that leaves
    most numbers and fewest other separators is taken, or the first of them; if there is none, because lines
    are damaged, the first that separates the first line.

    Raises
    ------
    DataError
        When no separator is in the first line.
    """
    best, best_score = None, -np.inf
    candidates = [Separator(text) for text in SEPARATORS]
    for candidate in candidates:
        rows = [candidate.split(line) for line in lines[:MOST_LINES]]
        if len(rows[0]) >= least and all(len(row) == len(rows[0]) for row in rows):
            score = sum(map(_worth, (field for row in rows for field in row)))
            # Tabs that align columns leave empty fields, unlike runs of them.
            if candidate.text == "\t" and any("" in row[:-1] for row in rows):
                score -= 1
            if score > best_score:
                best, best_score = candidate, score
    if best is not None:
        return best
    for candidate in candidates:
        if len(candidate.split(lines[0])) >= least:
            return candidate
    needed = "user, item and rating" if least == 3 else "user and item"
    raise DataError(
        f"{where}: no separator found in its first line {lines[0][:80]!r}, tried '::', tab, ',', ';', '|' "
        f"and blanks; at least the columns {needed} are needed. Another separator is passed as separator="
    )


def _worth(field: str) -> int:
    if NUMBER.fullmatch(field) or _DECIMAL_COMMA.fullmatch(field):
        return 1
    return -1 if re.search(r"::|[\t,;|]", field) else 0
