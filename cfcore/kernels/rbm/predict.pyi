import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import Cases, RBMParameters

Int32 = NDArray[np.int32]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

def hidden_inputs(
    cases: Cases, parameters: RBMParameters, scratch: Float32, out: Float32, n_threads: int
) -> None: ...
def probabilities(
    case_codes: Int32,
    unit_codes: Int32,
    inputs: Float32,
    parameters: RBMParameters,
    exact: bool,
    scratch: Float32,
    out: Float64,
    n_threads: int,
) -> None: ...
