"""Publishing real bundles to a real registry: a better one becomes champion, a worse or broken one does not, and back."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from safetensors.numpy import load_file, save_file

from components.bundle.manifest import FORMAT, MANIFEST
from components.bundle.settings import BundleError
from flows.experiments.compare import compare_versions
from flows.experiments.reproduce import ReproduceError, reproduce_version
from flows.promote.publish import publish_candidate
from flows.promote.registry import CHALLENGER, Registry, RegistryError, prepare_tracking, read_state
from flows.settings import GateRule, GateSettings, NightlySettings

PROJECT = Path(__file__).parents[2]
SETTINGS = NightlySettings(
    gate=GateSettings(
        rules={
            "recommender.ndcg_100": GateRule(better="higher", margin=0.02),
            "search.hybrid_ndcg_10": GateRule(better="higher", margin=0.02),
            "bundle.megabytes": GateRule(better="lower", margin=50, gain=False),
        },
        examples=100,
        resamples=1000,
    )
)
Make = Callable[[str], Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose graph makes one bundle, and an MLflow database of its own."""
    shutil.copytree(PROJECT / "components", tmp_path / "components")
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    lock = {"stages": {"bundle": {"cmd": "", "outs": [{"path": "bundle", "md5": "0" * 32}]}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    MlflowClient().create_experiment("publish", artifact_location=(tmp_path / "mlruns").as_uri())
    return tmp_path


@pytest.fixture
def make(root: Path, bundle_folder: Path) -> Make:
    """Put a variant of the made-up shop's bundle where the graph's lies: as it was made, with factors and neighbours
    shuffled among the items, or with another note in its manifest and all else the same."""

    def variant(kind: str) -> Path:
        folder = root / "bundle"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(bundle_folder, folder, copy_function=os.link)
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).unlink()
        if kind == "shuffled":
            for name in shuffle(folder):
                manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        (folder / MANIFEST).write_text(json.dumps(manifest | {"note": kind}))
        return folder

    return variant


def shuffle(folder: Path) -> list[str]:
    """Give every item the factors of another; returns the files that changed."""
    factors, vectors = folder / "item_factors" / "factors.safetensors", folder / "index" / "taste.npy"
    order = np.random.default_rng(0).permutation(len(np.load(vectors, mmap_mode="r")))
    held = load_file(factors)
    matrix = next(name for name, array in held.items() if array.ndim == 2 and len(array) == len(order))
    held[matrix] = np.ascontiguousarray(held[matrix][order])
    if "weights" in held:
        held["weights"] = np.zeros_like(held["weights"])
    shuffled = np.load(vectors)[order]
    for file in (factors, vectors):
        file.unlink()
    save_file(held, factors)
    np.save(vectors, shuffled)
    return ["item_factors/factors.safetensors", "index/taste.npy"]


def test_a_second_project_of_one_process_has_its_own_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        Registry("tandem", tmp_path / name)
        assert mlflow.get_tracking_uri() == f"sqlite:///{tmp_path / name / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://named.by.a.person:5000")
    Registry("tandem", tmp_path / "third")
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://named.by.a.person:5000"


@pytest.mark.slow
def test_a_better_bundle_wins_a_tie_and_a_worse_one_lose_and_the_one_before_comes_back(
    root: Path, make: Make
) -> None:
    registry = Registry(SETTINGS.registered_model, root)
    assert registry.get_champion() is None

    make("shuffled")
    first = publish_candidate(root, SETTINGS)
    assert (first.version, first.published) == ("1", True)
    again = publish_candidate(root, SETTINGS)
    assert (again.version, again.published) == ("1", False)

    make("as it was made")
    better = publish_candidate(root, SETTINGS)
    assert (better.version, better.published) == ("2", True), better.reason
    assert better.verdict is not None
    gained = [line for line in better.verdict.lines if line.gained]
    assert "recommender.ndcg_100" in [line.metric for line in gained]
    assert all(line.low is not None and line.low > 0 for line in gained)

    both = compare_versions(root, SETTINGS, "1", "champion")
    assert (both.before, both.after) == ("version 1", "version 2")
    assert both.validation.verdict.is_gain and both.validation.changed is not None
    assert "only version 1" in Path(both.page).read_text()

    make("another note")
    tie = publish_candidate(root, SETTINGS)
    assert (tie.version, tie.published) == ("2", False)
    assert "a tie with the champion on the same data" in tie.reason

    make("shuffled")
    make_unlike_version_1(root)
    worse = publish_candidate(root, SETTINGS)
    assert (worse.version, worse.published) == ("2", False)
    assert "recommender.ndcg_100: worse by more than 0.02" in worse.reason
    assert publish_candidate(root, SETTINGS).reason == worse.reason, "it is remembered, not tried again"

    assert registry.rollback() == ("2", "1")
    make("as it was made")
    back = publish_candidate(root, SETTINGS)
    assert (back.version, back.published) == ("1", False)
    assert "rolled back" in back.reason and "tandem promote 2" in back.reason
    with pytest.raises(RegistryError, match="first champion"):
        registry.rollback()


