"""Errors and warnings of the commands: one line each on standard error, in terms of the command line."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import typer

#: Exit codes, as in the help of every command.
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
EXIT_CODES = (
    "Exit codes: 0 done; 1 data, a file or the system is at fault; 2 wrong arguments; 130 interrupted. "
    "Errors are one line on standard error, and leave no half-written file."
)

#: A message is cut to so many characters: it may quote a field of a damaged file.
LONGEST = 1_000

#: Characters that would change the state of a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_NAME = r"[a-z][a-z0-9_]*"
_LITERAL = r"float\(\"nan\"\)|\"[^\"]*\"|'[^']*'|\([^()]*\)|\[[^][]*\]|-?\d[\w.]*|True|False|None|int\b|str\b"
_MENTION = (
    rf"(?<![\w.])(?P<name>{_NAME})=(?!=)(?P<value>{_LITERAL}|{_NAME}|\.\.\.)?"
    rf"(?P<more>(?:(?:, or | or |, )(?:{_LITERAL}))*)"
)
#: keyword=value, unless it stands after an option already.
_KEYWORD = re.compile(rf"(?<!--set )(?<!--vary ){_MENTION}")
#: The same, or a call of the library around some, as in ``fit(..., validation=ratings)``.
_CALL_OR_KEYWORD = re.compile(
    rf"(?:\w+\.)*\w+\((?P<inside>[^()]*{_NAME}=(?:[^()]|\([^()]*\))*)\)|{_KEYWORD.pattern}"
)
_VALUE = re.compile(_LITERAL)
#: The argument in messages such as "threshold must be a number".
_BEFORE_MUST = re.compile(rf"(?:^|(?<=: )){_NAME}(?= must )")
#: Where arguments of the library can be given, which is not where options are.
_PLACES = re.compile(
    r" in Ratings(, Ratings\.\w+)* or Ratings\.\w+| in predict|, or pass \(users, items, values, timestamps\)"
)
#: The library reads a table with a column for each item from a frame; no option does.
_WIDE = (
    '; it becomes rows by: python -c "import cfcore, pandas; '
    "cfcore.Ratings.from_matrix(pandas.read_csv('FILE', index_col=0)).to_frame('pandas')"
    ".to_csv('ratings.csv', index=False)\" (header=None for a file without header, missing=99 if 99 stands "
    "for none)"
)

#: The options of the command that runs.
_options: Mapping[str, str] = {}


class UsageError(Exception):
    """An argument names something that does not exist; exit code 2."""


@contextlib.contextmanager
def errors_in_a_line(options: Mapping[str, str]) -> Iterator[None]:
    """Print errors in one line on standard error; exit code 2 for arguments, 1 for all others.

    Parameters
    ----------
    options : mapping of str to str
        The option of the command for a keyword of the library, as `in_options` takes it.
    """
    global _options
    _options = options
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *place: say(f"warning: {in_options(message, options)}")
            yield
            flush()
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt:
        say("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader of the output has ended: `cfcore predict ... | head`
        discard_output()
        raise typer.Exit(FAILED) from None
    except UsageError as error:
        say(in_options(error, options))
        raise typer.Exit(WRONG_USAGE) from None
    except Exception as error:
        if os.environ.get("CFCORE_TRACEBACK"):
            raise
        say(in_options(text_of(error), options))
        if not getattr(error, "filename", None):
            discard_output()
        raise typer.Exit(FAILED) from None


@contextlib.contextmanager
def usage() -> Iterator[None]:
    """For calls whose arguments come from the command line: their errors have exit code 2."""
    from cfcore.errors import CfcoreError

    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, CfcoreError):
            raise
        raise UsageError(str(error)) from None


def text_of(error: Exception) -> str:
    """What to tell the user of an exception."""
    from cfcore.errors import CfcoreError

    if isinstance(error, OSError) and error.strerror:
        named = isinstance(error.filename, (str, bytes, os.PathLike)) and error.filename
        # What is written to a file is named; the rest goes to standard output.
        return f"{os.fsdecode(named) if named else 'standard output'}: {error.strerror}"
    if isinstance(error, UnicodeEncodeError):
        wrong = error.object[error.start : error.start + 1]
        return f"{wrong!r} cannot be written in {error.encoding}; write to a file by --out"
    if isinstance(error, MemoryError):
        return f"not enough memory{': ' if str(error) else ''}{error}"
    if isinstance(error, (CfcoreError, OSError, ImportError, ValueError, TypeError)):
        return str(error)
    return (
        f"unexpected {type(error).__name__}: {error}; please report it, "
        "with what CFCORE_TRACEBACK=1 cfcore ... prints"
    )


def say(text: str) -> None:
    """Print one line on standard error."""
    line = _CONTROL.sub(lambda found: repr(found[0])[1:-1], " ".join(text.split("\n")))
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    # A file name need not be valid text; standard error writes escapes for what it cannot encode.
    with contextlib.suppress(OSError, ValueError):
        typer.echo(f"cfcore: {line}", err=True)


def flush() -> None:
    """Write out standard output, so that a full disk is noticed before the exit code is chosen."""
    if sys.stdout is not None:
        sys.stdout.flush()


def discard_output() -> None:
    """Send what standard output still holds nowhere: Python would complain at its exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def in_options(message: Any, options: Mapping[str, str]) -> str:
    """A message of the library with keyword arguments replaced by options of the command.

    Parameters
    ----------
    message : object
        Its text may name arguments: ``pass duplicates="last" or "mean"``, ``fit(..., checkpoint=path)``.
    options : mapping of str to str
        For a keyword the option, with its placeholder if it takes a value: "--user NAME". For a keyword with
        a value, such as "timestamp=False", a flag. "" is for hyper-parameters: "--set NAME=VALUE".

    Returns
    -------
    str
        Keywords for which the command has no option are left as they are.
    """

    def option(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"] or ""
        flags = [options.get(f"{name}={each}", "") for each in (value, *_VALUE.findall(found["more"]))]
        if all(flags):
            return " or ".join(dict.fromkeys(flags))
        if name in options:
            flag, _, placeholder = options[name].partition(" ")
            if not placeholder:
                return flag
            if re.fullmatch(_LITERAL, value):
                return f"{flag} {_plain(value)}{_unquoted(found['more'])}"
            return f"{flag} {placeholder}"
        if "" in options and name in hyper_parameters():
            setting = f"{name}={_plain(value)}" if value else f"{name}=..."
            return f"{options[''].split()[0]} {setting}{_unquoted(found['more'])}"
        return found[0]

    def replaced(found: re.Match[str]) -> str:
        if found["inside"] is None:
            return option(found)
        mentions = list(_KEYWORD.finditer(found["inside"]))
        instead = [option(mention) for mention in mentions]
        if mentions and all(new != mention[0] for new, mention in zip(instead, mentions, strict=True)):
            return " ".join(instead)
        return _KEYWORD.sub(option, found[0])

    text = str(message)
    said = _CALL_OR_KEYWORD.sub(replaced, text)
    said = _BEFORE_MUST.sub(lambda found: options.get(found[0], found[0]).partition(" ")[0], said)
    said = said if said == text else _PLACES.sub("", said)
    said = said.replace("give Ratings with timestamps", "--timestamp NAME names their column")
    return said + _WIDE if options and "Ratings.from_matrix" in said else said


def in_options_of_the_command(message: Any) -> str:
    """`in_options` with the options of the command that runs."""
    return in_options(message, _options)


def _plain(value: str) -> str:
    """A literal of Python as it is written on the command line."""
    if value[:1] in "\"'":
        return value[1:-1]
    if value == 'float("nan")':
        return "nan"
    return value[1:-1].replace(" ", "") if value[:1] in ("(", "[") else value


def _unquoted(text: str) -> str:
    return re.sub(r"[\"']", "", text)


def hyper_parameters() -> set[str]:
    """Names of the hyper-parameters of all models."""
    from cfcore.registry import ENTRIES

    shared = {"random_state", "n_threads", "verbose"}  # there are other options for them, or none
    return {name for entry in ENTRIES for name in entry.load()().get_params(deep=False)} - shared
