"""The public data sets: their files, formats and digests."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATALOG", "GROUPLENS", "ML100K_SPLITS", "RECBOLE", "Entry"]


@dataclass(frozen=True)
class Entry:
    """Format and digests of one data set.

    Attributes
    ----------
    folder : str
        Name of the folder in the published archive.
    file : str
        The ratings, inside that folder.
    n_ratings : int
        Rows it must have.
    scale : (float, float)
    separator : str
    header : bool
    archive_md5 : str or None
        Digest of GroupLens' NAME.zip; None where GroupLens does not publish the set.
    file_md5 : str or None
        Digest of the ratings file itself, where known and cheap to check.
    advice : str
        What a user can do when no source has it.
    """

    folder: str
    file: str
    n_ratings: int
    scale: tuple[float, float]
    separator: str
    header: bool = False
    archive_md5: str | None = None
    file_md5: str | None = None
    advice: str = ""


@dataclass(frozen=True)
class Wheel:
    """A wheel on PyPI that contains u.data below a header line."""

    requirement: str
    sha256: str
    member: str


RECBOLE = Wheel(
    "recbole==1.2.1",
    "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    "recbole/dataset_example/ml-100k/ml-100k.inter",
)

GROUPLENS = "https://files.grouplens.org/datasets/movielens/"

CATALOG = {
    "ml-100k": Entry(
        "ml-100k", "u.data", 100_000, (1, 5), "\t",
        archive_md5="0e33842e24a9c977be4e0107933c0723", file_md5="6e47046882bad158b0efbb84cd5cb987",
    ),
    "ml-1m": Entry(
        "ml-1m", "ratings.dat", 1_000_209, (1, 5), "::", archive_md5="c4d9eecfca2ab87c1945afe126590906"
    ),
    "ml-10m": Entry(
        "ml-10M100K", "ratings.dat", 10_000_054, (0.5, 5), "::", False, "ce571fd55effeba0271552578f2648bd"
    ),
    "ml-20m": Entry(
        "ml-20m", "ratings.csv", 20_000_263, (0.5, 5), ",", True, "cd245b17a1ae2cc31bb14903e1204af3"
    ),
    "ml-25m": Entry(
        "ml-25m", "ratings.csv", 25_000_095, (0.5, 5), ",", True, "6b51fb2759a8657d3bfcbfc42b592ada"
    ),
    "ml-32m": Entry(
        "ml-32m", "ratings.csv", 32_000_204, (0.5, 5), ",", True, "d472be332d4daa821edc399621853b57"
    ),
    "movietweetings": Entry(
        "movietweetings-100k", "ratings.dat", 100_000, (0, 10), "::",
        advice="Take the folder snapshots/100K of https://github.com/sidooms/MovieTweetings and put its "
        "ratings.dat there.",
    ),
}  # fmt: skip

# md5 of the .base and the .test file of each split that GroupLens' scripts make of u.data.
ML100K_SPLITS = {
    "u1": ("4325f44281c9f8c119a3694662d63fc2", "62d5d837e7c8e36550cc956b09c2ecc8"),
    "u2": ("79541afecccbd5365bb2c09b123a01c7", "1951a71b7e1f4ed254508007fa2f6b70"),
    "u3": ("55c67a63f516fa9e593d68c3be779970", "cb3e4d0a9152041772285232ca002d4f"),
    "u4": ("66f64a75eeeffd20ff09533bcd31adcf", "328acfca94e85d01b1d7e92c7d73df3b"),
    "u5": ("0becb3392339231c08ba316944c79095", "bec898f7091dba3b7bdf793d1998d2d6"),
    "ua": ("346eb46a756be3b382bdef4f7dcf3a01", "52e5d0355092dc1596899855b220508f"),
    "ub": ("e4ce94f6e01e45f65b91a70bb9e8da2f", "5292d1e388d156aa0c19c384cdf35aca"),
}
