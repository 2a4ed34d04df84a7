"""``cfcore compare``: every model on one data set, in a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cfcore.atomic import replacing
from cfcore.cli.common import (
    DataArgument,
    ThreadsOption,
    need_folder,
    printable,
    tell_sources,
    write_json,
)
from cfcore.cli.errors import UsageError
from cfcore.cli.models import model_name
from cfcore.cli.reading import DEFAULT_SPLIT, Reading, data_set, read_split
from cfcore.cli.report import HtmlOption, ItemNamesOption, check_report, names_of_items

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cfcore.compare import Peer, Row
    from cfcore.data.ratings import Ratings

#: `Row.reference_job` of a twin that was measured on the whole job.
WHOLE = "all of it"


def compare(
    data: DataArgument,
    reading: Reading,
    split: Annotated[
        str,
        typer.Option(help="u1..u5, ua, ub of ml-100k, or the share to test on.", show_default="u1 or 0.1"),
    ] = "",
    models: Annotated[
        str, typer.Option(help="Comma-separated names, such as svd,item-knn.", show_default="all")
    ] = "",
    threads: ThreadsOption = 0,
    reference: Annotated[bool, typer.Option(help="Time the reference twins too.")] = True,
    peers: Annotated[bool, typer.Option(help="Time installed peers (scikit-surprise) too.")] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything measured there.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw time against error there (.png, .svg, .pdf).")
    ] = None,
    html: HtmlOption = None,
    names: ItemNamesOption = None,
) -> None:
    """Fit each model on a data set and print its error, its speed and its reference twin's.

    Examples:

      cfcore compare ml-100k

      cfcore compare ratings.csv --models svd,item-knn --plot models.png

      cfcore compare ml-100k --html report.html
    """
    from rich.console import Console

    from cfcore.compare import compare_model
    from cfcore.compare import peers as compare_peers
    from cfcore.config import config

    tell_sources()
    wanted = chosen_models(models)
    need_folder(json_file, "--json")
    need_folder(plot, "--plot")
    if plot is not None:
        check_picture(plot)
    need_folder(html, "--html")
    if html is not None:
        check_report("--html")
    console, progress = Console(), Console(stderr=True)
    name, split, train, test, notes = load(data, split, reading)
    if not models and train.timestamps is None:
        wanted = [model for model in wanted if not needs_timestamps(model)]
        notes.append("these ratings have no timestamps, so models that need them are left out.")
    for note in notes:
        console.print(f"Note: {note}\n", style="yellow", markup=False, highlight=False, soft_wrap=True)
    facts = config()
    n_threads = threads or facts["threads"]
    console.print(
        f"{name}, split {split}: {len(train):,} ratings to train on, {len(test):,} to test on\n"
        f"{train.n_users:,} users, {train.n_items:,} items\n"
        f"cfcore {facts['cfcore']}, {facts['simd_level']}, {n_threads} thread{'s' * (n_threads > 1)}\n",
        highlight=False,
        soft_wrap=True,
    )

    def stage(text: str) -> None:
        progress.print(f"{text} ...", style="dim", markup=False, highlight=False)

    kept: dict[str, Any] = {}
    rows = [
        compare_model(
            model,
            train,
            test,
            n_threads=n_threads,
            verbose=int(progress.is_terminal),
            reference=reference,
            stage=stage,
            kept=kept if html is not None else None,
        )
        for model in wanted
    ]
    others = list(compare_peers(wanted, train, test, stage)) if peers else []
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
        write_json(json_file, report)
    if plot is not None:
        draw(plot, [*rows, *others])
    if html is not None and kept:
        from cfcore.report import write_report

        stage("report")
        times = {row.model: row for row in rows}
        item_names = names_of_items(names, train)
        write_report(
            html, kept, test, train, times=times, item_names=item_names, title=f"{name}, split {split}"
        )
    if any(row.error for row in rows):
        raise typer.Exit(1)


def chosen_models(text: str) -> list[str]:
    """Names from a comma-separated list, which may hold class names (ItemKNN), too."""
    from cfcore.compare import MODELS

    asked = [part for part in text.split(",") if part.strip()] or list(MODELS)
    chosen = list(dict.fromkeys(model_name(part, option="--models") for part in asked))
    for name in chosen:
        if name not in MODELS:
            raise UsageError(
                f"--models {name}: compare measures errors of predicted ratings, and {name} is for lists; "
                f"`cfcore evaluate MODEL DATA --k 10` measures those of a file that `cfcore fit` wrote"
            )
    return chosen


def needs_timestamps(name: str) -> bool:
    """Whether the model called `name` can be fitted only to ratings with timestamps."""
    import cfcore as cf
    from cfcore.compare import MODELS

    return bool(getattr(cf, MODELS[name]).needs_timestamps)


def load(data: Sequence[str], split: str, reading: Reading) -> tuple[str, str, Ratings, Ratings, list[str]]:
    """Name, split, training and test ratings, and notes on a replacement of the data."""
    from cfcore.data.sources import UnavailableError

    named = data_set(data)
    wanted = split or DEFAULT_SPLIT.get(named, "0.1")
    shown = named or " ".join(map(printable, data))
    try:
        return shown, wanted, *read_split(data, wanted, reading), []
    except UnavailableError as error:
        note = f"{shown} is not available; synthetic data takes its place. {error}"
        return "synthetic", "0.1", *read_split(["synthetic"], "0.1", Reading()), [note]


def check_picture(path: Path) -> None:
    """Raise UsageError for a picture whose name has no ending that matplotlib knows."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise ImportError("--plot needs matplotlib: pip install 'cfcore[plots]'") from None
    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise UsageError(
            f"--plot {path}: the name must end in one of {', '.join(f'.{kind}' for kind in kinds)}"
        )


