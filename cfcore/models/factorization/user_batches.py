"""The chunks of users in which SVD++ and its kin are trained, each with its grid of users × items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.data import Ratings
from cfcore.data.index import counts
from cfcore.kernels.records import RATING, BlockGrid, BlockLayout, RatingColumns
from cfcore.models.core.stripes import bounds, stripes
from cfcore.models.factorization.block_grid import SLICE, lay_out, rounds
from cfcore.random import seed64
from cfcore.threads import SMALL_CALL, resolve_threads

Array = np.ndarray[Any, Any]

#: Users of a chunk do not see what the implicit factors learn from each other. If there are many, and their
#: sets overlap, their joint step is too long and training diverges. The limit is on users times mean overlap
#: (the cosine of two sets); on MovieLens 1M it gives 190 users. There RMSE is some .0002 above that of chunks
#: of 24 users, and the learning rate of the implicit factors has room for twice as much.
MIN_CHUNKS, MAX_USERS, MAX_CROWD = 16, 1024, 24.0
#: Where there are more ratings per user and item than this (MovieLens 1M has as many), the limit rises as the
#: rule of `SVDpp` lowers the rate of the implicit factors, whatever rates are given. On 100 million ratings
#: (density 200) chunks are twice as long, and y moves to and from memory half as often; the RMSE of held-out
#: ratings is that of short chunks within .0001.
DENSE = 103.0
#: Users by whom the overlap is judged, at most.
SAMPLE = 10_000
#: A chunk's grid has at most so many stripes a side, and in the mean so many ratings a block.
MAX_STRIPES, MIN_BLOCK = 16, 512
#: The implicit factors are summed and written in parts, each by one thread, that hold so many of a mean
#: user's set: more would be all bookkeeping.
PART_OF_SET, MAX_PARTS = 16, 32


class Chunks:
    """Training ratings laid out for the kernels of the SVD++ family, and a random order for each epoch.

    Depends on the ratings alone, never on the number of threads; that is why the number of threads does not
    change a bit of the result.

    Parameters
    ----------
    train : Ratings
    indptr, members : int64[n_users + 1], int32[n]
        The set N(u) of each user, ascending.
    implicit : ndarray, shape (n, width)
        The y, for their number, length and dtype; members are below n.
    rng : Generator
        For the layout here, and for the order of each epoch.
    n_threads : int or None
    kernel : str
        The kernel whose ``train`` is called.
    codes, users_of : int32[n_ratings], int32[n_codes], optional
        Codes that take the users' place in the ratings, of a user's days say, and the user of each code.
    """

    def __init__(
        self,
        train: Ratings,
        indptr: Array,
        members: Array,
        implicit: Array,
        rng: np.random.Generator,
        n_threads: int | None,
        *,
        kernel: str = "svdpp",
        codes: Array | None = None,
        users_of: Array | None = None,
    ) -> None:
        self._rng = rng
        n_implicit, width = implicit.shape
        self.kernel = backends.kernel(kernel)
        threads = resolve_threads(n_threads)
        limit = MAX_CROWD * max(1.0, len(train) / (train.n_users + train.n_items) / DENSE)
        crowd = max(1, int(min(MAX_USERS, limit / max(overlap(indptr, members), 1e-9))))
        self.n_chunks = min(train.n_users, max(MIN_CHUNKS, -(-train.n_users // crowd)))
        side = int((len(train) / self.n_chunks / MIN_BLOCK) ** 0.5)
        per_chunk = max(1, min(MAX_STRIPES, side, train.n_users // self.n_chunks))
        self.n_item_stripes = max(1, min(MAX_STRIPES, side, train.n_items))
        user_stripes = stripes(train.user_counts, self.n_chunks * per_chunk)
        self.stripe_ptr = bounds(user_stripes, self.n_chunks * per_chunk)
        n_parts = max(1, min(MAX_PARTS, len(members) // (train.n_users * PART_OF_SET)))
        self.parts = bounds(stripes(counts(members, n_implicit), n_parts), n_parts)
        n_stripes = self.n_chunks * per_chunk
        layout = BlockLayout(
            np.empty(len(train), dtype=RATING),
            np.empty(n_stripes * self.n_item_stripes + 1, dtype=np.int64),
            self.n_item_stripes,
        )
        owner_stripes = user_stripes if users_of is None else user_stripes[users_of]
        owners = train.user_codes if codes is None else codes
        columns = RatingColumns(owners, train.item_codes, train.values, len(owner_stripes), train.n_items)
        item_stripes = stripes(train.item_counts, self.n_item_stripes)
        lay_out(
            columns, BlockGrid(owner_stripes, item_stripes, n_stripes, self.n_item_stripes), layout,
            seed64(rng), threads,
        )  # fmt: skip
        self.ratings, self.pointers = layout.ratings, layout.block_ptr
        cuts = np.empty((train.n_users, n_parts + 1), dtype=np.int64)
        backends.kernel("factorization.svdpp").cut_sets(indptr, members, self.parts, cuts, threads)
        self._sets = train.user_counts, indptr, members, self.parts, cuts
        self._work = (len(train) + len(members)) * max(width, 16)
        self.n_threads = threads if self._work >= SMALL_CALL else 1
        self._rounds = rounds(per_chunk, self.n_item_stripes)
        n_blocks = self._rounds.size
        most = int(np.diff(self.stripe_ptr[::per_chunk]).max())
        partial = aligned_zeros(most * n_parts, width, implicit.dtype).reshape(most, n_parts, width)
        self._sums = [aligned_zeros(train.n_users, width, implicit.dtype) for _ in range(2)] + [partial]
        self._kept = np.empty(train.n_users, implicit.dtype)
        self._squares = np.zeros(self.n_chunks * n_blocks)
        self._turns = np.empty((self.n_chunks * n_blocks, 3), dtype=np.int32)
        self._latest = np.empty((self.n_chunks, per_chunk + self.n_item_stripes), dtype=np.int32)

    def descend(self, arrays: tuple[Array, ...], scalars: tuple[float, ...]) -> float:
        """One epoch over all ratings; the root mean square of the errors met on the way.

        Parameters
        ----------
        arrays : what the kernel's ``train`` takes before the scratch; parameters are changed in place
        scalars : what it takes between the number of item stripes and the range of chunks
        """
        chunks = self._rng.permutation(self.n_chunks).astype(np.int32)
        # Around the grid from a random start: blocks of a user stripe then lie side by side more often than
        # not, and a thread, which keeps to its items, keeps its users too for a while.
        first = self._rng.integers(0, len(self._rounds), (self.n_chunks, 1))
        turns = (first + np.arange(len(self._rounds))) % len(self._rounds)
        order = self._rounds[turns].reshape(self.n_chunks, -1)
        starts = self._rng.integers(0, 2**40, len(self._squares))
        for begin, end in self._slices():
            self.kernel.train(
                self.ratings, self.pointers, chunks, order, starts, self.stripe_ptr, *self._sets, *arrays,
                *self._sums, self._kept, self._squares, self._turns, self._latest, self.n_item_stripes,
                *scalars, begin, end, self.n_threads,
            )  # fmt: skip
        return float(np.sqrt(self._squares.sum() / len(self.ratings)))

    def _slices(self) -> Iterator[tuple[int, int]]:
        """Ranges of chunks for one call each."""
        step = max(1, int(self.n_chunks * SLICE / self._work))
        for begin in range(0, self.n_chunks, step):
            yield begin, min(begin + step, self.n_chunks)


def overlap(indptr: Array, members: Array) -> float:
    """Mean cosine of two users' sets: members in common, over the root of the product of their sizes."""
    users = np.arange(0, len(indptr) - 1, -(-len(indptr) // SAMPLE))
    sizes = indptr[users + 1] - indptr[users]
    ends = np.cumsum(sizes)
    places = np.repeat(indptr[users] - ends + sizes, sizes) + np.arange(ends[-1])
    shares = np.bincount(members[places], weights=np.repeat(np.maximum(sizes, 1) ** -0.5, sizes))
    return float(shares @ shares) / len(users) ** 2
