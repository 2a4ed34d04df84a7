from cfcore.kernels.records import (
    BatchLayout,
    BatchScratch,
    BatchVisits,
    ImplicitRows,
    ImplicitSets,
    SVDppFactors,
    SVDppRates,
)

def implicit_sums(sets: ImplicitSets, rows: ImplicitRows, n_threads: int) -> None: ...
def cut_sets(sets: ImplicitSets, layout: BatchLayout, n_threads: int) -> None: ...
def train(
    layout: BatchLayout,
    sets: ImplicitSets,
    factors: SVDppFactors,
    rates: SVDppRates,
    visits: BatchVisits,
    scratch: BatchScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
