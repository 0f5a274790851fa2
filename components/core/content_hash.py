"""Hash what files and folders contain, and the code that a module runs."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def hash_file(file: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_paths(paths: Iterable[Path]) -> str:
    """Return a SHA-256 over the content of files and folders; the order and the names of the paths do not matter."""
    return hashlib.sha256("".join(sorted(_hash_path(path) for path in paths)).encode()).hexdigest()


def _hash_path(path: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            total.update(bytes.fromhex(hash_file(file)))
            total.update(str(file.relative_to(path)).encode())
    return total.hexdigest()


def hash_modules(*modules: str) -> str:
    """Return a SHA-256 over the source of modules, given by their dotted names."""
    return hash_paths(_source_of(module) for module in modules)


def hash_imports(*modules: str) -> str:
    """Return a SHA-256 over the source of modules and of all modules of the components that they import.

    `components.core` is left out: a change of a progress bar or of an error message there keeps what is cached.
    """
    found: set[Path] = set()
    for module in modules:
        found |= _imported_sources(_source_of(module))
    return hash_paths(found)


def _imported_sources(file: Path) -> set[Path]:
    """Source files that a file's code needs, itself included."""
    found, waiting = {file}, [file]
    while waiting:
        new = _direct_imports(waiting.pop()) - found
        found |= new
        waiting += new
    return found


@cache
def _direct_imports(file: Path) -> frozenset[Path]:
    sources = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("components."):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            sources |= {source for name in [node.module, *names] if (source := _source_of(name)).is_file()}
    return frozenset(source for source in sources if source.parent.name != "core")


def _source_of(module: str) -> Path:
    return PROJECT / f"{module.replace('.', '/')}.py"
