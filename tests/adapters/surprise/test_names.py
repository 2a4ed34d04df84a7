"""Names that people import from scikit-surprise, under the alias ``surprise`` too."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from typing import Any

import pytest

import cfcore.surprise as surprise

NAMES = {
    "": (
        "AlgoBase NormalPredictor BaselineOnly KNNBasic KNNWithMeans KNNBaseline SVD SVDpp NMF "
        "SlopeOne CoClustering PredictionImpossible Prediction Dataset Reader Trainset dump "
        "KNNWithZScore get_dataset_dir model_selection accuracy similarities"
    ),
    "accuracy": "rmse mse mae fcp",
    "builtin_datasets": "BUILTIN_DATASETS BuiltinDataset download_builtin_dataset get_dataset_dir",
    "dataset": "Dataset DatasetAutoFolds DatasetUserFolds Reader Trainset download_builtin_dataset",
    "dump": "dump load",
    "model_selection": (
        "KFold ShuffleSplit train_test_split RepeatedKFold LeaveOneOut PredefinedKFold "
        "cross_validate GridSearchCV RandomizedSearchCV"
    ),
    "model_selection.search": "BaseSearchCV GridSearchCV RandomizedSearchCV fit_and_score get_cv get_rng",
    "model_selection.split": (
        "KFold ShuffleSplit train_test_split RepeatedKFold LeaveOneOut PredefinedKFold get_cv get_rng"
    ),
    "model_selection.validation": "cross_validate fit_and_score print_summary get_cv",
    "prediction_algorithms": (
        "AlgoBase NormalPredictor BaselineOnly KNNBasic KNNBaseline KNNWithMeans SVD SVDpp NMF "
        "SlopeOne CoClustering PredictionImpossible Prediction KNNWithZScore"
    ),
    "prediction_algorithms.algo_base": "AlgoBase Prediction PredictionImpossible baseline_als baseline_sgd",
    "prediction_algorithms.baseline_only": "AlgoBase BaselineOnly",
    "prediction_algorithms.co_clustering": "AlgoBase CoClustering get_rng",
    "prediction_algorithms.knns": (
        "AlgoBase PredictionImpossible SymmetricAlgo KNNBasic KNNBaseline KNNWithMeans KNNWithZScore"
    ),
    "prediction_algorithms.matrix_factorization": "AlgoBase PredictionImpossible SVD SVDpp NMF get_rng",
    "prediction_algorithms.optimize_baselines": "baseline_als baseline_sgd",
    "prediction_algorithms.predictions": "Prediction PredictionImpossible",
    "prediction_algorithms.random_pred": "AlgoBase NormalPredictor",
    "prediction_algorithms.slope_one": "AlgoBase PredictionImpossible SlopeOne",
    "reader": "Reader",
    "similarities": "cosine msd pearson pearson_baseline",
    "trainset": "Trainset",
    "utils": "get_rng",
}


@pytest.mark.parametrize("module", NAMES)
def test_names(module: str) -> None:
    found = importlib.import_module(f"cfcore.surprise{'.' * bool(module)}{module}")
    for name in NAMES[module].split():
        value = getattr(found, name)
        assert name in found.__all__ or inspect.ismodule(value)
        assert inspect.getdoc(value)
        if name in surprise.__all__ and not inspect.ismodule(getattr(surprise, name)):
            assert value is getattr(surprise, name)


def test_import_star_brings_the_same_names_as_there() -> None:
    found: dict[str, Any] = {"dataset": "of a program", "trainset": "too"}
    exec("from cfcore.surprise import *", found)
    modules = {name for name, value in found.items() if inspect.ismodule(value)}
    assert modules == {"dump", "model_selection"}
    assert {"SVD", "Trainset", "get_dataset_dir", "use"} <= set(found)
    assert (found["dataset"], found["trainset"]) == ("of a program", "too")


PROGRAM = f"""
import importlib, pickle, sys
import cfcore.surprise
sys.modules["surprise"] = cfcore.surprise
import surprise
from surprise import SVD, Dataset, accuracy, dump
from surprise.model_selection import KFold
from surprise.prediction_algorithms.algo_base import AlgoBase
import surprise.prediction_algorithms.matrix_factorization as factors
assert factors.SVD is SVD is cfcore.surprise.SVD and issubclass(SVD, AlgoBase)
for module, names in {NAMES!r}.items():
    where = "surprise" + "." * bool(module) + module
    found = importlib.import_module(where)
    for name in names.split():
        same = getattr(importlib.import_module("cfcore." + where), name)
        value = getattr(found, name)
        assert value is same or type(value) is type(sys), name
