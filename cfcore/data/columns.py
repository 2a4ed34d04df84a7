"""Columns of users, items, ratings and times, found by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cfcore.data.names import ROLES
from cfcore.errors import DataError, DataWarning, shown, warn

__all__ = ["USUAL_NAMES", "by_position", "find_columns", "listed", "missing_at", "usual_column", "within"]

# Compared in lower case and without "_", "-", "." and blanks: userId, user_id and User ID are the same. The
# first that is present counts.
USUAL_NAMES = {
    "user": (
        "user", "userid", "uid", "users", "usr", "usrid", "reviewerid", "reviewer", "rater", "raterid",
        "username", "customer", "customerid", "custid", "cust", "visitor", "visitorid", "critic", "criticid",
        "member", "memberid", "reader", "readerid", "buyer", "buyerid", "profilename",
        "reviewprofilename", "reviewername", "beerprofilename",
    ),
    "item": (
        "item", "itemid", "iid", "items", "movie", "movieid", "mid", "film", "filmid", "asin",
        "parentasin", "product", "productid", "book", "bookid", "isbn", "isbn13", "business", "businessid",
        "anime", "animeid", "recipe", "recipeid", "track", "trackid", "song", "songid", "artist", "artistid",
        "album", "albumid", "game", "gameid", "joke", "jokeid", "beer", "beerid", "beerbeerid", "beername",
        "wine", "wineid", "restaurant", "restaurantid", "place", "placeid", "gmapid", "venue", "venueid",
        "hotel", "hotelid", "show", "showid", "course", "courseid", "article", "articleid", "video",
        "videoid", "title",
    ),
    "rating": (
        "rating", "ratings", "score", "scores", "stars", "star", "starrating", "overall",
        "bookrating", "userrating", "ratingscore", "reviewrating", "reviewscore", "reviewoverall",
        "reviewstars", "overallrating", "value", "values", "eventvalue", "grade", "myscore",
    ),
    "timestamp": (
        "timestamp", "timestamps", "unixtimestamp", "unixreviewtime", "unixtime", "time", "ts", "datetime",
        "date", "reviewtime", "reviewdate", "ratingtime", "ratingdate", "ratedat", "createdat", "dateadded",
        "mylastupdated",
    ),
}  # fmt: skip

#: Names of one role that do not mean the same: a table may have several of them, each with other values.
DIFFERENT = {"item": {"asin", "parentasin"}, "rating": set(USUAL_NAMES["rating"])}

#: What to do about a column that is not found, where the call has an argument for its name.
NAME_IT = "name one with {role}="

#: How a table with a column for each item is read; the command line adds what can be typed there.
FROM_MATRIX = "Ratings.from_matrix"

#: What to do about ratings that are missing.
LEAVE_OUT = 'missing=float("nan") leaves such rows out'

#: Names that an error lists; a wide table may have thousands.
MOST_LISTED = 12


def find_columns(
    present: list[str],
    given: Mapping[str, str | None],
    where: str,
    needed: tuple[str, ...] = ROLES[:3],
    advice: str = NAME_IT,
) -> dict[str, str]:
    """Name of the column of each role: the one given, or the first that has a usual name.

    Names need not be strings: pandas numbers the columns of a file without a header. `advice` says what to do
    about a column that is not found, with ``{role}`` for its role.

    Raises
    ------
    DataError
        For a given column that does not exist, a required one that is not found (the message lists those that
        there are), or one that is named for two roles.
    """
    plain = {_plain(str(name)): name for name in reversed(present) if name not in given.values()}
    found = {}
    for role, usual in USUAL_NAMES.items():
        name = given.get(role)
        if name is None:
            name = next((plain[word] for word in usual if word in plain), None)
            if where and name is not None and role in {*needed, "item"}:
                _warn_of_others(name, role, plain, where, advice)
        elif name not in present:
            raise DataError(f"{where} has no column {name!r} for {role}; it has {listed(present)}")
        if name is not None:
            found[role] = name
        elif role in needed:
            wide = ""
            numbered = sum(not isinstance(each, str) or each.isdigit() for each in present)
            if len(needed) > 2 and (len(present) > MOST_LISTED or 1 < numbered == len(present) - 1):
                wide = f". A wide table, which has a column for each item, is read by {FROM_MATRIX}"
            raise DataError(
                f"{where}: no column looks like the {role}; {advice.format(role=role)}, "
                f"there are {listed(present)}{wide}"
            )
    names = list(found.values())
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where}: column {twice!r} is named for two roles")
    return found


def _warn_of_others(name: Any, role: str, plain: Mapping[str, Any], where: str, advice: str) -> None:
    """DataWarning if other columns have usual names of the role too, which may be the ones that are meant."""
    different = DIFFERENT.get(role, set())
    others = [found for word, found in plain.items() if word in different and found != name]
    if others and _plain(str(name)) in different:
        warn(
            f"{where}: column {name!r} is taken for the {role}, and {listed(others)} is not read; if it is "
            f"another, {advice.format(role=role)}",
            DataWarning,
        )


def usual_column(present: list[Any], role: str) -> Any:
    """The column that has a usual name of the role, or None."""
    plain = {_plain(str(name)): name for name in reversed(present)}
    return next((plain[word] for word in USUAL_NAMES[role] if word in plain), None)


def listed(names: Iterable[Any], most: int = MOST_LISTED) -> str:
    """The names for a message; only the first and the last where there are many."""
    parts = [shown(name) for name in names]
    if len(parts) > most:
        parts = [*parts[: most - 2], f"... ({len(parts)} in all)", parts[-1]]
    return ", ".join(parts)


def missing_at(column: str, role: str, row: int) -> DataError:
    """The error for a column of a role that has no value in a row."""
    what = "id" if role in ("user", "item") else "value"
    advice = f"; {LEAVE_OUT}" if role == "rating" else ""
    return DataError(f"column {column!r}: missing {what} at row {row}{advice}")


def _plain(name: str) -> str:
    # Some tools write the name and the type of a column ("rating:float"), or the source ("review/score").
    return "".join(c for c in name.partition(":")[0].rpartition("/")[2].lower() if c not in "_-. ")


def within(column: int, fields: Sequence[Any], where: str, role: str) -> int:
    """`column` itself if there is a field at that position, or DataError."""
    if not 0 <= column < len(fields):
        raise DataError(f"{where} has no column {column} for the {role}; there are {len(fields)}, from 0 on")
    return column


def by_position(
    wanted: Mapping[str, str | int | bool | None], present: list[str], where: str
) -> dict[str, str | None]:
    """Names of the columns wanted, where positions became names; None for those to be found."""
    return {
        role: present[within(int(column), present, where, role)]
        if not isinstance(column, str) and column is not None and column is not False
        else (column or None)
        for role, column in wanted.items()
    }
