from cfcore.kernels.records import (
    CandidateScratch,
    ItemOrder,
    ItemWeights,
    ListQueries,
    RatingMultiples,
    RatingRows,
    TopLists,
    WeightPanels,
)

def fill_panels(weights: ItemWeights, panels: WeightPanels, n_threads: int) -> None: ...
def fill_multiples(
    rated: RatingRows, panels: WeightPanels, multiples: RatingMultiples, n_threads: int
) -> None: ...
def best_lists(
    rated: RatingRows,
    multiples: RatingMultiples,
    panels: WeightPanels,
    queries: ListQueries,
    order: ItemOrder,
    lists: TopLists,
    scratch: CandidateScratch,
    n_threads: int,
) -> None: ...
