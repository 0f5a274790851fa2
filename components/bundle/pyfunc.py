"""The bundle as an MLflow model: the same answers as the service, for batches and for `mlflow models serve`."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from components.bundle.bundle import Bundle
from components.bundle.query import Query
from components.bundle.searcher import Searcher


class Tandem(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answers rows of query, user_id, price_min, price_max and k (all but query may be missing)."""

    def load_context(self, context: Any) -> None:
        """Verify and load the bundle."""
        self.searcher = Searcher(Bundle.load(Path(context.artifacts["bundle"])))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Answer each row."""
        return [self.searcher.search(_query(row)).as_dict() for row in model_input.to_dict("records")]


def _query(row: dict[Any, Any]) -> Query:
    given = {name: value for name, value in row.items() if not pd.isna(value)}
    text = str(given.pop("query", ""))
    kinds = {"user_id": str, "price_min": float, "price_max": float, "k": int}
    return Query(text, **{name: kind(given[name]) for name, kind in kinds.items() if name in given})


mlflow.models.set_model(Tandem())
