"""What a fit of `SVD` to many ratings needs on many machines, from rates measured here; of `cluster.py`.

Rates are seconds of the processor, on one thread, which do not depend on other processes as much as seconds
of the clock do.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import table

__all__ = ["Plan", "measured", "report"]

#: Bytes of a rating in blocks, of a number in rows, of an id (an integer) and of its count.
BLOCK, NUMBER, ID, COUNT = 12, 4, 8, 8
GB = 1e9


@dataclasses.dataclass(frozen=True)
class Plan:
    """The data, and the machines.

    Attributes
    ----------
    ratings, users, items, factors : int
    machines, threads : int
        Threads of each machine.
    memory : float
        GB of each machine.
    network : float
        Gbit/s of each machine, in each direction.
    """

    ratings: int = 1_000_000_000
    users: int = 100_000_000
    items: int = 1_000_000
    factors: int = 64
    machines: int = 16
    threads: int = 16
    memory: float = 64.0
    network: float = 10.0

    @classmethod
    def of(cls, text: str) -> Plan:
        """A plan with some numbers changed: "machines=4,users=1e6"."""
        kinds = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        pairs = [one.split("=") for one in text.split(",") if one]
        return cls(**{name: kinds[name](float(value)) for name, value in pairs})


def cpu(call: Callable[[], Any]) -> float:
    """Seconds of the processor in a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def measured(quick: bool, n_factors: int) -> dict[str, float]:
    """Rates on one thread: seconds, and bytes on disk of a rating."""
    import pandas

    import cfcore as cf
    from cfcore.data.build import Rules
    from cfcore.distributed import ingest_tasks

    n_users, n_items, n = (400, 100, 10_000) if quick else (200_000, 50_000, 5_000_000)
    train = cf.datasets.synthetic(n_users, n_items, n)
    train.by_user, train.by_item  # noqa: B018
    found: dict[str, float] = {}
    ends: list[float] = []
    model = cf.SVD(n_factors=n_factors, n_epochs=4, n_threads=1, random_state=0)
    model.fit(train, callback=lambda epochs, history: ends.append(time.process_time()))
    # The first epoch touches memory for the first time.
    found["epoch"] = (ends[-1] - ends[0]) / (len(ends) - 1) / n
    asked = train.user_ids[: 40 if quick else 400]
    found["score"] = cpu(lambda: model.recommend(asked)) / len(asked) / train.n_items
    names = {"user": "userId", "item": "itemId", "rating": "rating", "timestamp": "timestamp"}
    columns = train.users, train.items, train.values, train.timestamps
    frame = pandas.DataFrame(dict(zip(names.values(), columns, strict=True)))
    rules = Rules(None, "error", None, names, None)
    scans: list[Any] = []
    found["scan"] = cpu(lambda: scans.append(ingest_tasks.scan(frame, 0, rules))) / n
    scan = scans[0]
    merged = cpu(lambda: ingest_tasks.merge([scan, scan], names))
    found["merge"] = merged / 2 / (train.n_users + train.n_items)
    with tempfile.TemporaryDirectory(prefix="cfcore-plan-") as folder:
        ingest_tasks.mark(folder, "plan").touch()
        ingest_tasks.put_vocabulary(scan, folder, "plan")
        parts: list[Any] = []
        given = 0, 0, rules, folder, "plan", True
        found["encode"] = cpu(lambda: parts.append(ingest_tasks.encode(frame, *given))) / n
        part = parts[0].set_index("user")
        sizes = train.n_items, n
        found["write"] = (
            cpu(lambda: ingest_tasks.write(part, 0, (0, train.n_users), sizes, (folder, "plan"), "error")) / n
        )
        train.save_shards(Path(folder, "shards"))
        held = {path.name: path.stat().st_size for path in Path(folder, "shards").iterdir()}
        shards = sum(size for name, size in held.items() if name.startswith("shard-"))
        # Without the bounds of the rows of users.
        found["bytes"] = (shards - 8 * train.n_users) / n
    return found


