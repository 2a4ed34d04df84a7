"""``cfcore fit``: from ratings to a model in a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from cfcore.cli.common import (
    ChooserOption,
    DataArgument,
    ItemFeaturesOption,
    JsonOption,
    MembersOption,
    NewModelOption,
    RaterOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    UserFeaturesOption,
    need_folder,
    on_terminal,
    tell,
    tell_sources,
    write_json,
)
from cfcore.cli.errors import UsageError, usage
from cfcore.cli.models import Parts, build_model, fitting
from cfcore.cli.reading import Reading, hold_out, read_part
from cfcore.cli.weights import WeightsOption, read_weights
from cfcore.models.core.side_tables import given_features


def fit(
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Write the model there.")],
    reading: Reading,
    model: NewModelOption = "svdpp",
    members: MembersOption = "",
    chooser: ChooserOption = "",
    rater: RaterOption = "",
    settings: SetOption = None,
    split: Annotated[
        str, typer.Option(help="Fit on the training part of this split only (u1, 0.1); else on everything.")
    ] = "",
    validation: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.9,
            help="Share of the ratings to hold out, whose error is measured after each epoch; 0: none.",
        ),
    ] = 0,
    early_stopping: Annotated[
        int, typer.Option(min=0, help="Stop after so many epochs without gain on the validation share.")
    ] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep a file of the state after each epoch, and go on from it."),
    ] = None,
    weights: WeightsOption = "",
    user_features: UserFeaturesOption = None,
    item_features: ItemFeaturesOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Fit a model and write it to a file.

    Examples:

      cfcore fit ml-100k --split u1 --out svdpp.cf

      cfcore fit ratings.csv -o svd.cf -m svd --set n_factors=50 --validation .1

      cfcore fit BX.csv -o m.cf --separator ";" --encoding latin-1 --missing 0

      cfcore fit ml-1m -o lists.cf -m ranker --chooser ease --rater rbm

      cfcore fit r.csv -o b.cf -m bayesian-svd --item-features movies.csv

      cfcore fit r.csv -o a.cf -m als --weights confidence

      zcat part-*.gz | cfcore fit - -o m.cf -m blend --members item-knn,svdpp
    """
    tell_sources()
    if str(out) == "-":
        raise UsageError("--out -: a model is a binary file; name one")
    need_folder(out, "--out")
    need_folder(json_file, "--json")
    need_folder(checkpoint, "--checkpoint")
    if early_stopping and not validation:
        raise UsageError("--early-stopping needs held-out ratings: give --validation 0.1")
    fitted = build_model(model, settings or [], seed, threads, Parts(members, chooser, rater))
    train = read_part(data, split, 0, reading, fitted)
    fitted = fitting(fitted, train, members)
    held_out = None
    if validation:
        train, held_out = hold_out(train, validation, seed, "--validation")
    own = read_weights(data, weights, reading, train, fitted)
    if "verbose" in fitted.get_params():
        fitted.set_params(verbose=int(on_terminal()))
    start = time.perf_counter()
    with usage():  # a hyper-parameter may be out of range
        side = given_features(fitted, user_features, item_features, train.column_names)
        if own is not None:
            side["weights"] = own
        fitted.fit(
            train, validation=held_out, early_stopping=early_stopping or None, checkpoint=checkpoint, **side
        )
    seconds = time.perf_counter() - start
    fitted.save(out)
    history = fitted.history_
    errors = "".join(f", {name.replace('_', ' ')} {each[-1]:.4f}" for name, each in history.items() if each)
    tell(f"{type(fitted).__name__} on {len(train):,} ratings in {seconds:.2f} s{errors}: {out}", json_file)
    write_json(
        json_file,
        {
            "model": type(fitted).__name__,
            "params": fitted.get_params(),
            "n_ratings": len(train),
            "fit_seconds": seconds,
            "history": history,
            "file": str(out),
        },
    )
