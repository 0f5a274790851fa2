"""The bundle as an MLflow model, with the answers of the service, for batches and `mlflow models serve`."""

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
        """Return the answer to each row, as JSON shows it."""
        return [self.searcher.search(_build_query(row)).as_dict() for row in model_input.to_dict("records")]


def _build_query(row: dict[Any, Any]) -> Query:
    # a cell without a value is NaN, and a column with one turns its integers to floats
    given = {name: value for name, value in row.items() if not pd.isna(value)}
    arguments: dict[str, Any] = {}
    for name, kind in (("user_id", str), ("price_min", float), ("price_max", float), ("k", int)):
        if name in given:
            arguments[name] = kind(given[name])
    return Query(str(given.get("query", "")), **arguments)


mlflow.models.set_model(Tandem())
