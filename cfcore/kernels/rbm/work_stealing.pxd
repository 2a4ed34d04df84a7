# Stages of work that threads share: the tasks of a stage in any order, and all of them before the next stage.
#
# A worker begins with tasks of its own, whose data its cache may hold, and then steals tasks that no worker
# has begun, the last first: neither tasks nor cores are equally fast. A stage ends when its tasks are
# finished, not when all workers have reached its end: so a worker that is preempted delays the others only if
# it is in a task. Later it passes through the stages that it missed without finding a task to claim. The
# result of a task must not depend on the worker.

from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memset

from cfcore.kernels.common.atomics cimport cf_arrive, cf_exchange_if, cf_observe, pause_or_give_way

cdef enum:
    MAX_TASKS = 257  # of a stage: 64 parts in quarters, and the hidden biases
    LINES = 32       # int32 in two cache lines, which processors fetch together

# Counters that all workers write. Waiting workers read `finished` all the time: its cache lines hold only it.
cdef struct Shared:
    int32_t team                # number of workers, noted by one of them
    int32_t[LINES] before
    int32_t finished            # tasks since the beginning; may wrap around
    int32_t[LINES] between
    int32_t[MAX_TASKS] claimed  # the stage in which each task was last claimed
    int32_t[LINES] after

cdef struct Worker:
    Shared *shared
    int number, team
    int32_t stage
    uint32_t due                # value of `finished` once the stages before this one are over


cdef inline void clear(Shared *shared) noexcept nogil:
    memset(shared, 0, sizeof(Shared))


cdef inline Worker worker_of(Shared *shared, int number, int team) noexcept nogil:
    if number == 0:
        shared.team = team
    return Worker(shared=shared, number=number, team=team, stage=1, due=0)


cdef inline Py_ssize_t first_own(Py_ssize_t number, Py_ssize_t n, Py_ssize_t team) noexcept nogil:
    """The first of n tasks that are a worker's own."""
    return (number * n + team - 1) // team


cdef inline Py_ssize_t task_at(const Worker *me, Py_ssize_t attempt, Py_ssize_t n,
                               Py_ssize_t together) noexcept nogil:
    """The task, of n, that a worker tries to claim: first its own, ascending, then the others, descending.

    `together` tasks at a time, which n is a multiple of, are one worker's own.
    """
    cdef Py_ssize_t first = together * first_own(me.number, n // together, me.team)
    cdef Py_ssize_t n_own = together * first_own(me.number + 1, n // together, me.team) - first
    if attempt < n_own:
        return first + attempt
    return (first - 1 - (attempt - n_own) + n) % n


cdef inline bint claim(Worker *me, Py_ssize_t task) noexcept nogil:
    """Whether the task is this worker's to do in this stage, and then to `finish`; one worker's alone."""
    cdef int32_t *claimed = &me.shared.claimed[task]
    cdef int32_t last
    if me.team == 1:
        return True
    last = cf_observe(claimed)
    return last < me.stage and cf_exchange_if(claimed, last, me.stage)


cdef inline void finish(Worker *me) noexcept nogil:
    """Make the results of a claimed task visible to the workers that end the stage."""
    if me.team > 1:
        cf_arrive(&me.shared.finished)


cdef inline void end_stage(Worker *me, Py_ssize_t n_tasks) noexcept nogil:
    """Return when the n tasks of this stage are finished; their results are visible then."""
    cdef int pauses = 0
    if me.team == 1:
        return
    me.due += <uint32_t>n_tasks
    me.stage += 1
    while <int32_t>(<uint32_t>cf_observe(&me.shared.finished) - me.due) < 0:
        pause_or_give_way(&pauses)
