from cfcore.adapters.surprise.columns import Columns
from cfcore.adapters.surprise.factors import Constants, Parameters

def epoch(columns: Columns, parameters: Parameters, constants: Constants, avx2: bool) -> None: ...
