"""A harm classifier of sentence vectors: ridge regression on a Nyström map, in time linear in the sentences.

The map gives a text its similarity to a sample of the sentences, the landmarks (Williams and Seeger, Using the Nyström
Method to Speed Up Kernel Machines, 2001), so that a linear model draws curved borders. The regression needs only sums
over the sentences. A part of them is left out by subtracting its sums, so a classifier that has not seen that part
costs one more solution and no other pass over the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from tqdm import tqdm

from components.ethics.settings import EthicsSettings
from components.query_model.onnx_encoder import Vectors

BLOCK_ROWS = 2048  # vectors whose kernel features are in memory at once
MAX_SEVERITY = 3
JITTER = 1e-4  # added to the kernel's diagonal: in 32 bits the landmarks alone leave the equations singular
LANDMARKS, WEIGHTS = "landmarks.npy", "weights.npy"
Sums = tuple[
    NDArray[np.float64], NDArray[np.float64]
]  # (m + 1, m + 1) of features, (m + 1, heads) of targets


def split_rows(rows: int) -> list[slice]:
    """Return blocks of rows whose kernel features fit into memory."""
    return [slice(start, start + BLOCK_ROWS) for start in range(0, rows, BLOCK_ROWS)]


def kernel_features(vectors: Vectors, landmarks: Vectors, sharpness: float) -> NDArray[np.float32]:
    """Return the Gaussian kernel (n, m + 1) of unit vectors (n, d) and (m, d), with a last column of ones."""
    features = np.ones((len(vectors), len(landmarks) + 1), np.float32)
    # Of unit vectors, the squared distance is 2 - 2 cosines
    features[:, :-1] = np.exp(sharpness * (vectors @ landmarks.T - 1))
    return features


@dataclass(frozen=True)
class HarmClassifier:
    """Weights (m + 1, heads) of the kernel features of landmarks (m, d): harm, severity, then each category."""

    landmarks: Vectors
    weights: NDArray[np.float32]
    sharpness: float
    categories: list[str]

    def score_harm(self, vectors: Vectors) -> NDArray[np.float32]:
        """Return the harm (n,) of unit vectors (n, d): about 1 for banned texts, -1 for harmless ones."""
        scores = np.empty(len(vectors), np.float32)
        for block in split_rows(len(vectors)):
            features = kernel_features(vectors[block], self.landmarks, self.sharpness)
            scores[block] = features @ self.weights[:, 0]
        return scores

    def predict_category(self, vector: Vectors) -> tuple[str, int]:
        """Return the likeliest category of a harmful vector (d,), and its severity, 1 to 3."""
        features = kernel_features(vector[None], self.landmarks, self.sharpness)
        severity, *categories = (features @ self.weights[:, 1:])[0]
        # The regression is not bounded to the severities that it was trained on
        return self.categories[int(np.argmax(categories))], int(np.clip(round(severity), 1, MAX_SEVERITY))

    def save(self, folder: Path) -> None:
        """Write the landmarks and the weights as arrays."""
        np.save(folder / LANDMARKS, self.landmarks.astype(np.float16))
        np.save(folder / WEIGHTS, self.weights)

    @classmethod
    def load(cls, folder: Path, sharpness: float, categories: list[str]) -> Self:
        """Read what `save` wrote."""
        landmarks = np.load(folder / LANDMARKS).astype(np.float32)
        weights = np.load(folder / WEIGHTS)
        return cls(landmarks, weights, sharpness=sharpness, categories=categories)


@dataclass(frozen=True)
class TrainingExamples:
    """Unit vectors (n, d) to learn from, the weight of each (n,), and which are banned (n,).

    categories, severities: of the banned ones, in order.
    """

    vectors: Vectors
    weights: NDArray[np.float64]
    banned: NDArray[np.bool_]
    categories: Sequence[str]
    severities: Sequence[int]


class ClassifierTrainer:
    """Trains classifiers on all examples, or on all but a part of them."""

    def __init__(self, examples: TrainingExamples, settings: EthicsSettings) -> None:
        self.examples, self.settings = examples, settings
        order = np.random.default_rng(settings.seed).permutation(len(examples.vectors))
        self.landmark_rows = np.sort(order[: settings.landmarks])
        # Rounded to the 16 bits of the saved file, so that the loaded filter is the calibrated one
        self.landmarks = examples.vectors[self.landmark_rows].astype(np.float16).astype(np.float32)
        self.categories = sorted(set(examples.categories))
        # The last row and column stay 0: the intercept is not penalized
        self.penalty = np.zeros((len(self.landmarks) + 1,) * 2)
        kernel = kernel_features(self.landmarks, self.landmarks, settings.sharpness)[:, :-1]
        ridge = settings.ridge * len(examples.vectors)
        self.penalty[:-1, :-1] = ridge * (kernel + JITTER * np.eye(len(kernel)))

    def fit(self) -> HarmClassifier:
        """Return a classifier: harm learnt from all examples, severity and categories from the banned ones."""
        banned = np.flatnonzero(self.examples.banned)
        targets = np.zeros((len(banned), 1 + len(self.categories)))
        targets[:, 0] = self.examples.severities
        columns = np.searchsorted(self.categories, self.examples.categories)
        targets[np.arange(len(banned)), 1 + columns] = 1
        kinds = self._accumulate_sums(banned, targets, weights=np.ones(len(banned)), name="categories")
        harm = self._solve_ridge(self._sum_harm(np.arange(len(self.examples.vectors)), "harm"))
        weights = np.hstack([harm, self._solve_ridge(kinds)]).astype(np.float32)
        return HarmClassifier(
            self.landmarks, weights, sharpness=self.settings.sharpness, categories=self.categories
        )

    def fit_without_parts(self, parts: NDArray[np.intp], number: int) -> NDArray[np.float32]:
        """Return harm weights (m + 1, number), each learnt without one part (n,), 0 to number - 1, of the examples.

        They tell nothing about the landmarks: a landmark that is left out is still compared with itself.
        """
        sums = [self._sum_harm(np.flatnonzero(parts == part), f"part {part + 1}") for part in range(number)]
        products, answers = zip(*sums, strict=True)
        all_products, all_answers = np.sum(products, axis=0), np.sum(answers, axis=0)
        weights = []
        for own_products, own_answers in sums:
            weights.append(self._solve_ridge((all_products - own_products, all_answers - own_answers)))
        return np.hstack(weights).astype(np.float32)

    def _sum_harm(self, rows: NDArray[np.intp], name: str) -> Sums:
        """Return the sums over some rows, where the banned examples weigh as much as all others together."""
        banned, weights = self.examples.banned, self.examples.weights
        # Balanced over all examples and not over the rows, so that the sums of parts add up to the whole
        balance = weights[~banned].sum() / max(1.0, weights[banned].sum())
        targets = np.where(banned[rows], 1.0, -1.0)[:, None]
        balanced = weights[rows] * np.where(banned[rows], balance, 1.0)
        return self._accumulate_sums(rows, targets, weights=balanced, name=name)

    def _accumulate_sums(
        self, rows: NDArray[np.intp], targets: NDArray[np.float64], weights: NDArray[np.float64], name: str
    ) -> Sums:
        """Return the sums over examples from which weighted least squares are solved."""
        size = len(self.landmarks) + 1
        products, answers = np.zeros((size, size)), np.zeros((size, targets.shape[1]))
        blocks = split_rows(len(rows))
        for block in tqdm(blocks, desc=f"learn {name}", unit=f" blocks of {BLOCK_ROWS}"):
            vectors = self.examples.vectors[rows[block]]
            features = kernel_features(vectors, self.landmarks, self.settings.sharpness)
            root = np.sqrt(weights[block])[:, None]
            # In 64 bits: the smallest directions are a millionth of the largest
            scaled = features.astype(np.float64) * root
            products += scaled.T @ scaled
            answers += scaled.T @ (root * targets[block])
        return products, answers

    def _solve_ridge(self, sums: Sums) -> NDArray[np.float64]:
        weights: NDArray[np.float64] = solve(sums[0] + self.penalty, sums[1], assume_a="pos")
        return weights
