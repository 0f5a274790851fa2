"""The sparse part S beside ELSA: a ridge regression of each item on the items most like it, fsSLIM in closed form.

Ning and Karypis, SLIM: Sparse Linear Methods for Top-N Recommender Systems, ICDM 2011, with Steck's L2 penalty
(EASE, WWW 2019). With N the at most k nearest items of j, the weights that predict column j are

    s = (X_NᵀX_N + λI)⁻¹ X_Nᵀx_j

so S holds at most items × k numbers, and no array is larger than a block of items × items.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from tqdm import tqdm

from components.core.arrays import Csr


def find_neighbours(users: Csr, count: int, block: int) -> Csr:
    """Return the `count` items of largest cosine of each item, (i, i), rows sorted by cosine.

    users: (u, i). block: items compared at once. An item that shares users with fewer items has fewer neighbours.
    """
    squares = np.asarray(users.power(2).sum(axis=0)).ravel()
    lengths = np.sqrt(np.where(squares > 0, squares, 1))  # an item without users must not divide by zero
    columns = (users @ sparse.diags_array(1 / lengths)).tocsc()
    blocks = []
    for start in range(0, users.shape[1], block):
        cosines = Csr(columns[:, start : start + block].T @ columns)
        # cut at once: all cosines together would be items × items
        blocks.append(_keep_largest(cosines, start, count))
    return Csr(sparse.vstack(blocks, format="csr", dtype=np.float32))


def _keep_largest(cosines: Csr, first: int, count: int) -> Csr:
    """Keep the largest entries of each row, of which row 0 is item `first`, without the item itself."""
    rows = np.repeat(np.arange(cosines.shape[0]), np.diff(cosines.indptr))
    others = np.flatnonzero(cosines.indices != rows + first)  # an item must not predict itself
    rows, columns, values = rows[others], cosines.indices[others], cosines.data[others]
    order = np.lexsort((columns, -values, rows))
    starts = np.searchsorted(rows[order], np.arange(cosines.shape[0]))
    kept = order[np.arange(len(order)) - starts[rows[order]] < count]
    ends = np.cumsum(np.bincount(rows[kept], minlength=cosines.shape[0]))
    return Csr((values[kept], columns[kept], np.append(0, ends)), shape=cosines.shape)


def fit_neighbours(users: Csr, count: int, ridge: float, block: int) -> Csr:
    """Fit S (i, i), whose column j predicts item j from at most `count` others: x's predictions are xS.

    users: (u, i). ridge: λ as a multiple of the mean squared length of a column.
    """
    near = find_neighbours(users, count, block)
    columns = users.tocsc()
    penalty = ridge * float(users.power(2).sum()) / max(1, users.shape[1])
    weights = [
        np.zeros(0, np.float32)
    ]  # so that there is something to concatenate where no item has neighbours
    for item in tqdm(np.flatnonzero(np.diff(near.indptr)), desc="neighbours", unit="item"):
        others = columns[:, near.indices[near.indptr[item] : near.indptr[item + 1]]]
        weights.append(_solve_ridge(others, columns[:, [item]], penalty))
    # row j has the weights that predict item j; transposed, xS gives predictions
    return Csr(Csr((np.concatenate(weights), near.indices, near.indptr), shape=near.shape).T)


def _solve_ridge(others: sparse.csc_matrix, item: sparse.csc_matrix, penalty: float) -> NDArray[np.float32]:
    gram = (others.T @ others).toarray()
    gram[np.diag_indices_from(gram)] += penalty
    products = (others.T @ item).toarray()[:, 0]
    solution: NDArray[np.float32] = np.linalg.solve(gram, products).astype(np.float32)
    return solution
