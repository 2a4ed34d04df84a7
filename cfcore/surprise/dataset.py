"""The module ``surprise.dataset`` of scikit-surprise."""

from cfcore.adapters.surprise.builtin_datasets import download_builtin_dataset
from cfcore.adapters.surprise.dataset import (
    BUILTIN_DATASETS,
    Dataset,
    DatasetAutoFolds,
    DatasetUserFolds,
    get_dataset_dir,
)
from cfcore.adapters.surprise.reader import Reader
from cfcore.adapters.surprise.trainset import Trainset

__all__ = [
    "BUILTIN_DATASETS",
    "Dataset",
    "DatasetAutoFolds",
    "DatasetUserFolds",
    "Reader",
    "Trainset",
    "download_builtin_dataset",
    "get_dataset_dir",
]
