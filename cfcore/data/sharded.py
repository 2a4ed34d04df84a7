"""`Sharded`: how ratings are written to folders of shards, and opened."""

from __future__ import annotations

from typing import Any

from cfcore.data.container import Container

__all__ = ["Sharded", "check_size"]


class Sharded(Container):
    """The methods of `Ratings` for data that need not fit in memory."""

    __slots__ = ()

    def save_shards(self, folder: Any, *, shard_size: int | None = None, overwrite: bool = False) -> Any:
        """Write the ratings to a folder of files with a range of users each, which `open` maps.

        Parameters
        ----------
        folder : path-like
            Made if it does not exist. ``header.json`` is written last: a folder without it is not complete.
        shard_size : int, optional
            Ratings of a file, at least. By default 5 million, but for less than 20 million ratings a fourth
            of them. What is fitted to the ratings does not depend on it.
        overwrite : bool, default False
            Whether a folder of shards there is replaced.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        FileExistsError
            The folder has files, and they are not to be replaced.

        Notes
        -----
        Files are in the safetensors format with a JSON header, 12 bytes a rating (20 with timestamps; 4 more
        from 2^31 ratings on) and about 8 bytes and the id for each user.

        Examples
        --------
        >>> import tempfile
        >>> import cfcore as cf
        >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [4.0, 5.0, 3.5])
        >>> folder = ratings.save_shards(tempfile.mkdtemp())
        >>> cf.Ratings.open(folder)
        Ratings(3 by 2 users of 2 items, 75% dense, scale 3.5 to 5, mean 4.17)
        """
        from cfcore.data.shards import save

        check_size(shard_size)
        return save(self, folder, shard_size, overwrite)

    @classmethod
    def open(cls, folder: Any) -> Any:
        """The ratings in a folder of shards, mapped: they may be more than fit in memory.

        Parameters
        ----------
        folder : path-like
            Written by `save_shards` or by ``cfcore.distributed``.

        Returns
        -------
        Ratings
            The same rows in the same order: fits have the bits of fits to the ratings that were saved.
            ``shards`` are the files, each with the ratings of a range of users; ``to_memory()`` gives ratings
            that do not depend on the folder.

        Raises
        ------
        FileFormatError
            A file is damaged, or was written by a later version.
        FileNotFoundError
            There is no such folder, or it is not complete.
        """
        from cfcore.data.shards.opened import opened

        return opened(folder)


def check_size(shard_size: Any) -> None:
    """Raise ValueError unless it is a number of ratings, or None."""
    if shard_size is not None and (
        isinstance(shard_size, bool) or int(shard_size) != shard_size or shard_size < 1
    ):
        raise ValueError(f"shard_size must be a number of ratings of at least 1, or None, not {shard_size!r}")
