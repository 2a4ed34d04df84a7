"""``cfcore info`` and ``cfcore config``: the contents of a model file, and facts about the installation."""

from __future__ import annotations

from typing import Any

import numpy as np
import typer

from cfcore.cli.common import JsonOption, ModelArgument, errors_in_a_line, load_model, need_folder, write_json


def info(model: ModelArgument, json_file: JsonOption = None) -> None:
    """Print the contents of a model file."""
    with errors_in_a_line():
        need_folder(json_file, "--json")
        fitted = load_model(model)
        facts: dict[str, Any] = {
            "model": type(fitted).__name__,
            "file bytes": model.stat().st_size,
            "users": int(np.count_nonzero(fitted.user_counts_)),
            "items": int(np.count_nonzero(fitted.item_counts_)),
            "ratings": int(fitted.user_counts_.sum()),
            "mean rating": fitted.mean_,
            "scale": list(fitted.scale_),
            "history": {name: errors[-1] for name, errors in fitted.history_.items() if errors},
            "params": fitted.get_params(),
        }
        if str(json_file) != "-":
            for name, value in facts.items():
                if isinstance(value, dict):
                    typer.echo(f"{name}:")
                    typer.echo("\n".join(f"  {key} = {entry!r}" for key, entry in value.items()) or "  none")
                else:
                    typer.echo(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}")
        write_json(json_file, facts)


def config() -> None:
    """Print version, compiler, threads and SIMD level, for a bug report."""
    from cfcore import show_config

    show_config()
