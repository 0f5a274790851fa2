"""Publishing to a real registry: a better bundle becomes champion, a worse or broken one does not, and back."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow import MlflowClient

from components.bundle.load import FORMAT
from components.bundle.settings import BundleError
from flows.publish import publish
from flows.registry import Registry, RegistryError, prepare_tracking
from flows.settings import NightlySettings, Rule

PROJECT = Path(__file__).parents[2]
SETTINGS = NightlySettings(gate={"recommender.ndcg_100": Rule(better="higher", margin=0.01)})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose graph has made one bundle, and an MLflow database of its own."""
    shutil.copytree(PROJECT / "components", tmp_path / "components")
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    lock = {"stages": {"bundle": {"cmd": "", "outs": [{"path": "bundle", "md5": "0" * 32}]}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    MlflowClient().create_experiment("publish", artifact_location=(tmp_path / "mlruns").as_uri())
    return tmp_path


def make_bundle(root: Path, ndcg: float) -> Path:
    folder = root / "bundle"
    folder.mkdir(exist_ok=True)
    (folder / "factors.txt").write_text(f"factors of {ndcg}")
    files = {"factors.txt": hashlib.sha256((folder / "factors.txt").read_bytes()).hexdigest()}
    manifest = {"format": FORMAT, "metrics": {"recommender.ndcg_100": ndcg}, "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_champion_is_kept_against_a_worse_candidate_gives_way_to_a_better_one_and_comes_back(
    root: Path,
) -> None:
    registry = Registry(SETTINGS.registered_model, root)
    assert registry.champion() is None

    make_bundle(root, 0.40)
    first = publish(root, SETTINGS)
    assert (first.version, first.published) == ("1", True)

    again = publish(root, SETTINGS)
    assert (again.version, again.published) == ("1", False)

    make_bundle(root, 0.30)
    worse = publish(root, SETTINGS)
    assert (worse.version, worse.published) == ("1", False)
    assert "recommender.ndcg_100: worse by more than 0.01" in worse.reason

    make_bundle(root, 0.45)
    better = publish(root, SETTINGS)
    assert (better.version, better.published) == ("2", True)
    champion = registry.champion()
    assert champion is not None
    assert (registry.bundle(champion) / "factors.txt").read_text() == "factors of 0.45"

    assert registry.rollback() == ("2", "1")
    standing = registry.champion()
    assert standing is not None and str(standing.version) == "1"
    with pytest.raises(RegistryError, match="first champion"):
        registry.rollback()


def test_a_champion_of_an_older_format_is_compared_with_and_gives_way(root: Path) -> None:
    make_bundle(root, 0.40)
    publish(root, SETTINGS)
    old = Registry(SETTINGS.registered_model, root).bundle(
        MlflowClient().get_model_version_by_alias(SETTINGS.registered_model, "champion")
    )
    manifest = json.loads((old / "manifest.json").read_text())
    (old / "manifest.json").write_text(json.dumps(manifest | {"format": FORMAT - 1}))
    make_bundle(root, 0.30)
    assert "worse by more than 0.01" in publish(root, SETTINGS).reason
    make_bundle(root, 0.45)
    assert publish(root, SETTINGS).published


def test_a_version_leads_to_its_commit_its_inputs_and_its_gate(root: Path) -> None:
    make_bundle(root, 0.40)
    publish(root, SETTINGS)
    version = MlflowClient().get_model_version(SETTINGS.registered_model, "1")
    assert {"commit", "dvc_lock", "stage_runs", "run_id", "bundle_sha256"} <= set(version.tags)
    assert json.loads(version.tags["dvc_lock"])["outs"] == {"bundle": "0" * 32}
    files = {file.path for file in MlflowClient().list_artifacts(version.tags["run_id"])}
    assert {"lineage.json", "gate.json"} <= files


def test_a_bundle_with_one_byte_changed_is_not_published(root: Path) -> None:
    folder = make_bundle(root, 0.40)
    (folder / "factors.txt").write_text("factors of 0.41")
    with pytest.raises(BundleError, match=r"factors\.txt has changed"):
        publish(root, SETTINGS)
    assert Registry(SETTINGS.registered_model, root).champion() is None


def test_a_rollback_before_the_first_publication_says_what_to_do(root: Path) -> None:
    with pytest.raises(RegistryError, match=r"no champion yet.*tandem run"):
        Registry(SETTINGS.registered_model, root).rollback()


def test_stages_that_start_at_once_find_the_tables_of_a_new_database(tmp_path: Path) -> None:
    prepare_tracking(tmp_path)
    program = "import mlflow, sys; mlflow.set_experiment(sys.argv[1]); mlflow.start_run()"
    stages = [
        subprocess.Popen([sys.executable, "-c", program, name], cwd=tmp_path, stderr=subprocess.PIPE)
        for name in ("language", "recommender")
    ]
    for stage in stages:
        _, printed = stage.communicate()
        assert stage.returncode == 0, printed.decode()
    names = {experiment.name for experiment in MlflowClient().search_experiments()}
    assert names >= {"language", "recommender"}
