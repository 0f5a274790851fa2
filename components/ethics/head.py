"""Learn from the lists' vectors what is banned: kernel ridge regression, a vote of all sentences by their likeness."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.linalg import solve

from components.language.encoder import Vectors

TOPICS = 200


def likeness(vectors: Vectors, others: Vectors, sharpness: float) -> Vectors:
    """Gaussian kernel of unit vectors (a, d) and (b, d): 1 where they are the same; the sharper, the nearer it looks."""
    near: Vectors = np.exp(sharpness * (vectors @ others.T - 1))
    return near


def learn(vectors: Vectors, banned: NDArray[np.bool_], sharpness: float, ridge: float) -> Vectors:
    """Weight of each sentence's vote (n,), so that the votes give 1 for the banned and -1 for the others."""
    alike = likeness(vectors, vectors, sharpness).astype(np.float64)
    alike[np.diag_indices_from(alike)] += ridge
    weights: Vectors = solve(alike, np.where(banned, 1.0, -1.0), assume_a="pos", overwrite_a=True).astype(
        np.float32
    )
    return weights


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
