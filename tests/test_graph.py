"""dvc.yaml names what each stage reads, no more and no less; a change runs again only what it touches."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from components.core.content_hash import RUNNING
from tests.graph_inputs import GRAPH, ROOT, modules_read_by, settings_read_by

QUERY_PARSING = "components/query_model/prices.py"


def declared_modules(stage: str) -> set[str]:
    return {dep for dep in GRAPH[stage]["deps"] if dep.startswith("components/")}


def declared_settings(stage: str) -> dict[str, set[str]]:
    return {file: set(keys) for entry in GRAPH[stage]["params"] for file, keys in entry.items()}


@pytest.mark.parametrize("stage", GRAPH)
def test_a_stage_depends_on_the_modules_that_it_imports_and_on_no_others(stage: str) -> None:
    # The keys of settings are watched as params
    imported = {name for name in modules_read_by(stage) if not name.endswith("/settings.py")}
    declared = declared_modules(stage)
    missing = "".join(f"\n      - {name}" for name in sorted(imported - declared))
    assert imported <= declared, f"dvc.yaml, {stage}, deps: add{missing}"
    needless = "".join(f"\n      - {name}" for name in sorted(declared - imported))
    assert declared <= imported, f"dvc.yaml, {stage}, deps: remove{needless}"


@pytest.mark.parametrize("stage", GRAPH)
def test_a_stage_watches_the_settings_that_it_reads_and_no_others(stage: str) -> None:
    read, declared = settings_read_by(stage), declared_settings(stage)
    for file in read.keys() | declared.keys():
        keys, watched = read.get(file, set()), declared.get(file, set())
        assert keys <= watched, f"dvc.yaml, {stage}, params, {file}: add {', '.join(sorted(keys - watched))}"
        assert watched <= keys, (
            f"dvc.yaml, {stage}, params, {file}: remove {', '.join(sorted(watched - keys))}"
        )


@pytest.mark.parametrize("stage", GRAPH)
def test_every_watched_setting_stands_in_its_file(stage: str) -> None:
    for file, keys in declared_settings(stage).items():
        known = yaml.safe_load((ROOT / file).read_text())
        assert not keys - known.keys(), f"{file} lacks {', '.join(sorted(keys - known.keys()))}"


def test_modules_that_only_run_stages_exist() -> None:
    assert all(file.is_file() for file in RUNNING)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph with its code and settings, and a lock file that has them as they are; outputs are made up."""
    folder = tmp_path_factory.mktemp("graph")
    for name in ("components", "conf", "examples", "dvc.yaml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, folder / name)
    (folder / "data/inbox").mkdir(parents=True)
    for entry in GRAPH.values():
        for out in (*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])):
            path = folder / (out if isinstance(out, str) else next(iter(out)))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(path.name))
    make_folders_of_inputs(folder)
    run_dvc(folder, "init", "--no-scm", "-q")
    run_dvc(folder, "commit", "-f", "-q")
    return folder


def make_folders_of_inputs(folder: Path) -> None:
    """An output that another stage reads a file of is a folder."""
    read = {str(dep) for entry in GRAPH.values() for dep in entry["deps"]}
    for path in sorted(read):
        parent = folder / Path(path).parent
        if parent.is_file():
            parent.unlink()
        if not (folder / path).exists():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(path)


def run_dvc(folder: Path, *command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *command], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def changed_stages(folder: Path) -> set[str]:
    return set(yaml.safe_load(run_dvc(folder, "status", "--json")))


@contextmanager
def changed_file(file: Path, text: str) -> Iterator[None]:
    before = file.read_bytes()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_bytes(before)


@contextmanager
def changed_setting(project: Path, file: str, key: str, value: object) -> Iterator[None]:
    path = project / "conf" / file
    settings = yaml.safe_load(path.read_text())
    assert key in settings and settings[key] != value
    with changed_file(path, yaml.safe_dump(settings | {key: value})):
        yield


def test_a_lock_of_the_code_as_it_is_leaves_nothing_to_run(project: Path) -> None:
    assert changed_stages(project) == set()


def test_a_change_in_how_queries_are_parsed_runs_no_training_encoding_or_calibration(project: Path) -> None:
    file = project / QUERY_PARSING
    with changed_file(file, file.read_text() + "\n# a word\n"):
        assert changed_stages(project) == {"bundle"}


def test_a_setting_of_an_evaluation_runs_only_what_reads_it(project: Path) -> None:
    with changed_setting(project, "text_model.yaml", "hybrid_steps", 10):
        assert changed_stages(project) == {"evaluate_search"}
    with changed_setting(project, "index.yaml", "recall_queries", 50):
        assert changed_stages(project) == {"index"}


def test_a_setting_of_elsa_runs_the_recommenders_stages(project: Path) -> None:
    with changed_setting(project, "recommender.yaml", "dimensions", 32):
        # what they make goes on to the index, the weights and the bundle
        assert changed_stages(project) == {"elsa", "cold_start", "evaluate_recommender"}


def test_a_change_of_what_counts_as_liking_runs_all_that_read_it(project: Path) -> None:
    file = project / "components/catalogue/implicit_feedback.py"
    with changed_file(file, file.read_text() + "\n# a word\n"):
        found = changed_stages(project)
    assert found >= {"pairs", "elsa", "cold_start", "evaluate_recommender", "tune_weights", "bundle"}
    with changed_setting(project, "catalogue.yaml", "minimum_rating", 3.0):
        assert changed_stages(project) == {
            "pairs", "elsa", "cold_start", "evaluate_recommender", "tune_weights", "bundle",
        }  # fmt: skip
