"""Common parts of the commands: errors in one line, data and models by name, JSON."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cfcore.data.ratings import Ratings
    from cfcore.models.core.model import Model

#: Split of a data set when none is asked for; a fraction is a random test share.
DEFAULT_SPLIT = {"ml-100k": "u1"}

#: Size of synthetic data: that of MovieLens 100K.
SYNTHETIC = (943, 1_682, 100_000)

# Arguments and options that several commands take.
DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A data set (ml-100k, ml-1m, ..., synthetic) or a file of ratings (csv, tsv, parquet, ::).",
    ),
]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A file that `cfcore fit` wrote.")]
ThreadsOption = Annotated[int, typer.Option(min=0, help="Threads of the compiled kernels; 0: all cores.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write a report there; - is standard output.")
]
MetricOption = Annotated[
    str, typer.Option(help="rmse, mae, fcp, ndcg@10, recall@20, ...: what `cfcore evaluate` prints.")
]
UserOption = Annotated[str, typer.Option(help="Column of users, if it has no usual name.")]
ItemOption = Annotated[str, typer.Option(help="Column of items, if it has no usual name.")]
RatingOption = Annotated[str, typer.Option(help="Column of ratings, if it has no usual name.")]
TimestampOption = Annotated[str, typer.Option(help="Column of times, if it has no usual name.")]
NewModelOption = Annotated[str, typer.Option("--model", "-m", help="baseline, item-knn, svd, svdpp, ...")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A hyper-parameter, such as n_factors=50; repeatable."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Random state of models that have one.")]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", help="Write there (.csv, .jsonl or .parquet), not to standard output."
    ),
]
JsonRowsOption = Annotated[bool, typer.Option("--json", help="Rows as JSON objects, one a line.")]


class UsageError(Exception):
    """An argument names something that does not exist; exit code 2."""


@contextlib.contextmanager
def errors_in_a_line() -> Iterator[None]:
    """Print errors of the user in one line on standard error; exit code 2 for arguments, 1 for data."""
    from cfcore.errors import CfcoreError

    try:
        yield
    except UsageError as error:
        typer.echo(f"cfcore: {error}", err=True)
        raise typer.Exit(2) from None
    except BrokenPipeError:  # the reader of the output has ended: `cfcore predict ... | head`
        sys.stderr.close()
        raise typer.Exit(1) from None
    except (CfcoreError, OSError, MemoryError, ImportError) as error:
        typer.echo(f"cfcore: {error}", err=True)
        raise typer.Exit(1) from None


@contextlib.contextmanager
def usage() -> Iterator[None]:
    """For calls whose arguments come from the command line: their errors have exit code 2."""
    from cfcore.errors import CfcoreError

    try:
        yield
    except (TypeError, ValueError) as error:
        if isinstance(error, CfcoreError):
            raise
        raise UsageError(str(error)) from None


def plain(name: str) -> str:
    """A model's name in one spelling: ItemKNN, item-knn and item_knn are the same."""
    return name.lower().replace("-", "").replace("_", "").strip()


def model_name(text: str) -> str:
    """The command-line name in the registry that `text` is a spelling of."""
    from cfcore.compare import MODELS

    known = {plain(name): name for name in MODELS}
    if plain(text) not in known:
        raise UsageError(f"unknown model {text.strip()!r}; known: {', '.join(MODELS)}")
    return known[plain(text)]


def number(split: str) -> float | str:
    """A share between 0 and 1 as a number; any other text as it is, for the data set to check."""
    try:
        share = float(split)
    except ValueError:
        return split
    if not 0 < share < 1:
        raise UsageError(f"--split {split}: a share must be between 0 and 1")
    return share


def read(data: str, **columns: str | None) -> Ratings:
    """All ratings of a data set or a file."""
    import cfcore as cf
    from cfcore.data.catalog import CATALOG

    if data in CATALOG:
        return cf.datasets.load(data)
    if data == "synthetic":
        return cf.datasets.synthetic(*SYNTHETIC, random_state=0)
    if not Path(data).is_file():
        known = ", ".join([*CATALOG, "synthetic"])
        raise UsageError(f"{data!r} is neither a data set ({known}) nor a file")
    return cf.Ratings.read(data, **{role: name for role, name in columns.items() if name})


def read_split(data: str, split: str, **columns: str | None) -> tuple[Ratings, Ratings]:
    """Training and test part of a data set or a file."""
    import cfcore as cf
    from cfcore.data.catalog import CATALOG

    share = number(split)
    if data in CATALOG:
        try:
            return cf.datasets.load(data, split=share)
        except ValueError as error:
            from cfcore.errors import CfcoreError

            if isinstance(error, CfcoreError):
                raise
            raise UsageError(str(error)) from None
    whole = read(data, **columns)
    if isinstance(share, str):
        raise UsageError(f"--split {split}: {data} has no such split; give the share to test on, such as 0.1")
    return cf.split.holdout(whole, share, random_state=0)


def read_part(data: str, split: str, part: int, **columns: str | None) -> Ratings:
    """Training (0) or test part (1) of a split, or everything if there is none."""
    return read_split(data, split, **columns)[part] if split else read(data, **columns)


def load_model(path: Path, threads: int = 0) -> Model:
    """The model in a file, with this number of threads (0: as in the file)."""
    import cfcore as cf

    if not path.is_file():
        raise UsageError(f"{path}: there is no such model file; `cfcore fit DATA --out {path}` writes one")
    model = cf.load(path)
    if threads and "n_threads" in model.get_params():
        model.set_params(n_threads=threads)
    return model


def need_folder(path: Path | None, option: str) -> None:
    """Raise UsageError for a file in a folder that does not exist, before the work begins."""
    if path is not None and str(path) != "-" and not path.absolute().parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.absolute().parent}")


def write_json(path: Path | None, report: Any) -> None:
    """Write the report as JSON, unless `path` is None."""
    if path is None:
        return
    text = json.dumps(finite(report), indent=2, default=str)
    if str(path) == "-":
        typer.echo(text)
    else:
        path.write_text(text + "\n")


def finite(value: Any) -> Any:
    """The same with null for NaN and infinities, for which JSON has no numbers."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def tell_sources() -> None:
    """Log on standard error which source data comes from, and why not from an earlier one."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cfcore").setLevel(logging.INFO)
