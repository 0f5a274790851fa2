"""The made-up shop, gone through every stage of dvc.yaml in small: real files, a real text model, short training."""

import importlib
from pathlib import Path
from typing import Any

import mlflow
import yaml

from tests.lists import SMALL_ETHICS, thin_lists

ROOT = Path(__file__).parents[1]
SMALL: dict[str, dict[str, Any]] = {
    "catalogue": {"source": "fashion"},
    "text_model": {"dimensions": 256, "maximum_steps": 0, "validation_queries": 50, "test_queries": 50},
    "recommender": {"dimensions": 16, "epochs": 4, "bootstrap_samples": 20},
    "index": {"trees": 5, "recall_queries": 20},
    "ethics": SMALL_ETHICS,
}


def make_bundle(folder: Path, text_model: Path) -> Path:
    """Run the graph's commands as they are written, in its order, with `data/` in a folder; gives the bundle."""
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    small = SMALL | {"text_model": SMALL["text_model"] | {"model": str(text_model)}}
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    thin_lists(folder / "conf", 2)
    for name, entry in graph.items():
        if name != "packages":
            run_stage(entry["cmd"], folder, small)
    return folder / graph["bundle"]["outs"][0]


def run_stage(command: str, folder: Path, small: dict[str, dict[str, Any]]) -> None:
    """Call a stage's `main` with the paths of its command and the settings of its package, some of them smaller."""
    _, _, module, *paths = command.replace("${folder}", "data/inbox").split()
    stage = importlib.import_module(module).main
    package = stage.settings.default_path().stem
    settings = stage.settings.read(ROOT / stage.settings.default_path()).model_copy(
        update=small.get(package, {})
    )
    others = {name: kind.read_in(ROOT) for name, kind in stage.others.items()}
    own = ("data/", "conf/banned", "conf/benign", ".tandem/enrichment")
    stage(
        *(folder / path if path.startswith(own) else ROOT / path for path in paths),
        settings=settings,
        **others,
    )
