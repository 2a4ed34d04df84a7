from cfcore.kernels.records import BatchScratch, Cases, MiniBatches, RBMParameters, RBMRates

def train(
    cases: Cases,
    parameters: RBMParameters,
    velocities: RBMParameters | None,
    rates: RBMRates,
    batches: MiniBatches,
    scratch: BatchScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
