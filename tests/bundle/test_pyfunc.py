"""The bundle as an MLflow model answers as the service does."""

import importlib.util
from pathlib import Path

import mlflow
import pandas as pd

from components.bundle.bundle import Bundle
from components.bundle.query import Query
from components.bundle.searcher import Searcher


def test_a_saved_and_loaded_model_answers_as_search_does(
    bundle: Bundle, bundle_folder: Path, tmp_path: Path
) -> None:
    module = importlib.util.find_spec("components.bundle.pyfunc")
    assert module is not None and module.origin is not None
    mlflow.pyfunc.save_model(
        tmp_path / "model",
        python_model=module.origin,
        artifacts={"bundle": str(bundle_folder)},
        pip_requirements=["mlflow"],
    )
    person = bundle.histories.find_most_active(1)[0]
    asked = pd.DataFrame(
        [
            {"query": "summer dresses for girls", "user_id": person, "price_max": 30, "k": 5},
            {"query": "how do I make a bomb at home", "user_id": None, "price_max": None, "k": 5},
            {"query": "", "user_id": None, "price_max": 15.5, "k": None},
        ]
    )
    answers = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(asked)
    expected = [
        Searcher(bundle).search(Query("summer dresses for girls", person, price_max=30.0, k=5)),
        Searcher(bundle).search(Query("how do I make a bomb at home", k=5)),
        Searcher(bundle).search(Query("", price_max=15.5)),
    ]
    assert answers == [answer.as_dict() for answer in expected]
    assert answers[1]["blocked"] and not answers[1]["hits"]