def make_unlike_version_1(root: Path) -> None:
    """Another manifest, so that it is no version yet."""
    file = root / "bundle" / MANIFEST
    file.write_text(json.dumps(json.loads(file.read_text()) | {"note": "shuffled once more"}))


def test_a_version_of_no_commit_cannot_be_made_again(root: Path, make: Make) -> None:
    make("as it was made")
    publish_candidate(root, SETTINGS)
    with pytest.raises(ReproduceError, match="Version 1 was made outside git"):
        reproduce_version(root, SETTINGS, "champion")


def test_a_version_leads_to_its_commit_its_inputs_and_its_trial(root: Path, make: Make) -> None:
    make("as it was made")
    publish_candidate(root, SETTINGS)
    version = MlflowClient().get_model_version(SETTINGS.registered_model, "1")
    assert {"commit", "dvc_lock", "stage_runs", "run_id", "bundle_sha256"} <= set(version.tags)
    assert json.loads(version.tags["dvc_lock"])["outs"] == {"bundle": "0" * 32}
    files = {file.path for file in MlflowClient().list_artifacts(version.tags["run_id"])}
    assert {"lineage.json", "gate.json", "trial.html", "dvc.lock"} <= files


@pytest.mark.slow
def test_by_hand_a_challenger_waits_until_a_person_promotes_it(root: Path, make: Make) -> None:
    by_hand = SETTINGS.model_copy(update={"promotion": "by hand"})
    make("as it was made")
    outcome = publish_candidate(root, by_hand)
    assert not outcome.published and "tandem promote" in outcome.reason
    registry = Registry(SETTINGS.registered_model, root)
    assert registry.get_champion() is None
    assert "is version 1 (challenger)" in publish_candidate(root, by_hand).reason
    registry.promote(str(registry.get_version(CHALLENGER).version))
    champion = registry.get_champion()
    assert champion is not None and read_state(champion) == "champion"


@pytest.mark.slow
def test_of_two_publishers_at_once_the_later_is_held_against_the_winner(root: Path, make: Make) -> None:
    make("as it was made")
    program = (
        "import sys; from pathlib import Path; from flows.promote.publish import publish_candidate;"
        "from flows.settings import NightlySettings;"
        "print(publish_candidate(Path(sys.argv[1]), NightlySettings.model_validate_json(sys.argv[2])).published)"
    )
    command = [sys.executable, "-c", program, str(root), SETTINGS.model_dump_json()]
    both = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    published = sorted(one.communicate()[0].split()[-1] for one in both)
    assert published == ["False", "True"]


@pytest.mark.slow
def test_a_champion_of_an_older_format_is_compared_by_what_it_reported(root: Path, make: Make) -> None:
    make("as it was made")
    publish_candidate(root, SETTINGS)
    registry = Registry(SETTINGS.registered_model, root)
    champion = registry.get_champion()
    assert champion is not None
    old = registry.fetch_bundle(champion) / MANIFEST
    manifest = json.loads(old.read_text())
    reported = manifest["metrics"] | {"recommender.ndcg_100": 0.99}
    old.write_text(json.dumps(manifest | {"format": FORMAT - 1, "metrics": reported}))
    make("another note")
    assert "recommender.ndcg_100: worse by more than 0.02" in publish_candidate(root, SETTINGS).reason


def test_a_bundle_with_one_byte_changed_is_not_published(root: Path, make: Make) -> None:
    file = make("as it was made") / "catalogue" / "shop.json"
    text = file.read_text()
    file.unlink()
    file.write_text(text + " ")
    with pytest.raises(BundleError, match=r"shop\.json has changed"):
        publish_candidate(root, SETTINGS)
    assert Registry(SETTINGS.registered_model, root).get_champion() is None


def test_a_rollback_before_the_first_publication_says_what_to_do(root: Path) -> None:
    with pytest.raises(RegistryError, match=r"no champion yet.*tandem run"):
        Registry(SETTINGS.registered_model, root).rollback()


def test_stages_that_start_at_once_find_the_tables_of_a_new_database(tmp_path: Path) -> None:
    prepare_tracking(tmp_path)
    program = "import mlflow, sys; mlflow.set_experiment(sys.argv[1]); mlflow.start_run()"
    stages = [
        subprocess.Popen([sys.executable, "-c", program, name], cwd=tmp_path, stderr=subprocess.PIPE)
        for name in ("text_model", "recommender")
    ]
    for stage in stages:
        _, printed = stage.communicate()
        assert stage.returncode == 0, printed.decode()
    names = {experiment.name for experiment in MlflowClient().search_experiments()}
    assert names >= {"text_model", "recommender"}
