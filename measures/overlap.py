"""Standard error of a mean over points whose neighbourhoods overlap.

Points share neighbours, so their contributions are correlated and the error of independent ones is too small: in
simulations (uniform and Gaussian, d = 2 to 10, N = 500 and 2000) the true standard deviation of GRIDE and
Levina-Bickel was up to 1.8 times as large. Contributions are therefore summed over each point's neighbourhood first.
"""

import numpy as np
from numpy.typing import NDArray


def overlap_stderr(contributions: NDArray[np.float64], neighbors: NDArray[np.int64]) -> float:
    """Standard error of the sum of the contributions, given the indices of each point's neighbours.

    sqrt(sum_i S_i^2 / (k + 1)), S_i the sum of the centred contributions of point i and its k neighbours: the variance
    of overlapping blocks (Kuensch, Annals of Statistics 17 (1989) 1217) with neighbourhoods as blocks. With k = 0 it is
    the error of independent contributions. A point that does not contribute is NaN.
    """
    centred = np.nan_to_num(contributions - np.nanmean(contributions))
    sums = centred + centred[neighbors].sum(axis=1)
    return float(np.sqrt(sums @ sums / (neighbors.shape[1] + 1)))
