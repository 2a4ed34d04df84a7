import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Places = NDArray[np.void]

def train(
    indptr: Int64,
    units: Int32,
    levels: UInt8,
    rated_indptr: Int64,
    rated_units: Int32,
    order: Int32,
    parts: Int32,
    values: Float64,
    sharing: Float32,
    weights: Float32,
    visible_bias: Float32,
    hidden_bias: Float32,
    conditional: Float32,
    weights_velocity: Float32,
    visible_velocity: Float32,
    hidden_velocity: Float32,
    conditional_velocity: Float32,
    drawn: UInt8,
    rows: Float32,
    sums: Float32,
    places: Places,
    counts: Int32,
    touched: Int32,
    ranges: Int64,
    gradients: Float32,
    slots: Int32,
    squares: Float64,
    rates: Float64,
    decay: float,
    momentum: float,
    n_hidden: int,
    cd_steps: int,
    by_count: bool,
    persistent: bool,
    seed: int,
    epoch: int,
    begin: int,
    end: int,
    n_threads: int,
) -> None: ...
def hidden_inputs(
    indptr: Int64,
    units: Int32,
    levels: UInt8,
    rated_indptr: Int64,
    rated_units: Int32,
    weights: Float32,
    visible_bias: Float32,
    hidden_bias: Float32,
    conditional: Float32,
    scratch: Float32,
    out: Float32,
    n_hidden: int,
    n_threads: int,
) -> None: ...
def probabilities(
    cases: Int32,
    units: Int32,
    inputs: Float32,
    weights: Float32,
    visible_bias: Float32,
    hidden_bias: Float32,
    conditional: Float32,
    scratch: Float32,
    out: Float64,
    n_hidden: int,
    exact: bool,
    n_threads: int,
) -> None: ...
