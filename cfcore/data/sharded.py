"""`Sharded`: how ratings are written to folders of shards, and opened."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from cfcore.data.container import Container
from cfcore.memory import as_bytes, limited

__all__ = ["Sharded", "check_size"]

#: Bytes of the arrays of a batch that is read; they are collected, and so are in files.
BATCH_ARRAY = 1 << 19


class Sharded(Container):
    """The methods of `Ratings` for data that need not fit in memory."""

    __slots__ = ()

    def within(self, memory_limit: int | str | None = None) -> AbstractContextManager[None]:
        """A block in which large new arrays are in files, if there is a limit: `cfcore.memory.limited`."""
        return limited(as_bytes(memory_limit))

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
    def read_to_shards(
        cls,
        path: Any,
        folder: Any,
        *,
        memory_limit: int | str | None = None,
        shard_size: int | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> Any:
        """Convert files of ratings, which may be more than fit in memory, to a folder of shards.

        Parameters
        ----------
        path : path, file object, or list of them
            As of `read`: text, JSON lines, parquet or Arrow files, compressed or not; also a folder of them.
        folder : path-like
            Of the shards; see `save_shards`.
        memory_limit : int or str, optional
            Bytes, or text such as "2GB", that the process may have in memory meanwhile: what is read is in
            files without names in `folder`, which need about 50 bytes a rating. The vocabularies, and a batch
            of the file, must fit.
        shard_size, overwrite
            As of `save_shards`.
        **options
            As of `read`: ``user, item, rating, timestamp, separator, header, scale, duplicates, missing,
            ids`` ...

        Returns
        -------
        Ratings
            As ``Ratings.open(folder, memory_limit=memory_limit)``.

        Raises
        ------
        DataError, FileNotFoundError, ImportError, ValueError, TypeError
            As `read`; FileExistsError as `save_shards`.
        """
        from cfcore.data.readers import read_fields
        from cfcore.data.shards import Saver, save

        check_size(shard_size)
        limit = as_bytes(memory_limit)
        place = Saver(folder, overwrite).path
        with limited(limit, place, BATCH_ARRAY):
            save(cls._new(*read_fields(path, **options)), place, shard_size, True)
        return cls.open(place, memory_limit=limit)

    @classmethod
    def open(cls, folder: Any, *, memory_limit: int | str | None = None) -> Any:
        """The ratings in a folder of shards, mapped: they may be more than fit in memory.

        Parameters
        ----------
        folder : path-like
            Written by `save_shards` or by ``cfcore.distributed``.
        memory_limit : int or str, optional
            Bytes, or text such as "2GB", that this process may have in memory while models are fitted to
            these ratings: large arrays, factors included, are in files that have no names, in this folder if
            it may be written to, else in that of temporary files. Fits take more time, and have the same
            bits. Linux and macOS only.

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

        return opened(folder, memory_limit)


def check_size(shard_size: Any) -> None:
    """Raise ValueError unless it is a number of ratings, or None."""
    if shard_size is not None and (
        isinstance(shard_size, bool) or int(shard_size) != shard_size or shard_size < 1
    ):
        raise ValueError(f"shard_size must be a number of ratings of at least 1, or None, not {shard_size!r}")
