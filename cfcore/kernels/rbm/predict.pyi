import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import Cases, RBMParameters

_Int32 = NDArray[np.int32]
_Float32 = NDArray[np.float32]
_Float64 = NDArray[np.float64]

def hidden_inputs(
    cases: Cases, parameters: RBMParameters, scratch: _Float32, out: _Float32, n_threads: int
) -> None: ...
def probabilities(
    case_codes: _Int32,
    unit_codes: _Int32,
    inputs: _Float32,
    parameters: RBMParameters,
    exact: bool,
    scratch: _Float32,
    out: _Float64,
    n_threads: int,
) -> None: ...
