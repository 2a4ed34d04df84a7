"""The command line of scikit-surprise: cross-validation of an algorithm on a data set."""

from __future__ import annotations

import argparse
import ast
import random
import shutil
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from cfcore.adapters.surprise import algorithms
from cfcore.adapters.surprise.builtin_datasets import BUILTIN_DATASETS, get_dataset_dir
from cfcore.adapters.surprise.dataset import Dataset
from cfcore.adapters.surprise.model_selection import KFold, PredefinedKFold, cross_validate
from cfcore.adapters.surprise.reader import Reader
from cfcore.adapters.surprise.stored import ALGORITHMS

__all__ = ["main"]

#: The version of scikit-surprise whose interface this is.
VERSION = "1.1.5"

_DESCRIPTION = """\
Cross-validate an algorithm that predicts ratings, on a built-in or a custom data set, which is split into
folds, or on given files for training and testing."""
_EXAMPLE = """\
Example: surprise -algo SVD -params "{'n_epochs': 5, 'verbose': True}" -load-builtin ml-100k -n-folds 3"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print the message and the help; exit code 2."""
        sys.stderr.write(f"error: {message}\n")
        self.print_help()
        sys.exit(2)


def _parser() -> _Parser:
    names = sorted(ALGORITHMS)
    datasets, folder = ", ".join(BUILTIN_DATASETS), get_dataset_dir()
    parser = _Parser(description=_DESCRIPTION, epilog=_EXAMPLE)
    add = parser.add_argument
    add("-algo", choices=names, metavar="<prediction algorithm>", help=f"One of {', '.join(names)}.")
    add(
        "-params",
        default="{}",
        metavar="<algorithm parameters>",
        help="A dict of the parameters of the algorithm, such as \"{'n_epochs': 10}\".",
    )
    add(
        "-load-builtin",
        dest="load_builtin",
        metavar="<dataset name>",
        help=f"One of {datasets}. Default is ml-100k.",
    )
    add(
        "-load-custom",
        dest="load_custom",
        metavar="<file path>",
        help="A file of ratings. Needs -reader. Ignored with -load-builtin.",
    )
    add(
        "-folds-files",
        dest="folds_files",
        metavar="<train1 test1 train2 test2... >",
        help="Files for training and testing, in one argument. Needs -reader. Ignored with -load-builtin or "
        "-load-custom.",
    )
    add(
        "-reader",
        metavar="<reader>",
        help="How files are read, such as \"Reader(line_format='user item rating timestamp', sep='\\t')\".",
    )
    add(
        "-n-folds",
        type=int,
        dest="n_folds",
        default=5,
        metavar="<number of folds>",
        help="Number of folds. Default is 5.",
    )
    add(
        "-seed",
        type=int,
        metavar="<random seed>",
        help="Seed of random numbers. By default another each time.",
    )
    add(
        "--with-dump",
        dest="with_dump",
        action="store_true",
        help="Has no effect, as in scikit-surprise 1.1.5; surprise.dump.dump writes algorithms.",
    )
    add("-dump-dir", dest="dump_dir", metavar="<dir>", help="Has no effect, as --with-dump.")
    add("--clean", action="store_true", help=f"Remove the folder {folder} and exit.")
    add("-v", "--version", action="version", version=VERSION)
    return parser


def _called(text: str, name: str) -> dict[str, Any]:
    """Keyword arguments of a call that is written as Python, all of them literals."""
    call = ast.parse(text.strip(), mode="eval").body
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name):
        raise ValueError
    fields = ("name", "line_format", "sep", "rating_scale", "skip_lines")
    given = dict(zip(fields, map(ast.literal_eval, call.args), strict=False))
    return given | {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}


def _reader(parser: _Parser, text: str | None) -> Reader:
    if text is None:
        parser.error("-reader parameter is needed.")
    try:
        arguments = _called(text, "Reader")
    except (SyntaxError, ValueError):
        parser.error(f"argument -reader: {text!r} is not a call such as Reader(sep=','), of literals")
    return Reader(**arguments)


def _params(parser: _Parser, text: str) -> dict[str, Any]:
    try:
        params = ast.literal_eval(text.strip())
    except (SyntaxError, ValueError):
        params = None
    if not isinstance(params, dict):
        parser.error(f"argument -params: {text!r} is not a dict of literals such as {{'n_epochs': 10}}")
    return params


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of the process.
    """
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.clean:
        folder = get_dataset_dir()
        shutil.rmtree(folder)
        print("Removed", folder)
        return
    if args.seed is not None:
        random.seed(args.seed)
        np.random.seed(args.seed)  # noqa: NPY002  # algorithms without a random_state draw from it
    if args.algo is None:
        parser.error("No algorithm was specified.")
    algo = getattr(algorithms, args.algo)(**_params(parser, args.params))
    if args.with_dump or args.dump_dir:
        sys.stderr.write("--with-dump and -dump-dir have no effect, as in scikit-surprise 1.1.5\n")
    splits: Any = KFold(n_splits=args.n_folds, random_state=args.seed)
    data: Any
    if args.load_builtin is not None:
        data = Dataset.load_builtin(args.load_builtin)
    elif args.load_custom is not None:
        data = Dataset.load_from_file(args.load_custom, _reader(parser, args.reader))
    elif args.folds_files is not None:
        files = args.folds_files.split()
        if len(files) % 2:
            parser.error(f"argument -folds-files: {len(files)} files, but for each fold there are two")
        folds = list(zip(files[::2], files[1::2], strict=True))
        data = Dataset.load_from_folds(folds, _reader(parser, args.reader))
        splits = PredefinedKFold()
    else:
        data = Dataset.load_builtin("ml-100k")
    cross_validate(algo, data, cv=splits, verbose=True)


if __name__ == "__main__":
    main()
