"""dvc.yaml names what each stage reads, no more and no less; a change runs again only what it touches."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.graph_inputs import GRAPH, ROOT, RUNNING, modules_read_by, settings_read_by

QUERY_PARSING = "components/query_model/prices.py"
MODELS = {"finetune", "export", "encode", "ethics", "elsa", "cold_start"}


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
    assert all((ROOT / name).is_file() for name in RUNNING)


def changed_stages(folder: Path) -> set[str]:
    """Stages whose own code or settings differ from what dvc.lock has, as `dvc status` says."""
    command = [sys.executable, "-m", "dvc", "status", "--json", *GRAPH]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    found = set()
    for stage, changes in yaml.safe_load(printed).items():
        told = [change for change in changes if isinstance(change, dict) and "changed deps" in change]
        paths = {path for change in told for path in change["changed deps"]}
        if any(
            path.startswith(("components/", "conf/")) and path.endswith((".py", ".yaml")) for path in paths
        ):
            found.add(stage)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The graph with its code and settings, and a lock that has them as they are; nothing was run."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "components", "conf", "examples", "dvc.yaml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listing:
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for command in (["init", "--no-scm", "-q"], ["commit", "-f", "-q"]):
        subprocess.run(
            [sys.executable, "-m", "dvc", *command], cwd=tmp_path, capture_output=True, check=False
        )
    return tmp_path


def change_setting(project: Path, file: str, key: str, value: object) -> None:
    path = project / "conf" / file
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {key: value}))