def report(plan: Plan, rates: dict[str, float]) -> tuple[str, list[dict[str, Any]]]:
    """Tables of the rates and of the plan, as text; the rows of the latter."""
    p, row = plan, (plan.factors + 1) * NUMBER
    told = [
        ("SVD, an epoch", "epoch", "a rating"), ("lists", "score", "a user and item"),
        ("distinct ids of a partition", "scan", "a rating"), ("ids merged", "merge", "an id"),
        ("ids to codes", "encode", "a rating"), ("shard sorted and written", "write", "a rating"),
    ]  # fmt: skip
    lines = [[what, f"{rates[key] * 1e9:.2f}", of] for what, key, of in told]
    lines.append(["shard on disk, with timestamps", f"{rates['bytes']:.1f} bytes", "a rating"])
    rated = table([f"measured here, one thread, {p.factors} factors", "ns", "for"], lines)

    users, items, all_threads = p.users * row, p.items * row, p.machines * p.threads
    wire = p.network / 8 * GB  # bytes a second

    def step(what: str, memory: float, traffic: float, seconds: float, one: bool = False) -> dict[str, Any]:
        passing = traffic / wire
        if one:  # in one process, on one thread
            alone = {"one thread": seconds, "all threads": seconds}
            return {
                "what": what, "memory": memory / GB, "traffic": traffic / GB, "passing": passing, **alone,
            }  # fmt: skip
        return {
            "what": what, "memory": memory / GB, "traffic": traffic / GB, "passing": passing,
            "one thread": seconds / p.machines, "all threads": seconds / all_threads,
        }  # fmt: skip

    apart = (p.machines - 1) / p.machines
    vocabulary = (p.users + p.items) * (ID + COUNT)
    merging = (p.users + p.items) * rates["merge"]
    share = p.ratings / p.machines
    ingest = p.ratings * (rates["scan"] + rates["encode"])
    blocks, rows = BLOCK * share, users / p.machines
    steps = [
        step("ids and codes, vocabularies in each worker", vocabulary, vocabulary, ingest),
        step("shuffle by user, with timestamps", 28 * share, 28 * share * apart, 0.0),
        step("shards written", 28 * share, share * rates["bytes"], p.ratings * rates["write"]),
        step("ratings sent to workers, once a fit", blocks, blocks, 0.0),
        step("epoch of SVD: a worker", blocks + rows + 2 * items, items, p.ratings * rates["epoch"]),
        step("rows of users: a worker, sent back", rows, rows, 0.0),
        step("lists for all users", items + rows, 0.0, p.users * p.items * rates["score"]),
    ]  # fmt: skip
    # The process that calls fit: blocks, rows and those that are kept, and which items were seen.
    kept = BLOCK * p.ratings + 2 * (users + items) + 4 * p.ratings + 8 * p.users
    caller = [
        step("one worker: last vocabularies merged", 2 * vocabulary, vocabulary, merging, one=True),
        step("calling process: sends the ratings, once a fit", kept, BLOCK * p.ratings, 0.0),
        step("calling process: receives rows of users", kept, users, 0.0),
    ]
    rows_of = [
        [
            each["what"], f"{each['memory']:.2f}", f"{each['traffic']:.2f}", f"{each['passing']:.1f}",
            f"{each['one thread']:.1f}", f"{each['all threads']:.1f}",
        ]
        for each in steps + caller
    ]  # fmt: skip
    heading = (
        f"{p.ratings:,} ratings, {p.users:,} users, {p.items:,} items, {p.factors} factors\n"
        f"{p.machines} machines of {p.memory:g} GB, {p.threads} threads and {p.network:g} Gbit/s; "
        f"of each machine:"
    )
    planned = table(
        ["step", "GB held", "GB in or out", "s to pass", "s, one thread", f"s, {p.threads} threads"], rows_of
    )
    limits = [
        (kept / GB / p.memory, f"memory of the calling process, {kept / GB:.0f} GB: give it memory_limit="),
        (
            users / wire / max(1e-9, p.ratings * rates["epoch"] / all_threads),
            f"rows of users sent back, {users / wire:.0f} s, beside the computation of an epoch",
        ),
        (
            2 * vocabulary * p.threads / GB / p.memory,
            f"memory for vocabularies, {2 * vocabulary * p.threads / GB:.0f} GB, with a process a thread; "
            "one process a machine has them once",
        ),
        (
            (blocks + rows + 2 * items) / GB / p.memory,
            f"memory of a worker in an epoch, {(blocks + rows + 2 * items) / GB:.1f} GB",
        ),
    ]
    order = "\n".join(
        f"{number}. {ratio:.2f}  {what}"
        for number, (ratio, what) in enumerate(sorted(limits, reverse=True), start=1)
    )
    text = f"{rated}\n\n{heading}\n\n{planned}\n\nneeded over there is, the greatest first:\n\n{order}"
    return text, steps + caller
