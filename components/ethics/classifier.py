"""Learn what is harmful from vectors of sentences: ridge regression over a Nyström map, linear in the sentences.

The map gives a text its likeness to some of the sentences, the landmarks (Williams and Seeger, Using the Nyström Method
to Speed Up Kernel Machines, 2001), so that a linear model draws curved borders. What the regression needs to know of the
sentences is a sum over them. So a part of them is left out by taking its sum away, and a classifier that has not seen
that part costs one more solution, not another pass.
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
from components.text_model.encoder import Vectors

BLOCK_ROWS = 2048  # vectors whose likenesses are in memory at once
MAX_SEVERITY = 3
JITTER = 1e-4  # of a likeness: in 32 bits the landmarks alone leave the equations singular
LANDMARKS, WEIGHTS = "landmarks.npy", "weights.npy"
Sums = tuple[NDArray[np.float64], NDArray[np.float64]]


def row_blocks(rows: int) -> list[slice]:
    """The rows in blocks whose likenesses fit into memory."""
    return [slice(start, start + BLOCK_ROWS) for start in range(0, rows, BLOCK_ROWS)]


def likeness(vectors: Vectors, landmarks: Vectors, sharpness: float) -> NDArray[np.float32]:
    """Gaussian kernel (n, m + 1) of unit vectors (n, d) and (m, d), 1 where they are the same; a column of ones last."""
    near = np.ones((len(vectors), len(landmarks) + 1), np.float32)
    near[:, :-1] = np.exp(sharpness * (vectors @ landmarks.T - 1))
    return near


@dataclass(frozen=True)
class HarmClassifier:
    """Weights (m + 1, heads) over likenesses to landmarks (m, d); the heads are harm, severity, then each category."""

    landmarks: Vectors
    weights: NDArray[np.float32]
    sharpness: float
    categories: list[str]

    def harm(self, vectors: Vectors) -> NDArray[np.float32]:
        """How harmful unit vectors (n, d) are (n,): about 1 for what is banned, -1 for what is not."""
        scores = np.empty(len(vectors), np.float32)
        for block in row_blocks(len(vectors)):
            scores[block] = likeness(vectors[block], self.landmarks, self.sharpness) @ self.weights[:, 0]
        return scores

    def category(self, vector: Vectors) -> tuple[str, int]:
        """The likeliest category of a harmful vector (d,), and its severity, 1 to 3."""
        severity, *categories = (
            likeness(vector[None], self.landmarks, self.sharpness) @ self.weights[:, 1:]
        )[0]
        return self.categories[int(np.argmax(categories))], int(np.clip(round(severity), 1, MAX_SEVERITY))

    def save(self, folder: Path) -> None:
        """Write landmarks and weights as arrays."""
        np.save(folder / LANDMARKS, self.landmarks.astype(np.float16))
        np.save(folder / WEIGHTS, self.weights)

    @classmethod
    def load(cls, folder: Path, sharpness: float, categories: list[str]) -> Self:
        """Read what `save` wrote."""
        landmarks = np.load(folder / LANDMARKS).astype(np.float32)
        return cls(landmarks, np.load(folder / WEIGHTS), sharpness, categories)


@dataclass(frozen=True)
class TrainingExamples:
    """Unit vectors (n, d) to learn from, how much each counts (n,), and which are banned (n,).

    categories, severities: of the banned ones, in order.
    """

    vectors: Vectors
    counts: NDArray[np.float64]
    banned: NDArray[np.bool_]
    categories: Sequence[str]
    severities: Sequence[int]


class ClassifierTrainer:
    """Learns classifiers from examples, all of them or all but a part."""

    def __init__(self, examples: TrainingExamples, settings: EthicsSettings) -> None:
        self.examples, self.settings = examples, settings
        order = np.random.default_rng(settings.seed).permutation(len(examples.vectors))
        self.landmark_rows = np.sort(order[: settings.landmarks])
        # As they are kept, in 16 bits, so that what is judged is what was calibrated
        self.landmarks = examples.vectors[self.landmark_rows].astype(np.float16).astype(np.float32)
        self.names = sorted(set(examples.categories))
        self.penalty = np.zeros((len(self.landmarks) + 1,) * 2)
        near = likeness(self.landmarks, self.landmarks, settings.sharpness)[:, :-1]
        self.penalty[:-1, :-1] = settings.ridge * len(examples.vectors) * (near + JITTER * np.eye(len(near)))

    def learn(self) -> HarmClassifier:
        """Learn from all examples: harm from all of them, severity and categories from the banned ones."""
        banned = np.flatnonzero(self.examples.banned)
        place = {name: number for number, name in enumerate(self.names)}
        targets = np.zeros((len(banned), 1 + len(self.names)))
        targets[:, 0] = self.examples.severities
        targets[np.arange(len(banned)), [1 + place[name] for name in self.examples.categories]] = 1
        kinds = self._sums(banned, targets, np.ones(len(banned)), "categories")
        harm = self._solve(self._harm_sums(np.arange(len(self.examples.vectors)), "harm"))
        weights = np.hstack([harm, self._solve(kinds)]).astype(np.float32)
        return HarmClassifier(self.landmarks, weights, self.settings.sharpness, self.names)

    def learn_without(self, parts: NDArray[np.intp], number: int) -> NDArray[np.float32]:
        """Weights of harm (m + 1, number) learnt without the examples of each part (n,), 0 to number - 1.

        They say nothing of the landmarks themselves: a landmark that is not learnt from is still compared with itself.
        """
        sums = [self._harm_sums(np.flatnonzero(parts == part), f"part {part + 1}") for part in range(number)]
        whole = [np.sum(kind, axis=0) for kind in zip(*sums, strict=True)]
        learnt = [self._solve((whole[0] - left[0], whole[1] - left[1])) for left in sums]
        return np.hstack(learnt).astype(np.float32)

    def _harm_sums(self, rows: NDArray[np.intp], name: str) -> Sums:
        """The banned count as much as the others together."""
        banned, counts = self.examples.banned, self.examples.counts
        heavy = counts[~banned].sum() / max(1.0, counts[banned].sum())
        targets = np.where(banned[rows], 1.0, -1.0)[:, None]
        return self._sums(rows, targets, counts[rows] * np.where(banned[rows], heavy, 1.0), name)

    def _sums(
        self, rows: NDArray[np.intp], targets: NDArray[np.float64], weights: NDArray[np.float64], name: str
    ) -> Sums:
        """The sums over examples that weighted least squares are solved by."""
        size = len(self.landmarks) + 1
        products, answers = np.zeros((size, size)), np.zeros((size, targets.shape[1]))
        blocks = row_blocks(len(rows))
        for block in tqdm(blocks, desc=f"learn {name}", unit=f" blocks of {BLOCK_ROWS}"):
            # In 64 bits: the smallest directions are a millionth of the largest
            near = likeness(self.examples.vectors[rows[block]], self.landmarks, self.settings.sharpness)
            root = np.sqrt(weights[block])[:, None]
            scaled = near.astype(np.float64) * root
            products += scaled.T @ scaled
            answers += scaled.T @ (root * targets[block])
        return products, answers

    def _solve(self, sums: Sums) -> NDArray[np.float64]:
        found: NDArray[np.float64] = solve(sums[0] + self.penalty, sums[1], assume_a="pos")
        return found
