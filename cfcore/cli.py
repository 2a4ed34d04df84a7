"""The command ``cfcore``: compare the models on a data set, and say what this installation is made of."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import typer
    from rich.console import Console
    from rich.table import Table

    from cfcore.compare import Peer, Row
    from cfcore.data.ratings import Ratings

__all__ = ["main"]

#: Split of a data set when none is asked for; a fraction is a random test share.
DEFAULT_SPLIT = {"ml-100k": "u1"}
#: Size of the data that stands in where none can be had: that of MovieLens 100K.
SYNTHETIC = (943, 1_682, 100_000)


#: How `Row.reference_job` calls a job of the twin that was not cut short.
WHOLE = "all of it"


class UsageError(Exception):
    """Something asked for does not exist; exit code 2."""


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

    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

    @app.callback()
    def cfcore() -> None:
        """A fast core for collaborative filtering on explicit ratings."""

    @app.command()
    def compare(
        data: str = typer.Argument(
            help="A data set (ml-100k, ml-1m, ..., synthetic) or a file of ratings (csv, tsv, parquet, ::)."
        ),
        split: str = typer.Option(
            "", help="u1..u5, ua, ub of ml-100k, or the share to test on.", show_default="u1 or 0.1"
        ),
        models: str = typer.Option(
            "", help="Comma-separated: " + ", ".join(names()) + ".", show_default="all"
        ),
        threads: int = typer.Option(0, min=0, help="Threads of the compiled kernels; 0: all cores."),
        reference: bool = typer.Option(True, help="Time the reference twins too."),
        peers: bool = typer.Option(True, help="Time installed peers (scikit-surprise) too."),
        json_file: Path | None = typer.Option(None, "--json", help="Write everything measured there."),  # noqa: B008
    ) -> None:
        """Fit each model on a data set and print its error, its speed and its reference twin's."""
        try:
            run_compare(data, split, models, threads or None, reference, peers, json_file)
        except UsageError as error:
            typer.echo(f"cfcore: {error}", err=True)
            raise typer.Exit(2) from None
        except Exception as error:
            from cfcore.errors import CfcoreError

            if not isinstance(error, CfcoreError | OSError | MemoryError):
                raise
            typer.echo(f"cfcore: {error}", err=True)
            raise typer.Exit(1) from None

    @app.command()
    def config() -> None:
        """Print version, compiler, threads and SIMD level: what a bug report should quote."""
        from cfcore import show_config

        show_config()

    return app


def names() -> list[str]:
    """Names of the models on the command line."""
    from cfcore.compare import MODELS

    return list(MODELS)


def chosen_models(text: str) -> list[str]:
    """Names from a comma-separated list; class names (ItemKNN) will do as well."""
    from cfcore.compare import MODELS

    def plain(name: str) -> str:
        return name.lower().replace("-", "").replace("_", "").strip()

    known = {plain(name): name for name in MODELS}
    asked = [part for part in text.split(",") if part.strip()] or list(MODELS)
    for part in asked:
        if plain(part) not in known:
            raise UsageError(f"unknown model {part.strip()!r}; known: {', '.join(MODELS)}")
    return list(dict.fromkeys(known[plain(part)] for part in asked))


def load(data: str, split: str) -> tuple[str, str, Ratings, Ratings, list[str]]:
    """Name, split, training and test ratings, and notes on what was done instead of what was asked."""
    import cfcore as cf
    from cfcore.data.catalog import CATALOG
    from cfcore.data.sources import UnavailableError
    from cfcore.errors import CfcoreError

    notes: list[str] = []
    if data in CATALOG:
        wanted = split or DEFAULT_SPLIT.get(data, "0.1")
        try:
            train, test = cf.datasets.load(data, split=number(wanted))
            return data, wanted, train, test, notes
        except UnavailableError as error:
            notes.append(f"{data} could not be had, so this runs on synthetic data. {error}")
            data, split = "synthetic", ""
        except CfcoreError:
            raise
        except ValueError as error:
            raise UsageError(str(error)) from None
    share = number(split or "0.1")
    if data != "synthetic" and not Path(data).is_file():
        known = ", ".join([*CATALOG, "synthetic"])
        raise UsageError(f"{data!r} is neither a data set ({known}) nor a file")
    if isinstance(share, str):
        raise UsageError(f"--split {split}: {data} has no such split; give the share to test on, such as 0.1")
    whole = (
        cf.datasets.synthetic(*SYNTHETIC, random_state=0) if data == "synthetic" else cf.Ratings.read(data)
    )
    train, test = cf.split.holdout(whole, share, random_state=0)
    return data, str(share), train, test, notes


def number(split: str) -> float | str:
    """A share between 0 and 1 as a number; anything else as it is, for the data set to judge."""
    try:
        share = float(split)
    except ValueError:
        return split
    if not 0 < share < 1:
        raise UsageError(f"--split {split}: a share must be between 0 and 1")
    return share


