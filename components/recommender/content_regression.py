"""From what is said and shown of an item to its factors: a ridge regression learnt on items that people have met."""

from dataclasses import dataclass

import numpy as np

from components.core.linear_algebra import unit_rows
from components.recommender.interaction_matrix import Floats


@dataclass(frozen=True)
class ContentRegression:
    """Weights (c, d) and offset (d,) that turn content (·, c) into unit rows among the items' factors."""

    weights: Floats
    offset: Floats

    @classmethod
    def learn(cls, content: Floats, factors: Floats, ridge: float) -> "ContentRegression":
        """The map of least squared error from content (i, c) to factors (i, d), with a penalty on the weights."""
        centre, middle = content.mean(axis=0), factors.mean(axis=0)
        x = content - centre
        weights = np.linalg.solve(
            x.T @ x + ridge * np.eye(x.shape[1], dtype=np.float32), x.T @ (factors - middle)
        )
        return cls(weights.astype(np.float32), (middle - centre @ weights).astype(np.float32))

    def __call__(self, content: Floats) -> Floats:
        """Factors (n, d) of length 1 for content (n, ≤ c): a text alone has the first columns, films none."""
        return unit_rows(content @ self.weights[: content.shape[1]] + self.offset)
