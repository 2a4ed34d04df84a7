from cfcore.kernels.records import BiasedRows, Factors, ListQueries, ListScratch, PanelOrder, Panels, TopLists

def pack(rows: BiasedRows, panels: Panels) -> None: ...
def scratch_sizes(m: int, width: int, head: int, n_tail: int, n: int) -> tuple[int, int, int]: ...
def best_products(
    queries: ListQueries,
    factors: Factors,
    order: PanelOrder,
    panels: Panels,
    rotation: Panels,
    lists: TopLists,
    scratch: ListScratch,
    n_threads: int,
) -> None: ...
