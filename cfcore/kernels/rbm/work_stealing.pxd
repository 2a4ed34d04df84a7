# Stages of work that threads do together: the pieces of a stage in any order, and all of them before the
# next.
#
# A member begins with pieces of its own, whose data its cache may hold, and then takes what others have not
# begun, the last first: neither pieces nor cores are equally fast. What a piece does may not depend on who
# does it, nor when.

from libc.stdint cimport int32_t
from libc.string cimport memset

from cfcore.kernels.common.atomics cimport await_count, cf_arrive, cf_exchange_if, cf_observe

cdef enum:
    MOST_PIECES = 256

cdef struct Board:
    int32_t arrived             # how often a member has come to the end of a stage
    int32_t[MOST_PIECES] taken  # the stage in which each piece was last taken

cdef struct Member:
    Board *board    # of all members
    int number, team
    int32_t stage


cdef inline void clear(Board *board) noexcept nogil:
    memset(board, 0, sizeof(Board))


cdef inline Member member_of(Board *board, int number, int team) noexcept nogil:
    return Member(board=board, number=number, team=team, stage=1)


cdef inline Py_ssize_t first_own(int number, Py_ssize_t n, int team) noexcept nogil:
    """The first of n pieces that are a member's own."""
    return (number * n + team - 1) // team


cdef inline Py_ssize_t piece_at(const Member *me, Py_ssize_t turn, Py_ssize_t n,
                                Py_ssize_t together) noexcept nogil:
    """The piece that a member looks at in a turn, of n: its own, rising, then the others, falling.

    `together` pieces at a time, which n is a multiple of, are one member's own.
    """
    cdef Py_ssize_t first = together * first_own(me.number, n // together, me.team)
    cdef Py_ssize_t n_own = together * first_own(me.number + 1, n // together, me.team) - first
    if turn < n_own:
        return first + turn
    return (first - 1 - (turn - n_own) + n) % n


cdef inline bint take(Member *me, Py_ssize_t piece) noexcept nogil:
    """Whether the piece is this member's to do in this stage; each is one member's."""
    cdef int32_t *taken = &me.board.taken[piece]
    cdef int32_t last
    if me.team == 1:
        return True
    last = cf_observe(taken)
    return last != me.stage and cf_exchange_if(taken, last, me.stage)


cdef inline void end_stage(Member *me) noexcept nogil:
    """Return when all members have come to the end of the stage; what they did is visible then."""
    if me.team > 1:
        cf_arrive(&me.board.arrived)
        await_count(&me.board.arrived, me.stage * me.team)
    me.stage += 1
