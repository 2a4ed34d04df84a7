"""``cfcore forget``: a model without some of its users."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from cfcore.cli.common import ModelArgument, need_folder, tell
from cfcore.cli.errors import UsageError
from cfcore.cli.ids import as_ids
from cfcore.cli.lists import read_ids
from cfcore.cli.models import load_model
from cfcore.errors import DataError


def forget(
    model: ModelArgument,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="Write the model there; it may be MODEL."),
    ],
    users: Annotated[list[str] | None, typer.Argument(metavar="[USER]...", help="Ids of users.")] = None,
    users_file: Annotated[
        Path | None, typer.Option("--users", metavar="FILE", help="A file with an id of a user in each line.")
    ] = None,
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Leave out users that the model does not have.")
    ] = False,
) -> None:
    """Remove users from a model: their ids, ratings and parameters.

    What their ratings contributed to parameters of items remains; fit anew without them to remove it as well.

    Example:

      cfcore forget svdpp.cf 196 186 --out svdpp.cf
    """
    if bool(users) == (users_file is not None):
        raise UsageError("give the users to forget: their ids, or --users FILE")
    if str(out) == "-":
        raise UsageError("--out -: a model is a binary file; name one")
    need_folder(out, "--out")
    fitted = load_model(model)
    wanted = as_ids(fitted, "user", users or read_ids(users_file, "--users"))
    unknown = np.setdiff1d(wanted, fitted.user_ids_)
    if len(unknown) and not ignore_unknown:
        raise DataError(
            f"{len(unknown)} of the users are not in the model: {', '.join(map(str, unknown[:5]))}"
            f"{', ...' if len(unknown) > 5 else ''}; --ignore-unknown leaves them out"
        )
    before = len(fitted.user_ids_)
    fitted.forget(wanted, unknown_users="ignore")
    fitted.save(out)
    tell(f"{before - len(fitted.user_ids_):,} of {before:,} users forgotten: {out}")
