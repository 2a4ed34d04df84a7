"""How lines of a file are read: `Reader`, as of scikit-surprise."""

from __future__ import annotations

from cfcore.adapters.surprise.builtin_datasets import BUILTIN_DATASETS

__all__ = ["Reader", "Row"]

Row = tuple[str, str, float, str | None]


class Reader:
    """The format of a file of ratings, or the scale of those of a frame.

    Parameters
    ----------
    name : {"ml-100k", "ml-1m", "jester"}, optional
        Format of a built-in data set; the other arguments are then ignored.
    line_format : str
        Names of the fields of a line, separated by spaces: "user", "item", "rating" and, if need be,
        "timestamp", in the order in which they come.
    sep : str, optional
        What separates the fields, such as ";"; by default white space.
    rating_scale : (float, float)
        Least and greatest rating.
    skip_lines : int
        Lines at the beginning of the file that are no ratings.

    Attributes
    ----------
    sep, skip_lines, rating_scale
    with_timestamp : bool
    indexes : list of int
        Places of user, item, rating and, if there is one, timestamp in a line.

    Raises
    ------
    ValueError
        For an unknown name, and a line format without user, item and rating or with another word.
    """

    def __init__(
        self,
        name: str | None = None,
        line_format: str = "user item rating",
        sep: str | None = None,
        rating_scale: tuple[float, float] = (1, 5),
        skip_lines: int = 0,
    ) -> None:
        if name:
            if name not in BUILTIN_DATASETS:
                accepted = ", ".join(BUILTIN_DATASETS)
                raise ValueError(f"unknown reader {name}. Accepted values are {accepted}.")
            self.__init__(**BUILTIN_DATASETS[name].reader_params)  # type: ignore[misc]
            return
        _, _ = rating_scale  # a pair, or TypeError
        self.sep, self.skip_lines, self.rating_scale = sep, skip_lines, rating_scale
        fields, wanted = line_format.split(), ["user", "item", "rating"]
        self.with_timestamp = "timestamp" in fields
        if self.with_timestamp:
            wanted.append("timestamp")
        if any(field not in wanted for field in fields):
            raise ValueError("line_format parameter is incorrect.")
        self.indexes = [fields.index(field) for field in wanted]

    def parse_line(self, line: str) -> Row:
        """Read a line.

        Returns
        -------
        (user id, item id, rating, timestamp)
            Ids and timestamp as text; the timestamp is None if the format has none.

        Raises
        ------
        ValueError
            The line has too few fields, or its rating is no number.
        """
        fields = line.split(self.sep)
        try:
            user, item, rating, *times = [fields[index].strip() for index in self.indexes]
        except IndexError:
            raise ValueError("Impossible to parse line. Check the line_format and sep parameters.") from None
        return user, item, float(rating), times[0] if times else None
