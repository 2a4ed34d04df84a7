from cfcore.kernels.records import (
    ImplicitRows,
    ImplicitSets,
    SVDppFactors,
    SVDppRates,
    UserBatchLayout,
    UserBatchScratch,
    UserBatchVisits,
)

def implicit_sums(sets: ImplicitSets, rows: ImplicitRows, n_threads: int) -> None: ...
def cut_sets(sets: ImplicitSets, layout: UserBatchLayout, n_threads: int) -> None: ...
def train(
    layout: UserBatchLayout,
    sets: ImplicitSets,
    factors: SVDppFactors,
    rates: SVDppRates,
    visits: UserBatchVisits,
    scratch: UserBatchScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
