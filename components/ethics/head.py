"""Learn from the lists' vectors what is banned: kernel ridge regression, a vote of all sentences by their likeness."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.linalg import inv, solve

from components.language.encoder import Vectors

TOPICS = 200


def likeness(cosines: Vectors, sharpness: float) -> Vectors:
    """Gaussian kernel of unit vectors by their cosines: 1 where they are the same; the sharper, the nearer it looks."""
    near: Vectors = np.exp(sharpness * (cosines - 1))
    return near


@dataclass(frozen=True)
class Votes:
    """Weight of each sentence's vote (n,), and the inverse of the ridged likenesses (n, n) that it was learnt by."""

    weights: NDArray[np.float64]
    inverse: NDArray[np.float64]

    @classmethod
    def learn(cls, vectors: Vectors, banned: NDArray[np.bool_], sharpness: float, ridge: float) -> "Votes":
        """Weights with which the votes give 1 for the banned and -1 for the others."""
        alike = likeness(vectors @ vectors.T, sharpness).astype(np.float64)
        alike[np.diag_indices_from(alike)] += ridge
        inverse = inv(alike, assume_a="pos", overwrite_a=True)
        return cls(inverse @ np.where(banned, 1.0, -1.0), inverse)

    def without(self, left_out: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Weights (n,) learnt without some sentences, which have none, by the inverse of a part of a matrix.

        Rifkin and Lippert, Notes on regularized least squares, 2007.
        """
        own = self.inverse[np.ix_(left_out, left_out)]
        pulled = self.inverse[:, left_out] @ solve(own, self.weights[left_out], assume_a="pos")
        return np.where(left_out, 0.0, self.weights - pulled)


def worst(scores: Vectors, share: float) -> float:
    """Mean of the highest scores (r,) of a text's readings, a share of them and at least one."""
    highest = np.sort(scores)[-max(1, math.ceil(share * len(scores))) :]
    return float(highest.mean())


def folds(vectors: Vectors, number: int, seed: int) -> NDArray[np.intp]:
    """Part (n,) of each sentence, 0 to number - 1; sentences about the same thing are in the same part."""
    from sklearn.cluster import kmeans_plusplus  # slow to import, and the service judges without it

    topics = min(TOPICS, len(vectors))
    begun, _ = kmeans_plusplus(vectors, topics, random_state=seed)
    _, topic = kmeans2(vectors, begun, iter=5, minit="matrix", missing="warn")
    part_of = np.random.default_rng(seed).permutation(topics) % number
    parts: NDArray[np.intp] = part_of[topic]
    return parts
