"""The house's own rules, held by looking at its files."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.graph_inputs import GRAPH, ROOT

# What a stage may find from earlier runs: results are the same without it, but for the answers that were paid for
KEPT = (".tandem/parts/", ".tandem/enrichment")
PATH = re.compile(r"""(?<![\w/.$\{-])(?:data|examples)/[\w./-]+""")


def sources(*folders: str) -> list[Path]:
    files = [file for folder in folders for file in (ROOT / folder).rglob("*")]
    return [file for file in files if file.suffix in {".py", ".yaml", ".html", ".js", ".toml"}]


def paths_of(stage: dict[str, object]) -> set[str]:
    entries = [entry for kind in ("deps", "outs", "metrics", "plots") for entry in stage.get(kind, [])]  # type: ignore[attr-defined]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


@pytest.mark.parametrize(
    "file", sources("components", "flows", "conf"), ids=lambda f: str(f.relative_to(ROOT))
)
def test_every_path_of_the_graph_is_written_in_dvc_yaml_alone(file: Path) -> None:
    own_folder = re.compile(r"^folder: .*$", re.MULTILINE) if file.name == "catalogue.yaml" else None
    text = own_folder.sub("", file.read_text()) if own_folder else file.read_text()
    assert PATH.findall(text) == []


@pytest.mark.parametrize("name", GRAPH)
def test_a_stages_command_names_a_module_and_only_paths_that_its_entry_declares(name: str) -> None:
    stage = GRAPH[name]
    command = stage["cmd"].split()
    assert command[:2] == ["python", "-m"]
    assert (ROOT / (command[2].replace(".", "/") + ".py")).is_file()
    declared = paths_of(stage)
    for argument in command[3:]:
        within = any(path == argument or path.startswith(argument + "/") for path in declared)
        assert within or argument.startswith(KEPT), (
            f"{name} is given {argument}, which its entry does not declare"
        )


@pytest.mark.parametrize("name", GRAPH)
def test_every_stage_says_what_it_does(name: str) -> None:
    assert GRAPH[name]["desc"]


def test_the_lock_file_pins_every_dependency_within_the_projects_range() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {Requirement(line).name.lower().replace("_", "-"): Requirement(line) for line in lines}
    for requirement in map(Requirement, wanted):
        pin = pinned[requirement.name.lower().replace("_", "-")]
        version = next(iter(pin.specifier)).version
        assert requirement.specifier.contains(version, prereleases=True), f"{pin} is outside {requirement}"


def test_no_large_file_and_no_result_is_committed() -> None:
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    files = [ROOT / name for name in listing if name]
    assert not [file for file in files if file.is_file() and file.stat().st_size > 3_000_000]
    assert not [
        file
        for file in files
        if file.suffix in {".pkl", ".pt", ".pth", ".safetensors", ".mp4", ".h5", ".ann"}
    ]


def test_a_python_without_the_projects_packages_says_to_activate_the_environment() -> None:
    answer = subprocess.run(
        [sys.executable, "-S", "-m", "components.pinned_packages.fetch"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert "source .venv/bin/activate" in answer.stderr and "Traceback" not in answer.stderr
