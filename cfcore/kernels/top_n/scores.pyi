from cfcore.kernels.records import BitmapScratch, ItemOrder, ListQueries, ScoreRows, TopLists

def best_scores(
    score_rows: ScoreRows,
    queries: ListQueries,
    order: ItemOrder,
    lists: TopLists,
    scratch: BitmapScratch,
    n_threads: int,
) -> None: ...
