"""The ridge regression from an item's text and films to its factors, for items without interactions."""

from dataclasses import dataclass

import numpy as np

from components.core.arrays import Floats
from components.core.linear_algebra import unit_rows


@dataclass(frozen=True)
class ContentRegression:
    """Weights (c, d) and offset (d,) that turn content (·, c) into unit rows among the items' factors."""

    weights: Floats
    offset: Floats

    @classmethod
    def fit(cls, content: Floats, factors: Floats, ridge: float) -> "ContentRegression":
        """Fit content (i, c) to factors (i, d) by least squares, with a penalty on the weights."""
        # both are centred, so that the penalty does not draw the predictions towards zero
        content_mean, factor_mean = content.mean(axis=0), factors.mean(axis=0)
        x = content - content_mean
        gram = x.T @ x + ridge * np.eye(x.shape[1], dtype=np.float32)
        weights = np.linalg.solve(gram, x.T @ (factors - factor_mean))
        return cls(weights.astype(np.float32), (factor_mean - content_mean @ weights).astype(np.float32))

    def __call__(self, content: Floats) -> Floats:
        """Predict factors (n, d) of length 1 from content (n, ≤ c)."""
        # a text alone has only the first columns: a query or a session has no films
        return unit_rows(content @ self.weights[: content.shape[1]] + self.offset)
