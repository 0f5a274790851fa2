"""What each stage of dvc.yaml reads: the modules that its code imports, and the settings that these modules use."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from components.core.content_hash import imported_sources

ROOT = Path(__file__).parents[1]
GRAPH: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def module_of(stage: str) -> str:
    """The dotted name of the module that a stage's command runs."""
    return str(GRAPH[stage]["cmd"].split()[2])


def source_of(stage: str) -> Path:
    """The source file of a stage's command."""
    return ROOT / f"{module_of(stage).replace('.', '/')}.py"


def modules_read_by(stage: str) -> set[str]:
    """Paths of the modules that decide what a stage makes, relative to the project."""
    return {str(file.relative_to(ROOT)) for file in imported_sources(module_of(stage))}


def settings_read_by(stage: str) -> dict[str, set[str]]:
    """Keys of settings that a stage's modules read, by the settings file; the seed is read by every stage."""
    used: dict[str, set[str]] = {}
    for name in modules_read_by(stage):
        for settings, keys in settings_used_in(ROOT / name).items():
            used.setdefault(settings, set()).update(keys)
    own, *others = settings_classes(source_of(stage))
    read = {conf_file_of(own): {"seed"} | used.get(own, set())}
    return read | {conf_file_of(other): used.get(other, set()) for other in others}


@cache
def settings_used_in(file: Path) -> dict[str, set[str]]:
    """Attributes of settings that a module reads, by the class of the settings; all fields where it dumps them."""
    tree = ast.parse(file.read_text())
    package = file.parent.name.replace("_", "")
    classes = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name.endswith("Settings") and alias.name != "Settings"
    ]
    classes.sort(key=lambda name: not name.lower().startswith(package))  # the package's own first
    in_keys = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "cache_key"
        for inner in ast.walk(node)
    }
    read: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not ast.unparse(node.value).endswith("settings"):
            continue
        if node.attr.startswith("model_dump") and id(node) not in in_keys:
            read.setdefault(classes[0], set()).update(fields_of(classes[0]))
        for name in classes:
            if node.attr in fields_of(name):
                read.setdefault(name, set()).add(node.attr)
    return read


@cache
def settings_classes(file: Path) -> list[str]:
    """The settings classes that a stage's `main` is given, its own first; how stages are run changes no output."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == "main":
            given = {arg.arg: ast.unparse(arg.annotation) for arg in node.args.args if arg.annotation}
            own = given.pop("settings")
            others = [
                name for name in given.values() if name.endswith("Settings") and name != "ComputeSettings"
            ]
            return [own, *others]
    raise AssertionError(f"{file} has no main with settings")


@cache
def settings_source(name: str) -> ast.ClassDef:
    for file in (ROOT / "components").rglob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node
    raise AssertionError(f"No class {name}")


def fields_of(name: str) -> set[str]:
    return {
        node.target.id
        for node in settings_source(name).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and not ast.unparse(node.annotation).startswith("ClassVar")
    }


def conf_file_of(name: str) -> str:
    for node in settings_source(name).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "conf_file":
            return f"conf/{ast.literal_eval(node.value)}"
    raise AssertionError(f"{name} has no conf_file")
