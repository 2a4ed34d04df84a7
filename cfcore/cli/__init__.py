"""The command ``cfcore``; each command has a file of its own here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    try:
        app = build()
    except ImportError as error:
        # Only the command line needs them, so they are an extra.
        sys.exit(f"cfcore: the command line needs {error.name}; install it with: pip install 'cfcore[cli]'")
    app(prog_name="cfcore")


def build() -> typer.Typer:
    """The typer application."""
    import typer

    from cfcore.cli import compare, data, evaluate, fit, info, lists, predict, tune

    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

    @app.callback()
    def cfcore() -> None:
        """A fast core for collaborative filtering on explicit ratings."""

    for command in (
        compare.compare, fit.fit, tune.tune, evaluate.evaluate, predict.predict, lists.recommend,
        lists.similar, info.info, info.config,
    ):  # fmt: skip
        app.command()(command)
    app.add_typer(data.app, name="data")
    return app