def draw(path: Path, rows: list[Any]) -> None:
    """Time against error, as a picture."""
    from cfcore import plots

    figure = plots.time_against_rmse(rows).figure
    with replacing(path) as file:
        figure.savefig(file, dpi=150, format=path.suffix[1:])  # type: ignore[union-attr]


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
    """The cells that models and peers have in common."""
    return [
        figure(measured.rmse, "{:.4f}"),
        figure(measured.mae, "{:.4f}"),
        figure(measured.fit_seconds, "{:.3f}"),
        figure(measured.predictions_per_second, "{:,.0f}"),
    ]


def figure(value: float | None, form: str, unit: float = 1.0) -> str:
    """A number for the table; an empty cell for None."""
    return "" if value is None else form.format(value * unit)


def times(ratio: float | None) -> str:
    """A ratio of times, with one decimal below 10."""
    return figure(ratio, "{:,.0f}x" if ratio is not None and ratio >= 10 else "{:.1f}x")


def remarks(rows: list[Row], others: list[Peer]) -> list[str]:
    """Notes on the columns of the tables."""
    texts = []
    if any(row.reference_seconds for row in rows):
        texts.append("twin: fit and predict by the NumPy and Python twin of the kernels, on one thread.")
    for row in rows:
        if row.error:
            texts.append(f"{row.model} failed: {row.error}")
        elif row.reference_job not in (None, WHOLE):
            sampler = "n_samples" in row.params
            why = (
                "rounding parts samplers after many sweeps"
                if sampler
                else "the twin would take more than half a minute"
            )
            texts.append(
                f"* {row.model}: {why}, so both were timed on {row.reference_job} "
                f"({row.reference_compiled_seconds:.3f} s compiled)."
            )
    unknown = max((row.n_unknown or 0 for row in rows), default=0)
    if unknown:
        texts.append(f"{unknown:,} test ratings are of users or items without training ratings.")
    differences = [row.reference_difference for row in rows if row.reference_difference is not None]
    if differences:
        texts.append(f"Predictions of kernels and twins differ by at most {max(differences):.1g}.")
    if others:
        texts.append(f"peer: {others[0].library} with its defaults, on one thread.")
    texts += [f"{peer.algorithm}: {peer.note}" for peer in others if peer.note]
    return texts