def run_compare(
    data: str,
    split: str,
    models: str,
    threads: int | None,
    reference: bool,
    with_peers: bool,
    json_file: Path | None,
) -> None:
    """Measure, print, and write."""
    from rich.console import Console

    from cfcore import compare
    from cfcore.config import config

    # Which source the data comes from, and why not from an earlier one.
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cfcore").setLevel(logging.INFO)
    wanted = chosen_models(models)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise UsageError(f"--json {json_file}: there is no folder {json_file.absolute().parent}")
    console, progress = Console(), Console(stderr=True)
    name, split, train, test, notes = load(data, split)
    for note in notes:
        console.print(f"Note: {note}\n", style="yellow", markup=False, highlight=False, soft_wrap=True)
    facts = config()
    n_threads = threads or facts["threads"]
    console.print(
        f"{name}, split {split}: {len(train):,} ratings to train on, {len(test):,} to test on; "
        f"{train.n_users:,} users, {train.n_items:,} items\n"
        f"cfcore {facts['cfcore']}, {facts['simd_level']}, {n_threads} thread{'s' * (n_threads > 1)}\n",
        highlight=False,
        soft_wrap=True,
    )

    def stage(text: str) -> None:
        progress.print(f"{text} ...", style="dim", markup=False, highlight=False)

    rows = [
        compare.compare_model(
            model,
            train,
            test,
            n_threads=n_threads,
            verbose=int(progress.is_terminal),
            reference=reference,
            stage=stage,
        )
        for model in wanted
    ]
    others = list(compare.peers(wanted, train, test, stage)) if with_peers else []
    print_rows(console, rows, others)
    if json_file is not None:
        report: dict[str, Any] = {
            "data": name,
            "split": split,
            "n_train": len(train),
            "n_test": len(test),
            "n_threads": n_threads,
            "config": facts,
            "notes": notes,
            "models": [row.as_dict() for row in rows],
            "peers": [peer.as_dict() for peer in others],
        }
        json_file.write_text(json.dumps(report, indent=2, default=str) + "\n")
    if any(row.error for row in rows):
        import typer

        raise typer.Exit(1)


def print_rows(console: Console, rows: list[Row], others: list[Peer]) -> None:
    """The tables and the remarks below them."""
    twins = any(row.reference_seconds is not None for row in rows)
    headings = ["model", "RMSE", "MAE", "fit s", "predictions/s", "peak MB"]
    ours = new_table(*headings, *(["twin s", "speed-up"] if twins else []))
    for row in rows:
        if row.error:
            ours.add_row(row.model, "failed")
            continue
        mark = "" if row.reference_job in (None, WHOLE) else "*"
        ours.add_row(
            row.model,
            *accuracy_and_speed(row),
            figure(row.peak_bytes, "{:,.1f}", 1e-6),
            *([figure(row.reference_seconds, "{:.2f}") + mark, times(row.speedup)] if twins else []),
        )
    console.print(ours)
    console.print()
    if others:
        peers = new_table("peer", "RMSE", "MAE", "fit s", "predictions/s", "its fit over ours")
        fits = {row.model: row.fit_seconds for row in rows}
        for peer in others:
            ratio = None
            if peer.fit_seconds is not None and (own := fits.get(peer.counterpart)):
                ratio = peer.fit_seconds / own
            peers.add_row(peer.algorithm, *accuracy_and_speed(peer), times(ratio))
        console.print(peers)
        console.print()
    for text in remarks(rows, others):
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def new_table(*headings: str) -> Table:
    """A table without lines: the first column to the left, figures to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        justify: Literal["left", "right"] = "left" if heading == headings[0] else "right"
        table.add_column(heading, justify=justify, no_wrap=True)
    return table


def accuracy_and_speed(measured: Row | Peer) -> list[str]:
    """The figures that models and peers have in common."""
    return [
        figure(measured.rmse, "{:.4f}"),
        figure(measured.mae, "{:.4f}"),
        figure(measured.fit_seconds, "{:.3f}"),
        figure(measured.predictions_per_second, "{:,.0f}"),
    ]


def figure(value: float | None, form: str, unit: float = 1.0) -> str:
    """A number for the table; nothing for what was not measured."""
    return "" if value is None else form.format(value * unit)


def times(ratio: float | None) -> str:
    """How many times longer, with a decimal where it counts."""
    return figure(ratio, "{:,.0f}x" if ratio is not None and ratio >= 10 else "{:.1f}x")


def remarks(rows: list[Row], others: list[Peer]) -> list[str]:
    """What a reader has to know to read the tables rightly."""
    texts = []
    if any(row.reference_seconds for row in rows):
        texts.append("twin: fit and predict by the NumPy and Python twin of the kernels, on one thread.")
    for row in rows:
        if row.error:
            texts.append(f"{row.model} failed: {row.error}")
        elif row.reference_job not in (None, WHOLE):
            texts.append(
                f"* {row.model}: the twin would take more than half a minute, so both were timed on "
                f"{row.reference_job} ({row.reference_compiled_seconds:.3f} s compiled)."
            )
    differences = [row.reference_difference for row in rows if row.reference_difference is not None]
    if differences:
        texts.append(f"Predictions of kernels and twins differ by at most {max(differences):.1g}.")
    if others:
        texts.append(f"peer: {others[0].library} with its defaults, on one thread.")
    texts += [f"{peer.algorithm}: {peer.note}" for peer in others if peer.note]
    return texts
