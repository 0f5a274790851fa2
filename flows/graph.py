"""The graph as DVC reads it from dvc.yaml: which stages there are, what each waits for, which have changed."""

from dataclasses import dataclass
from pathlib import Path

import networkx
from dvc.exceptions import DvcException
from dvc.repo import Repo

from components.stage import TandemError


class GraphError(TandemError):
    """A dvc.yaml, or a workspace, from which no graph can be read."""


@dataclass(frozen=True)
class Node:
    """One stage: its name, what it does, the stages it waits for, and why it would run (empty: it would not)."""

    name: str
    description: str
    needs: tuple[str, ...]
    reasons: tuple[str, ...]


def read_graph(root: Path) -> list[Node]:
    """Read the stages in the order of the data's way.

    Raises GraphError where dvc.yaml is missing or cannot be read.
    """
    if not (root / "dvc.yaml").is_file():
        raise GraphError(f"{root} holds no dvc.yaml. Run the command in the folder of the project.")
    try:
        with Repo(str(root)) as repo:
            changed = repo.status()
            graph = repo.index.graph
            order = {stage.name: place for place, stage in enumerate(repo.index.stages)}
            names = networkx.lexicographical_topological_sort(graph.reverse(), key=lambda s: order[s.name])
            return [
                Node(
                    name=stage.name,
                    description=stage.desc or "",
                    needs=tuple(needed.name for needed in graph.successors(stage)),
                    reasons=tuple(_reasons(changed.get(stage.addressing, []))),
                )
                for stage in names
            ]
    except DvcException as fault:
        raise GraphError(
            f"DVC cannot read the project in {root}: {fault}. Mend what it names, then run again."
        ) from fault


def _reasons(changes: list[object]) -> list[str]:
    """DVC's status of one stage as short sentences."""
    reasons = []
    for change in changes:
        if isinstance(change, str):
            reasons.append(change)
        elif isinstance(change, dict):
            for kind, paths in change.items():
                reasons += [
                    f"{kind.replace('changed ', '')} {path}: {state}" for path, state in dict(paths).items()
                ]
    return reasons
