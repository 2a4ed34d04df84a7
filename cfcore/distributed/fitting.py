"""`fit`: models fitted on a Dask cluster, with the bits of a fit in one process."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from contextvars import copy_context
from typing import Any

from cfcore.distributed.fit_cluster import Cluster
from cfcore.distributed.fit_engine import DaskEngine
from cfcore.distributed.models import shard
from cfcore.distributed.running import client_of
from cfcore.distributed.sharding import check_new
from cfcore.memory import as_bytes, limited
from cfcore.models.core.engine import use_engine
from cfcore.models.core.model import Model

__all__ = ["fit"]


def fit(
    model: Any,
    ratings: Any,
    *,
    client: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    sharded: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Any:
    """Fit a model on the workers of a Dask cluster.

    The result has the bits of ``model.fit(ratings)``, however many workers there are, and whatever becomes of
    them meanwhile.

    Parameters
    ----------
    model : Model
        Fitted in place, as by its method ``fit``.
    ratings : Ratings, or anything that ``model.fit`` takes
    client : distributed.Client, optional
        By default the current one.
    checkpoint : path-like, optional
        As of ``model.fit``: a file, written by this process after each epoch, from which a fit goes on that
        ended because the scheduler, or this process, was lost. Files of fits in one process, and on clusters
        of any size, are the same.
    sharded : path-like, optional
        A new folder that all workers share, for a `ShardedModel`, which is returned: rows of users in a file
        a shard. With ``memory_limit`` (or that of ratings from ``cfcore.Ratings.open``) rows of users are in
        files here, too, and a worker of `SVD` has those of its shard: no process has all of them in memory.
    **options
        Further arguments of ``model.fit``: ``memory_limit``, ``validation``, ``early_stopping``,
        ``callback``, ``weights``, ...

    Returns
    -------
    Model, ShardedModel or awaitable
        The model, or the sharded one; with an asynchronous client, what to ``await`` for it.

    Raises
    ------
    ImportError
        Dask is not installed, or a worker has no cfcore, or another version of it.
    ValueError
        There is no client.
    ConnectionError
        The scheduler was lost.
    RuntimeError
        Workers were lost again and again while they ran the same task.
    TimeoutError
        The cluster has had no workers for five minutes.
    FileExistsError
        There are files in the folder `sharded`.

    Notes
    -----
    An epoch is a set of short tasks: functions of a part of the ratings, which workers keep for the time of
    the fit, and of parameters. Their division does not change the result, because that of the fit in one
    process is the same for any number of threads. After each epoch the parameters are in this process; where
    nothing reads them (no validation, callback or checkpoint), those of `SVD` after some epochs that take
    four seconds at most. A worker that is lost, at any moment, costs at most the time since then (of a step
    of an epoch for `ALS` and `BayesianSVD`, of some rows for similarities), and the time to send its part of
    the ratings to another one. Keys of tasks are new in each try.

    If all workers are on the host of this process, and there is no limit of memory, `ALS` and `BayesianSVD`
    have ratings and parameters in memory that all of them map: there a task runs the steps of epochs for some
    seconds, and a worker that is lost costs the epochs of these.

    Shards of users of `SVD` are trained at the same time, one on each worker. An item stripe passes from one
    to the other as soon as it has been trained on, directly, as rows do in Dask's p2p shuffle; on one host
    (of Linux), the one writes it into the memory of the other. A task that
    waits in vain for a lost one ends, and all of them are run again, with fewer shards if there are fewer
    workers. Of `Ratings` in a folder that all workers share, workers map files that this process writes
    there, which vanish when the fit ends.

    What workers do, and what is done here:

    ============================  ==============================  ==================================
    model                         workers, side by side           this process
    ============================  ==============================  ==================================
    `SVD`, `Baseline` by "sgd"    blocks of shards of users       order of blocks
    `ALS`                         rows; columns of set members    error
    `BayesianSVD` on this host    all that is of a row, a         priors; noise of users; what
                                  rating or a column of set       sessions, features and levels
                                  members                         add
    `BayesianSVD` elsewhere       rows                            biases, noise, priors
    `ItemKNN`, `UserKNN`          similarities of rows            centres
    `EASE`                        Gram matrix                     its inverse
    `Baseline` by "als"           biases                          error
    ============================  ==============================  ==================================

    Batches of users of `SVDpp`, `AsymmetricSVD` and `TimeSVDpp`, and mini-batches of RBMs, each start from
    what the one before has left, and take some milliseconds: less than a message. So these models train on
    one worker at a time, by tasks of some seconds, and further workers take over when it is lost, but do not
    make the fit faster. Other models are fitted in this process.

    A task uses as many threads as its worker has (``nthreads``), and one task of a worker at a time; steps in
    this process use ``model.n_threads``. Ctrl-C cancels the tasks. If this process cannot reach the workers,
    data go through the scheduler, which takes longer.

    Examples
    --------
    >>> import cfcore as cf
    >>> from dask.distributed import Client  # doctest: +SKIP
    >>> client = Client(n_workers=2, threads_per_worker=1)  # doctest: +SKIP
    >>> model = cf.distributed.fit(cf.SVD(n_factors=64), ratings)  # doctest: +SKIP
    """
    client = client_of(client)
    if not isinstance(model, Model):
        raise TypeError(f"model must be a model of cfcore, such as cf.SVD(), not {_told(model)}")
    if checkpoint is not None:
        options["checkpoint"] = checkpoint

    if sharded is not None:
        check_new(sharded)

    def run() -> Any:
        cluster = Cluster(client)
        clusters.append(cluster)
        with use_engine(DaskEngine(cluster)), cluster.interruptible(), closing(cluster):
            model.fit(ratings, **options)
        if sharded is None:
            return model
        limit = options.get("memory_limit") or getattr(ratings, "memory_limit", None)
        with limited(as_bytes(limit), getattr(ratings, "folder", None)):
            return shard(model, sharded)

    clusters: list[Cluster] = []
    if not client.asynchronous:
        return run()

    async def fitted() -> Any:
        running = asyncio.get_running_loop().run_in_executor(None, copy_context().run, run)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            for cluster in clusters:
                cluster.stopped.set()
            await asyncio.wait([running])
            raise

    return fitted()


def _told(found: Any) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
