"""Types of arrays that several packages share."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Csr = sparse.csr_matrix
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
