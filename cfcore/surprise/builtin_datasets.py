"""The module ``surprise.builtin_datasets`` of scikit-surprise."""

from cfcore.adapters.surprise.builtin_datasets import (
    BUILTIN_DATASETS,
    BuiltinDataset,
    download_builtin_dataset,
    get_dataset_dir,
)

__all__ = [
    "BUILTIN_DATASETS",
    "BuiltinDataset",
    "download_builtin_dataset",
    "get_dataset_dir",
]
