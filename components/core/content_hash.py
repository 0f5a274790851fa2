"""Hashes of the content of files and folders, and of the code that a module runs."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[2]
# Modules of `components.core` that decide how and where a stage runs, not what it makes
RUNNING = frozenset(
    PROJECT / f"components/core/{name}.py"
    for name in (
        "atomic_write", "cluster", "compute", "content_cache", "content_hash", "distributed", "errors", "settings",
        "stage", "tracking", "transient_errors",
    )
)  # fmt: skip


def hash_file(file: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_paths(paths: Iterable[Path]) -> str:
    """Return a SHA-256 over the content of files and folders; the order and the names of the paths do not matter."""
    return hashlib.sha256("".join(sorted(map(_hash_path, paths))).encode()).hexdigest()


def _hash_path(path: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            total.update(bytes.fromhex(hash_file(file)))
            # Relative names only: the same content has the same hash in every folder
            total.update(str(file.relative_to(path)).encode())
    return total.hexdigest()


def hash_modules(*modules: str) -> str:
    """Return a SHA-256 over the source of modules, given by their dotted names."""
    return hash_paths(map(_source_path, modules))


def hash_imports(*modules: str) -> str:
    """Return a SHA-256 over the source of modules and of what they import, as `imported_sources` finds it."""
    return hash_paths(imported_sources(*modules))


def imported_sources(*modules: str) -> set[Path]:
    """Return the source files of modules and of all modules of the components that they import.

    `RUNNING` is left out: a change of a progress bar or of an error message there keeps the cached results. So is an
    import that only a type checker sees.
    """
    sources = set(map(_source_path, modules))
    waiting = [*sources]
    while waiting:
        new = _direct_imports(waiting.pop()) - sources
        sources |= new
        waiting += new
    return sources


@cache
def _direct_imports(file: Path) -> frozenset[Path]:
    sources: set[Path] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("components."):
            # `from package import name` takes a module, or something that the package's file defines
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            sources.update(filter(Path.is_file, map(_source_path, names)))
    return frozenset(sources - RUNNING)


def _source_path(module: str) -> Path:
    return PROJECT / f"{module.replace('.', '/')}.py"