assert pickle.loads(pickle.dumps(SVD(n_factors=3))).n_factors == 3
print("same")
"""


def test_under_the_name_surprise() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert run.stdout == "same\n", run.stderr


#: Arguments of the constructors, as scikit-surprise has them.
SIGNATURES = {
    "SVD": (
        "n_factors=100, n_epochs=20, biased=True, init_mean=0, init_std_dev=0.1, lr_all=0.005, "
        "reg_all=0.02, lr_bu=None, lr_bi=None, lr_pu=None, lr_qi=None, reg_bu=None, reg_bi=None, "
        "reg_pu=None, reg_qi=None, random_state=None, verbose=False"
    ),
    "SVDpp": (
        "n_factors=20, n_epochs=20, init_mean=0, init_std_dev=0.1, lr_all=0.007, reg_all=0.02, "
        "lr_bu=None, lr_bi=None, lr_pu=None, lr_qi=None, lr_yj=None, reg_bu=None, reg_bi=None, "
        "reg_pu=None, reg_qi=None, reg_yj=None, random_state=None, verbose=False, "
        "cache_ratings=False"
    ),
    "NMF": (
        "n_factors=15, n_epochs=50, biased=False, reg_pu=0.06, reg_qi=0.06, reg_bu=0.02, "
        "reg_bi=0.02, lr_bu=0.005, lr_bi=0.005, init_low=0, init_high=1, random_state=None, "
        "verbose=False"
    ),
    "CoClustering": "n_cltr_u=3, n_cltr_i=3, n_epochs=20, random_state=None, verbose=False",
    "Reader": "name=None, line_format='user item rating', sep=None, rating_scale=(1, 5), skip_lines=0",
    "model_selection.cross_validate": (
        "algo, data, measures=['rmse', 'mae'], cv=None, return_train_measures=False, n_jobs=1, "
        "pre_dispatch='2*n_jobs', verbose=False"
    ),
    "model_selection.GridSearchCV": (
        "algo_class, param_grid, measures=['rmse', 'mae'], cv=None, refit=False, "
        "return_train_measures=False, n_jobs=1, pre_dispatch='2*n_jobs', joblib_verbose=0"
    ),
    "model_selection.RandomizedSearchCV": (
        "algo_class, param_distributions, n_iter=10, measures=['rmse', 'mae'], cv=None, "
        "refit=False, return_train_measures=False, n_jobs=1, pre_dispatch='2*n_jobs', "
        "random_state=None, joblib_verbose=0"
    ),
    "model_selection.train_test_split": (
        "data, test_size=0.2, train_size=None, random_state=None, shuffle=True"
    ),
    "dump.dump": "file_name, predictions=None, algo=None, verbose=0",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments(name: str) -> None:
    found: Any = surprise
    for part in name.split("."):
        found = getattr(found, part)
    parameters = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in inspect.signature(found).parameters.values()
    ]
    shown = ", ".join(map(str, parameters)).replace(", *, pickle=False", "")
    own = [one for one in parameters if one.name not in ("engine", "pickle")]
    assert ", ".join(map(str, own)) == SIGNATURES[name], shown


@pytest.mark.parametrize("module", [name for name in NAMES if "." in name])
def test_modules_are_attributes_of_their_package_without_an_import_of_their_own(module: str) -> None:
    program = f"import cfcore.surprise; cfcore.surprise.{module}"
    subprocess.run([sys.executable, "-c", program], check=True)
