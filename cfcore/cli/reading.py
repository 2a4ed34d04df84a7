"""Options that say how files are read, the same for all commands, and reading by them."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from cfcore.cli.errors import UsageError, usage
from cfcore.cli.ids import kinds_fixed, kinds_of

if TYPE_CHECKING:
    from cfcore.data.ratings import Ratings
    from cfcore.models.core.model import Model

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
    "user": (Annotated[str | None, _column("users")], None),
    "item": (Annotated[str | None, _column("items")], None),
    "rating": (Annotated[str | None, _column("ratings")], None),
    "timestamp": (Annotated[str | None, _column("times")], None),
    "no_timestamp": (Annotated[bool, _flag("Leave times unread.", "--no-timestamp")], False),
    "separator": (
        Annotated[
            str | None,
            _option(
                "TEXT", r"Between columns; \t is a tab, \s+ any blanks. By default found by the first lines."
            ),
        ],
        None,
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
    "encoding": (
        Annotated[str | None, _option("NAME", "Of text: utf-8 by default; latin-1, utf-16, ...")],
        None,
    ),
    "decimal": (
        Annotated[str | None, _option("MARK", "Of ratings in text: . or , (both, unless it is ambiguous).")],
        None,
    ),
    "ids": (
        Annotated[
            str | None,
            _option("KIND", "int or str: of which kind ids are. By default integers if all of a column are."),
        ],
        None,
    ),
    "scale": (
        Annotated[
            str | None, _option("LO,HI", "Lowest and highest possible rating; by default those that occur.")
        ],
        None,
    ),
    "duplicates": (
        Annotated[
            str | None,
            _option(
                "HOW",
                "For pairs rated more than once: error (the default), last, first, or mean.",
            ),
        ],
        None,
    ),
    "missing": (
        Annotated[
            str | None, _option("NUMBERS", "Ratings that stand for none, such as 99 or 0,-1: left out.")
        ],
        None,
    ),
}


@dataclass(frozen=True)
class PairReading:
    """Options of commands that read pairs of users and items, as they were given; None: not given."""

    user: str | None = None
    item: str | None = None
    timestamp: str | None = None
    no_timestamp: bool = False
    separator: str | None = None
    header: bool | None = None
    encoding: str | None = None

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

    def keywords(self, model: Model | None = None) -> dict[str, Any]:
        """Keyword arguments of the readers of the library; only those that were given.

        Parameters
        ----------
        model : Model, optional
            The ids are of the kinds that it was fitted to, if it is fitted, and times are read only if it
            uses them.

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
        if model is not None and model.is_fitted():
            found.setdefault("ids", kinds_of(model))
        # The latest of several ratings of a pair is found by times.
        if model is not None and not model.uses_timestamps() and "duplicates" not in found:
            found.setdefault("timestamp", False)
        return found


@dataclass(frozen=True)
class Reading(PairReading):
    """Options of commands that read ratings."""

    rating: str | None = None
    decimal: str | None = None
    ids: str | None = None
    scale: str | None = None
    duplicates: str | None = None
    missing: str | None = None


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


def _duplicates_of(text: str) -> str:
    from cfcore.data.build import DUPLICATES

    if text not in DUPLICATES:
        raise UsageError(f"--duplicates {text}: give {', '.join(DUPLICATES[:-1])} or {DUPLICATES[-1]}")
    return text


def _ids_of(text: str) -> type:
    kinds: dict[str, type] = {"int": int, "str": str}
    if text not in kinds:
        raise UsageError(f"--ids {text}: give int or str")
    return kinds[text]


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
    "ids": ("ids", _ids_of),
    "duplicates": ("duplicates", _duplicates_of),
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


def data_set(data: Sequence[str]) -> str:
    """The data set that DATA names; "" for files.

    Raises
    ------
    UsageError
        A data set is named together with others.
    """
    named = next(filter(None, map(_spelled, data)), "")
    if named and len(data) > 1:
        raise UsageError(f"{named} is a data set, which is read alone; ./{named} is a file of that name")
    return named


def _spelled(name: str) -> str:
    """The data set of that name, in any spelling where no such file exists; "" if there is none."""
    from cfcore.data.catalog import CATALOG, find

    if name in CATALOG or name == "synthetic":
        return name
    try:
        return "" if Path(name).exists() else find(name)
    except (ValueError, OSError):
        return ""


def read(data: Sequence[str], reading: Reading, model: Model | None = None) -> Ratings:
    """All ratings of a data set or of files; of files as `PairReading.keywords` says for the model."""
    import cfcore as cf
    from cfcore.data.catalog import CATALOG

    keywords = reading.keywords(model)
    named = data_set(data)
    if named:
        if reading.given():
            raise UsageError(f"{', '.join(reading.given())}: for files only, and {named} is a data set")
        if named == "synthetic":
            return cf.datasets.synthetic(*SYNTHETIC, random_state=0)
        return cf.datasets.load(named)
    check_paths(data)
    with (
        usage(),
        kinds_fixed(model is not None and model.is_fitted() and reading.ids is None),
        existing(data, "neither a data set (" + ", ".join([*CATALOG, "synthetic"]) + ") nor a file"),
    ):
        return cf.Ratings.read(data[0] if len(data) == 1 else list(data), **keywords)


def check_paths(paths: Sequence[str]) -> None:
    """Raise UsageError for what is no path: nothing, or a URL."""
    for path in paths:
        if not path:
            raise UsageError("the name of a file is empty")
        if re.match(r"(https?|ftp|s3|gs)://", path):
            raise UsageError(
                f"{path} is a URL: pipe it, as by curl -L URL | cfcore ... -, or download it first"
            )


@contextmanager
def existing(paths: Sequence[str], otherwise: str = "") -> Iterator[None]:
    """Raise UsageError if one of the files to read does not exist; `otherwise` says what a name might be."""
    try:
        yield
    except FileNotFoundError as error:
        missing = str(error.filename or "")
        if otherwise and missing in paths and "/" not in missing:
            raise UsageError(f"{missing!r} is {otherwise}") from None
        raise UsageError(f"{missing}: there is no such file" if missing else str(error)) from None


def read_split(
    data: Sequence[str], split: str, reading: Reading, model: Model | None = None
) -> tuple[Ratings, Ratings]:
    """Training and test part of a data set or a file."""
    import cfcore as cf

    share = number(split)
    named = data_set(data)
    if named not in ("", "synthetic") and not reading.given():
        with usage():  # the data set may have no such split
            return cf.datasets.load(named, split=share)
    whole = read(data, reading, model)
    if isinstance(share, str):
        shown = named or "a file"
        raise UsageError(
            f"--split {split}: {shown} has no such split; give the share to test on, such as 0.1"
        )
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


def read_part(
    data: Sequence[str], split: str, part: int, reading: Reading, model: Model | None = None
) -> Ratings:
    """Training (0) or test part (1) of a split, or everything if there is none."""
    return read_split(data, split, reading, model)[part] if split else read(data, reading, model)
