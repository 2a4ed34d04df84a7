from cfcore.kernels.records import (
    BitmapScratch,
    GramMatrix,
    ItemOrder,
    ItemWeights,
    ListQueries,
    RatingRows,
    SweepPanel,
    TopLists,
    UserScores,
    WeightPanels,
)

def sweep_panel(gram: GramMatrix, panel: SweepPanel, begin: int, n_threads: int) -> bool: ...
def sweep_tiles(
    gram: GramMatrix, panel: SweepPanel, begin: int, span: tuple[int, int], n_threads: int
) -> None: ...
def item_weights(gram: GramMatrix, weights: ItemWeights, span: tuple[int, int], n_threads: int) -> None: ...
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
