"""The group of all commands: wrong arguments are told in one line, too."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from typer.core import TyperGroup

from cfcore.cli.errors import WRONG_USAGE, say

__all__ = ["Group"]


class Group(TyperGroup):
    """Commands whose usage errors are one line on standard error; typer prints the usage in a box."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command and exit."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except Exception as error:
            # Exceptions of click, which typer holds a copy of.
            message = getattr(error, "format_message", None)
            if message is None:
                raise
            context = getattr(error, "ctx", None)
            if type(error).__name__ == "NoArgsIsHelpError":
                error.show()  # type: ignore[attr-defined]
            else:
                path = "cfcore" if context is None else context.command_path
                say(f"{message().rstrip('.')}; see {path} --help")
            sys.exit(getattr(error, "exit_code", WRONG_USAGE))
        sys.exit(code if isinstance(code, int) else 0)
