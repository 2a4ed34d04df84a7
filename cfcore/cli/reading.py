"""Options that say how files are read, the same for all commands, and reading by them."""

from __future__ import annotations

import codecs
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from cfcore.cli.errors import UsageError, usage

if TYPE_CHECKING:
    from cfcore.data.ratings import Ratings

#: Split of a data set when none is asked for; a fraction is a random test share.
DEFAULT_SPLIT = {"ml-100k": "u1"}

#: Size of synthetic data: that of MovieLens 100K.
SYNTHETIC = (943, 1_682, 100_000)

PANEL = "Files"


def _option(metavar: str, help_text: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help_text, rich_help_panel=PANEL)


def _flag(help_text: str, *names: str) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=PANEL)


def _column(what: str) -> Any:
    return _option("NAME", f"Column of {what}, by its name or its position from 0, if it has no usual name.")


#: Annotation and default of each option, by the name of its parameter.
OPTIONS: dict[str, tuple[Any, Any]] = {
    "user": (Annotated[str, _column("users")], ""),
    "item": (Annotated[str, _column("items")], ""),
    "rating": (Annotated[str, _column("ratings")], ""),
    "timestamp": (Annotated[str, _column("times")], ""),
    "no_timestamp": (Annotated[bool, _flag("Leave times unread.", "--no-timestamp")], False),
    "separator": (
        Annotated[str, _option("TEXT", r"Between columns; \t is a tab. By default found by the first line.")],
        "",
    ),
    "header": (
        Annotated[
            bool | None,
            _flag(
                "Whether the first line names the columns. By default found by that line.",
                "--header/--no-header",
            ),
        ],
        None,
    ),
    "encoding": (Annotated[str, _option("NAME", "Of text: utf-8 by default; latin-1, utf-16, ...")], ""),
    "scale": (
        Annotated[str, _option("LO,HI", "Lowest and highest possible rating; by default those that occur.")],
        "",
    ),
    "duplicates": (
        Annotated[
            str,
            _option(
                "HOW",
                "For pairs rated more than once: error (the default), last, first, or mean.",
            ),
        ],
        "",
    ),
    "missing": (
        Annotated[str, _option("NUMBERS", "Ratings that stand for none, such as 99 or 0,-1: left out.")],
        "",
    ),
}


@dataclass(frozen=True)
class PairReading:
    """Options of commands that read pairs of users and items, as they were given; "" and None: not given."""

    user: str = ""
    item: str = ""
    timestamp: str = ""
    no_timestamp: bool = False
    separator: str = ""
    header: bool | None = None
    encoding: str = ""

    @classmethod
    def options(cls) -> dict[str, tuple[Any, Any]]:
        """Annotation and default of each option, in the order of the help."""
        own = {field.name for field in fields(cls)}
        return {name: option for name, option in OPTIONS.items() if name in own}

    @classmethod
    def of(cls, given: dict[str, Any]) -> Self:
        """From the values of the options."""
        return cls(**given)

    def given(self) -> list[str]:
        """The options that were given."""
        return [
            f"--{field.name.replace('_', '-')}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]

    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of the readers of the library; only those that were given.

        Raises
        ------
        UsageError
            For a value that no file could be read with.
        """
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                name, convert = CONVERSIONS.get(field.name, (field.name, lambda value: value))
                if name in found:
                    raise UsageError("--timestamp and --no-timestamp: give one of them")
                found[name] = convert(value)
        return found


@dataclass(frozen=True)
class Reading(PairReading):
    """Options of commands that read ratings."""

    rating: str = ""
    scale: str = ""
    duplicates: str = ""
    missing: str = ""


def _column_of(text: str) -> str | int:
    return int(text) if text.isascii() and text.isdigit() else text


def _separator_of(text: str) -> str:
    return text.replace(r"\t", "\t")


def _encoding_of(text: str) -> str:
    try:
        return codecs.lookup(text).name
    except (LookupError, ValueError):
        raise UsageError(
            f"--encoding {text}: there is no such encoding; utf-8, latin-1, utf-16 are some"
        ) from None


def _scale_of(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise UsageError(f"--scale {text}: write it as LO,HI, such as 1,5") from None
    if not -math.inf < low < high < math.inf:
        raise UsageError(f"--scale {text}: the first number must be lower than the second")
    return low, high


def _missing_of(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--missing {text}: write it as numbers, with commas between them") from None


#: Keyword of the library and conversion of the options that are not passed on as they are.
CONVERSIONS: dict[str, tuple[str, Any]] = {
    "user": ("user", _column_of),
    "item": ("item", _column_of),
    "rating": ("rating", _column_of),
    "timestamp": ("timestamp", _column_of),
    "no_timestamp": ("timestamp", lambda given: False),
    "separator": ("separator", _separator_of),
    "encoding": ("encoding", _encoding_of),
    "scale": ("scale", _scale_of),
    "missing": ("missing", _missing_of),
}


def number(split: str) -> float | str:
    """A share between 0 and 1 as a number; any other text as it is, for the data set to check."""
    try:
        share = float(split)
    except ValueError:
        return split
    if not 0 < share < 1:
        raise UsageError(f"--split {split}: a share must be between 0 and 1")
    return share


def is_data_set(data: str) -> bool:
    """Whether `data` names a data set, not a file."""
    from cfcore.data.catalog import CATALOG

    return data in CATALOG or data == "synthetic"


def read(data: str, reading: Reading) -> Ratings:
    """All ratings of a data set or a file."""
    import cfcore as cf
    from cfcore.data.catalog import CATALOG

    keywords = reading.keywords()
    if is_data_set(data):
        if keywords:
            raise UsageError(f"{', '.join(reading.given())}: for files only, and {data} is a data set")
        if data == "synthetic":
            return cf.datasets.synthetic(*SYNTHETIC, random_state=0)
        return cf.datasets.load(data)
    if not Path(data).exists():
        known = ", ".join([*CATALOG, "synthetic"])
        raise UsageError(f"{data!r} is neither a data set ({known}) nor a file")
    with usage():
        return cf.Ratings.read(data, **keywords)


def read_split(data: str, split: str, reading: Reading) -> tuple[Ratings, Ratings]:
    """Training and test part of a data set or a file."""
    import cfcore as cf

    share = number(split)
    if is_data_set(data) and data != "synthetic" and not reading.given():
        with usage():  # the data set may have no such split
            return cf.datasets.load(data, split=share)
    whole = read(data, reading)
    if isinstance(share, str):
        raise UsageError(f"--split {split}: {data} has no such split; give the share to test on, such as 0.1")
    return hold_out(whole, share, 0, "--split")


def hold_out(ratings: Ratings, share: float, seed: int, option: str) -> tuple[Ratings, Ratings]:
    """Random training and test part; UsageError, which names the option, if one would be empty."""
    import cfcore as cf

    try:
        return cf.split.holdout(ratings, share, random_state=seed)
    except ValueError as error:
        if "empty" not in str(error):
            raise
        raise UsageError(
            f"{option} {share:g}: it leaves one part of {len(ratings):,} ratings empty"
        ) from None


def read_part(data: str, split: str, part: int, reading: Reading) -> Ratings:
    """Training (0) or test part (1) of a split, or everything if there is none."""
    return read_split(data, split, reading)[part] if split else read(data, reading)
