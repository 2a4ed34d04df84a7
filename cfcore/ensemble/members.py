"""Members of a blend: their names, and the union of their users, items and training ratings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import numpy as np

from cfcore.data.ids import are_strings, encode, merge
from cfcore.data.index import compress, counts
from cfcore.errors import DataError
from cfcore.models.core.model import Model

Array = np.ndarray[Any, Any]


#: Fields of `State` for the users, items and pairs of the training ratings.
SEEN = ("user_ids", "item_ids", "user_counts", "item_counts", "seen_indptr", "seen_items", "seen_values")


def named(models: Any) -> dict[str, Model]:
    """Models by name: the class in lower case, numbered if it repeats; empty if they are not models."""
    if not isinstance(models, Sequence) or not all(isinstance(model, Model) for model in models):
        return {}
    classes = [type(model).__name__.lower() for model in models]
    seen: Counter[str] = Counter()
    names = {}
    for name, model in zip(classes, models, strict=True):
        seen[name] += 1
        names[f"{name}-{seen[name]}" if classes.count(name) > 1 else name] = model
    return names


def union(members: list[Model]) -> dict[str, Any]:
    """The fields of `State` for the users, items and training ratings of all members together.

    Where members have different ratings of a pair, that of the first counts. There are none if a member has
    none of its own.
    """
    first = members[0]
    alike = all(
        np.array_equal(getattr(member, name), getattr(first, name))
        for member in members[1:]
        for name in ("user_ids_", "item_ids_", "seen_indptr_", "seen_items_")
    )
    found: dict[str, Any] = {
        "scale": (min(m.scale_[0] for m in members), max(m.scale_[1] for m in members)),
        "rating_step": min(member.rating_step_ for member in members),
        "mean": float(np.mean([member.mean_ for member in members])),
        "column_names": first.column_names_,
    }
    if alike:
        return found | {name: getattr(first, f"{name}_") for name in SEEN}
    ids, tables = {}, {}
    for kind in ("user", "item"):
        vocabularies = [getattr(member, f"{kind}_ids_") for member in members]
        if len({are_strings(vocabulary) for vocabulary in vocabularies}) > 1:
            raise DataError(f"{kind}: ids are integers in some members and strings in others")
        ids[kind] = reduce(partial(merge, column=kind), vocabularies)
        tables[kind] = [encode(ids[kind], vocabulary) for vocabulary in vocabularies]
    n_items = len(ids["item"])
    cells = []
    for member, users, items in zip(members, tables["user"], tables["item"], strict=True):
        row = np.repeat(users, np.diff(member.seen_indptr_))
        cells.append(row.astype(np.int64) * n_items + items[member.seen_items_])
    seen, first_at = np.unique(np.concatenate(cells), return_index=True)
    held = [member.seen_values_ for member in members]
    users, items = (part.astype(np.int32) for part in np.divmod(seen, n_items))
    by_user = compress(users, items, np.zeros(len(seen), dtype=np.float32), len(ids["user"]), n_items)
    return found | {
        "user_ids": ids["user"],
        "item_ids": ids["item"],
        "user_counts": counts(users, len(ids["user"])),
        "item_counts": counts(items, n_items),
        "seen_indptr": by_user.indptr,
        "seen_items": by_user.indices,
        "seen_values": None if any(one is None for one in held) else np.concatenate(held)[first_at],
    }
