"""The data sets that `Dataset.load_builtin` knows, and the folder that they are in."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlretrieve

__all__ = [
    "BUILTIN_DATASETS",
    "BuiltinDataset",
    "copy_of_cfcore",
    "download_builtin_dataset",
    "get_dataset_dir",
    "stored_at",
]


class BuiltinDataset(NamedTuple):
    """Where a data set is published, the path of its ratings, and the arguments of `Reader` for it."""

    url: str
    path: str
    reader_params: dict[str, Any]


def _folder() -> str:
    named = os.environ.get("SURPRISE_DATA_FOLDER")
    return named if named is not None else os.path.expanduser("~") + "/.surprise_data/"


def get_dataset_dir() -> str:
    """The folder of downloaded data sets, which is created if there is none.

    The environment variable ``SURPRISE_DATA_FOLDER``, or ``~/.surprise_data/``.
    """
    folder = _folder()
    os.makedirs(folder, exist_ok=True)
    return folder


#: Ratings below the folder of data sets.
_FILES = {
    "ml-100k": ("ml-100k", "ml-100k", "u.data"),
    "ml-1m": ("ml-1m", "ml-1m", "ratings.dat"),
    "jester": ("jester", "jester_ratings.dat"),
}


def _path(name: str) -> str:
    return os.path.join(_folder(), *_FILES[name])


BUILTIN_DATASETS = {
    "ml-100k": BuiltinDataset(
        "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        _path("ml-100k"),
        {"line_format": "user item rating timestamp", "rating_scale": (1, 5), "sep": "\t"},
    ),
    "ml-1m": BuiltinDataset(
        "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        _path("ml-1m"),
        {"line_format": "user item rating timestamp", "rating_scale": (1, 5), "sep": "::"},
    ),
    "jester": BuiltinDataset(
        "https://eigentaste.berkeley.edu/dataset/archive/jester_dataset_2.zip",
        _path("jester"),
        {"line_format": "user item rating", "rating_scale": (-10, 10)},
    ),
}
_AT_IMPORT = {name: entry.path for name, entry in BUILTIN_DATASETS.items()}


def stored_at(name: str) -> str:
    """The path that the ratings of a data set have, or would have after a download."""
    set_path = BUILTIN_DATASETS[name].path
    return set_path if set_path != _AT_IMPORT[name] else _path(name)


def copy_of_cfcore(name: str) -> bool:
    """Copy a data set from the folder that ``CFCORE_DATA`` names, in place of a download.

    Only if ``SURPRISE_DATA_FOLDER`` is not set. Returns whether there is such a data set.
    """
    of_cfcore = os.environ.get("CFCORE_DATA")
    if "SURPRISE_DATA_FOLDER" in os.environ or not of_cfcore:
        return False
    source, path = Path(of_cfcore).joinpath(*_FILES[name][-2:]), Path(stored_at(name))
    if not source.is_file():
        return False
    get_dataset_dir()
    shutil.copytree(source.parent, path.parent, dirs_exist_ok=True)
    print(f"Dataset {name} has been copied from {source.parent} to {path.parent}")
    return True


def download_builtin_dataset(name: str) -> None:
    """Download a data set of `BUILTIN_DATASETS` and unpack it into `get_dataset_dir()`.

    Raises
    ------
    OSError
        It cannot be downloaded.
    """
    url, folder = BUILTIN_DATASETS[name].url, get_dataset_dir()
    print(f"Trying to download dataset from {url}...")
    archive = os.path.join(folder, f"tmp-{os.getpid()}.zip")
    try:
        urlretrieve(url, archive)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(os.path.join(folder, name))
    finally:
        if os.path.exists(archive):
            os.remove(archive)
    print(f"Done! Dataset {name} has been saved to {os.path.join(folder, name)}")
