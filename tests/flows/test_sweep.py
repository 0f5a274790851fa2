"""A sweep tries settings with the stage's own command, keeps what it finds in MLflow, and leaves the outputs alone."""

import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from flows.experiments.sweep import SweepError, sweep_stage

GRAPH = """\
stages:
  points:
    cmd: python stages.py points points.txt
    outs: [points.txt]
  curve:
    cmd: python stages.py curve points.txt curve.txt
    deps: [points.txt]
    params: [{conf/curve.yaml: null}]
    outs: [curve.txt]
"""
STAGES = """\
import pathlib, sys, time

if sys.argv[1] == "points":
    pathlib.Path(sys.argv[2]).write_text("8")
    sys.exit()
import mlflow, yaml

conf = sys.argv[5] if "--conf" in sys.argv else "conf/curve.yaml"
height = yaml.safe_load(pathlib.Path(conf).read_text())["height"]
if height < 0:
    sys.exit("the height is below the ground")
with mlflow.start_run(run_name="curve"):
    for step in range(int(pathlib.Path(sys.argv[2]).read_text())):
        mlflow.log_metric("quality", height + step, step=step)
        time.sleep(0.4)
pathlib.Path(sys.argv[3]).write_text(str(height))
"""
SEARCH = """\
seed: 41
stages:
  curve:
    metric: quality
    better: higher
    trials: 7
    space:
      height: {choices: [2, 1, 3, -1]}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two stages that are up to date; the second logs its quality as it goes."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "stages.py").write_text(STAGES)
    (tmp_path / "conf/curve.yaml").write_text("height: 2\n")
    (tmp_path / "conf/sweep.yaml").write_text(SEARCH)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    MlflowClient().create_experiment("sweep", artifact_location=(tmp_path / "mlruns").as_uri())
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
def test_a_sweep_finds_the_best_ends_the_hopeless_and_goes_on_where_it_was(root: Path) -> None:
    found = sweep_stage(root, "curve")
    assert (found.best, found.now) == ({"height": 3}, {"height": 2})
    assert (root / "curve.txt").read_text() == "2"
    rows = found.trials.set_index("height")["state"]
    assert found.trials["number"].nunique() == 7
    assert set(rows[[-1]]) == {"fail"} and "complete" in set(rows[[3]])
    assert "pruned" in set(rows), found.trials

    runs = mlflow.search_runs(search_all_experiments=True, filter_string=f"tags.sweep = '{found.run_id}'")
    assert (runs[f"tags.{MLFLOW_PARENT_RUN_ID}"] == found.run_id).all()
    assert sorted(runs["tags.trial"].astype(int)) == sorted(
        found.trials.loc[found.trials["state"] != "fail", "number"]
    )
    kept = MlflowClient().list_artifacts(found.run_id)
    assert {file.path for file in kept} == {"curve.yaml", "history.png", "slices.png", "trials.json"}
    assert mlflow.artifacts.load_dict(f"runs:/{found.run_id}/trials.json")["columns"][0] == "number"

    again = sweep_stage(root, "curve", trials=8)
    assert again.run_id == found.run_id and len(again.trials) == 8


def test_a_sweep_that_cannot_be_made_says_why(root: Path) -> None:
    with pytest.raises(SweepError, match="no search for points"):
        sweep_stage(root, "points")
    search = yaml.safe_load(SEARCH)
    search["stages"]["curve"]["space"] = {"hight": {"choices": [1, 2]}}
    (root / "conf/sweep.yaml").write_text(yaml.safe_dump(search))
    with pytest.raises(SweepError, match=r"conf/curve\.yaml has no hight"):
        sweep_stage(root, "curve")
    (root / "points.txt").write_text("9")
    with pytest.raises(SweepError, match="not up to date"):
        sweep_stage(root, "curve")
