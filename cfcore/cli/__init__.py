"""The command ``cfcore``; each command has a file of its own here."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    # A file must not get the number of a closed stream: what is meant for the stream would land in it.
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, until the end of the process
    try:
        app = build()
    except ImportError as error:
        # Only the command line needs them, so they are an extra.
        sys.exit(f"cfcore: the command line needs {error.name}; install it with: pip install 'cfcore[cli]'")
    except KeyboardInterrupt:
        sys.exit(130)
    app(prog_name="cfcore")


def build() -> typer.Typer:
    """The typer application."""
    import typer

    from cfcore.cli import compare, data, evaluate, explain, fit, forget, info, lists, predict, report, tune
    from cfcore.cli.command import command
    from cfcore.cli.errors import EXIT_CODES
    from cfcore.cli.group import Group

    app = typer.Typer(cls=Group, no_args_is_help=True, pretty_exceptions_enable=False)

    def show_version(asked: bool) -> None:
        if asked:
            import cfcore

            typer.echo(f"cfcore {cfcore.__version__}")
            raise typer.Exit

    @app.callback(epilog=EXIT_CODES)
    def cfcore(
        # Not Annotated: typer would look for that name in this module.
        version: bool = typer.Option(
            False, "--version", callback=show_version, is_eager=True, help="Print the version."
        ),
    ) -> None:
        """A fast core for collaborative filtering on explicit ratings."""

    for function in (
        compare.compare, fit.fit, tune.tune, evaluate.evaluate, predict.predict, lists.recommend,
        lists.similar, explain.explain, forget.forget, report.report, info.info, info.config,
    ):  # fmt: skip
        app.command(epilog=EXIT_CODES)(command(function))
    app.add_typer(data.app, name="data")
    return app
