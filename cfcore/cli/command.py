"""`command`: what all commands have in common, around the function of each."""

from __future__ import annotations

import functools
import inspect
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer.models import OptionInfo, ParameterInfo

from cfcore.cli import reading
from cfcore.cli.errors import errors_in_a_line

#: Arguments of the library whose option has another name.
ALIASES = {"n_threads": "threads", "random_state": "seed", "n_jobs": "jobs", "space": "vary"}

#: Values of arguments for which there is a flag.
FLAGS = {
    "timestamp=False": "--no-timestamp",
    "timestamps=False": "--no-timestamp",
    "header=True": "--header",
    "header=False": "--no-header",
    "exclude_seen=False": "--include-seen",
}


def command(function: Callable[..., None]) -> Callable[..., None]:
    """The function as typer takes it.

    A parameter of type `Reading` or `PairReading` becomes the options that it stands for; errors and warnings
    are printed in one line each, and name the options of the command.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters, groups = [], {}
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if isinstance(kind, type) and issubclass(kind, reading.PairReading):
            groups[parameter.name] = kind
            parameters += [
                inspect.Parameter(name, parameter.KEYWORD_ONLY, default=default, annotation=annotation)
                for name, (annotation, default) in kind.options().items()
            ]
        else:
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=kind))
    options = options_of(parameters)

    @functools.wraps(function)
    def run(**given: Any) -> None:
        with errors_in_a_line(options), stopped_by_signals():
            for name, kind in groups.items():
                given[name] = kind.of({option: given.pop(option) for option in kind.options()})
            function(**given)

    del run.__wrapped__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def options_of(parameters: Iterable[inspect.Parameter]) -> dict[str, str]:
    """The option of each argument of the library, with its placeholder, as `in_options` takes them."""
    found = {}
    for parameter in parameters:
        info = next((each for each in _extras(parameter.annotation) if isinstance(each, OptionInfo)), None)
        if info is None:
            continue
        # In Annotated, the first name is taken for a default.
        names = [name for name in (info.default, *(info.param_decls or ())) if isinstance(name, str)]
        long = next((name for name in names if name.startswith("--")), None)
        flag, switch, _ = (long or next(iter(names), f"--{parameter.name.replace('_', '-')}")).partition("/")
        is_flag = switch or get_args(parameter.annotation)[0] is bool
        found[parameter.name] = flag if is_flag else f"{flag} {info.metavar or parameter.name.upper()}"
    flags = {option.partition(" ")[0] for option in found.values()}
    found |= {keyword: found[name] for keyword, name in ALIASES.items() if name in found}
    found |= {
        keyword: flag for keyword, flag in FLAGS.items() if flag.replace("--no-header", "--header") in flags
    }
    if "settings" in found:
        found[""] = found.pop("settings")
    return found


def _extras(annotation: Any) -> list[ParameterInfo]:
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return [extra for extra in extras if isinstance(extra, ParameterInfo)]


class stopped_by_signals:
    """End by an exception at SIGTERM and SIGHUP, so that temporary files are removed."""

    def __enter__(self) -> None:
        self._before = {}
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            try:
                if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                    self._before[number] = signal.signal(number, self._stop)
            except ValueError:  # only the main thread may
                return

    @staticmethod
    def _stop(number: int, frame: Any) -> None:
        sys.exit(128 + number)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
