"""A scorer and a configuration for each model of the registry: `SVDScorer`, `SVDConfig` and so on."""

from __future__ import annotations

from typing import Any

from cfcore.adapters.lenskit.config import config_of
from cfcore.adapters.lenskit.scorer import Scorer
from cfcore.models.core.model import Model
from cfcore.registry import ENTRIES, Entry

__all__ = ["scorers"]


class ModelScorer(Scorer):
    """Base of the scorers of one model, whose configuration has its hyper-parameters."""

    #: Name of the model.
    model_name: str

    def make_model(self) -> Model:
        """An unfitted model with the hyper-parameters of the configuration."""
        return made(self.model_name, self.config)


def made(name: str, config: Any) -> Model:
    """The model of a class's name and a configuration."""
    kind = next(entry for entry in ENTRIES if entry.name == name).load()
    model: Model = kind(**{param: getattr(config, param) for param in kind.default_params()}).clone()
    model.check_params()
    return model


def scorers(module: str) -> dict[str, Any]:
    """The classes by their names, as attributes of a module."""
    found: dict[str, Any] = {}
    for entry in ENTRIES:
        config, scorer = pair_of(entry, module)
        found |= {config.__name__: config, scorer.__name__: scorer}
    return found


def pair_of(entry: Entry, module: str) -> tuple[Any, Any]:
    """Configuration and scorer of a model."""
    config = config_of(entry, module)
    doc = (
        f"`cfcore.{entry.name}` as a scorer of LensKit pipelines; see `CFScorer`.\n\n    Parameters\n"
        f"    ----------\n    config : {config.__name__}, optional\n        Its fields may be given as "
        f"keywords: the hyper-parameters of `cfcore.{entry.name}`, and the options of `ScorerOptions`.\n    "
    )
    space = {
        "__annotations__": {"config": config}, "__doc__": doc, "__module__": module, "model_name": entry.name,
    }  # fmt: skip
    return config, type(f"{entry.name}Scorer", (ModelScorer,), space)
