from cfcore.kernels.records import (
    BitmapScratch,
    ItemOrder,
    ItemWeights,
    ListQueries,
    RatingRows,
    TopLists,
    UserScores,
    WeightPanels,
)

def score_rows(rated: RatingRows, weights: ItemWeights, out: UserScores, n_threads: int) -> None: ...
def best_lists(
    rated: RatingRows,
    panels: WeightPanels,
    queries: ListQueries,
    order: ItemOrder,
    lists: TopLists,
    scratch: BitmapScratch,
    n_threads: int,
) -> None: ...
