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

from components.recommender.interaction_matrix import Csr


def nearest(users: Csr, count: int, block: int) -> Csr:
    """The `count` items of largest cosine of each item, (i, i), rows sorted by cosine; fewer where fewer are met.

    users: (u, i). block: items compared at once.
    """
    squares = np.asarray(users.power(2).sum(axis=0)).ravel()
    columns = (users @ sparse.diags_array(1 / np.sqrt(np.where(squares > 0, squares, 1)))).tocsc()
    parts = [
        _largest(Csr(columns[:, start : start + block].T @ columns), start, count)
        for start in range(0, users.shape[1], block)
    ]
    return Csr(sparse.vstack(parts, format="csr", dtype=np.float32))


def _largest(cosines: Csr, first: int, count: int) -> Csr:
    """The largest entries of each row, of which row 0 is item `first`, without the item itself."""
    rows = np.repeat(np.arange(cosines.shape[0]), np.diff(cosines.indptr))
    others = np.flatnonzero(cosines.indices != rows + first)
    rows, columns, values = rows[others], cosines.indices[others], cosines.data[others]
    order = np.lexsort((columns, -values, rows))
    starts = np.searchsorted(rows[order], np.arange(cosines.shape[0]))
    kept = order[np.arange(len(order)) - starts[rows[order]] < count]
    ends = np.cumsum(np.bincount(rows[kept], minlength=cosines.shape[0]))
    return Csr((values[kept], columns[kept], np.append(0, ends)), shape=cosines.shape)


def fit_neighbours(users: Csr, count: int, ridge: float, block: int) -> Csr:
    """S (i, i), whose column j predicts item j from at most `count` others: x's predictions are xS.

    users: (u, i). ridge: λ as a multiple of the mean squared length of a column.
    """
    near = nearest(users, count, block)
    columns = users.tocsc()
    penalty = ridge * float(users.power(2).sum()) / max(1, users.shape[1])
    weights = [
        _solve(
            columns[:, near.indices[near.indptr[item] : near.indptr[item + 1]]], columns[:, [item]], penalty
        )
        for item in tqdm(np.flatnonzero(np.diff(near.indptr)), desc="neighbours", unit="item")
    ]
    data = np.concatenate([*weights, np.zeros(0, np.float32)])
    return Csr(Csr((data, near.indices, near.indptr), shape=near.shape).T)


def _solve(others: sparse.csc_matrix, item: sparse.csc_matrix, penalty: float) -> NDArray[np.float32]:
    gram = (others.T @ others).toarray()
    gram[np.diag_indices_from(gram)] += penalty
    met = (others.T @ item).toarray()[:, 0]
    solution: NDArray[np.float32] = np.linalg.solve(gram, met).astype(np.float32)
    return solution
