"""Names of the columns that ratings came from, for the frames and files that are made of them later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["ARGUMENTS", "ROLES", "UNNAMED", "distinct_names", "needed_roles", "result_names"]

#: What columns are, in the order of the arguments of ``Ratings``.
ROLES = ("user", "item", "rating", "timestamp")

#: Names in errors of columns that have no names: those of the arguments of ``Ratings``.
ARGUMENTS = {"user": "users", "item": "items", "rating": "values", "timestamp": "timestamps"}

#: Names in results of columns that had none.
UNNAMED = {role: role for role in ROLES}


def needed_roles(rated: bool) -> tuple[str, ...]:
    """The roles without which there are no ratings, or no pairs of users and items."""
    return ROLES[:3] if rated else ROLES[:2]


def result_names(names: Mapping[str, object]) -> dict[str, str]:
    """The name of each role: that of its column, or the role itself where the column had no name.

    Columns numbered by pandas have no names: other libraries do not take numbers.
    """
    if names is ARGUMENTS:
        return dict(UNNAMED)
    given = {role: names.get(role) for role in ROLES}
    return {role: name if isinstance(name, str) and name else role for role, name in given.items()}


def distinct_names(
    names: Mapping[str, str], roles: Iterable[str], others: Iterable[str] = ()
) -> dict[str, str]:
    """Names of some roles in a table that has other columns too, each name once.

    A name that another column has already is replaced by the role.
    """
    wanted = {role: names[role] for role in roles}
    taken = [*wanted.values(), *others]
    if len(set(taken)) == len(taken):
        return wanted
    return {role: role for role in wanted}
