"""The graph as DVC reads it from dvc.yaml: which stages there are, what each waits for, which have changed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import networkx
from dvc.exceptions import DvcException
from dvc.repo import Repo

from components.core.errors import TandemError

MODULE = re.compile(r"-m components\.(\w+)\.(\w+)")


class GraphError(TandemError):
    """A dvc.yaml, or a workspace, from which no graph can be read."""


@dataclass(frozen=True)
class StagePlot:
    """A plot of dvc.yaml: a table's path, which columns go along and up, and whether it is bars from the left."""

    path: str
    x: str
    y: str
    title: str
    bars: bool


@dataclass(frozen=True)
class StageNode:
    """One stage: its name, what it does, the stages it waits for, and why it would run (empty: it would not).

    module: the room and the module of its command, such as recommender.train; empty where it has none.
    outputs: the paths that it writes, in the order of dvc.yaml.
    """

    name: str
    description: str
    needs: tuple[str, ...]
    reasons: tuple[str, ...]
    module: str = ""
    outputs: tuple[str, ...] = ()
    plots: tuple[StagePlot, ...] = ()

    @property
    def room(self) -> str:
        """The folder of `components/` that its command comes from."""
        return self.module.partition(".")[0]


def read_graph(root: Path) -> list[StageNode]:
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
                StageNode(
                    name=stage.name,
                    description=stage.desc or "",
                    needs=tuple(needed.name for needed in graph.successors(stage)),
                    reasons=tuple(_reasons(changed.get(stage.addressing, []))),
                    module=".".join(found.groups()) if (found := MODULE.search(stage.cmd or "")) else "",
                    outputs=tuple(str(out.def_path) for out in stage.outs),
                    plots=tuple(_plot(str(out.def_path), out.plot) for out in stage.outs if out.plot),
                )
                for stage in names
            ]
    except DvcException as fault:
        raise GraphError(
            f"DVC cannot read the project in {root}: {fault}. Mend what it names, then run again."
        ) from fault


def _plot(path: str, given: object) -> StagePlot:
    shown = given if isinstance(given, dict) else {}
    bars = str(shown.get("template", "")).startswith("bar_horizontal")
    return StagePlot(path, shown.get("x", ""), shown.get("y", ""), shown.get("title", ""), bars)


def select(
    graph: Sequence[StageNode], only: Iterable[str] = (), onward: Iterable[str] = ()
) -> list[StageNode]:
    """The stages asked for, in order: those of `only`, and those of `onward` with all that hang on them.

    Each name is a stage's or a room's; where none is given, every stage is asked for.
    Raises GraphError naming the nearest stage or room where there is none of that name.
    """
    chosen, first = _named(graph, only), _named(graph, onward)
    if not chosen and not first:
        return list(graph)
    for node in graph:
        if node.name in first or first.intersection(node.needs):
            first.add(node.name)
    return [node for node in graph if node.name in chosen | first]


def why(nodes: Sequence[StageNode]) -> dict[str, tuple[str, ...]]:
    """Why each of these stages would run: its own changes, or a stage before it that would run; empty: it would not."""
    reasons: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        waiting = [name for name in node.needs if reasons.get(name)]
        after = (f"if {', '.join(waiting)} gives something new",) if waiting else ()
        reasons[node.name] = node.reasons or after
    return reasons


def _named(graph: Sequence[StageNode], names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for name in names:
        of_name = {node.name for node in graph if name in (node.name, node.room)}
        if not of_name:
            known = sorted({node.name for node in graph} | {node.room for node in graph if node.room})
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
            raise GraphError(f"{name} is neither a stage nor a room of the graph. {hint}")
        found |= of_name
    return found


def _reasons(changes: list[object]) -> list[str]:
    """DVC's status of one stage as short sentences: what has changed, and how."""
    reasons = []
    for change in changes:
        for paths in change.values() if isinstance(change, dict) else ():
            for path, state in dict(paths).items():
                keys = state if isinstance(state, dict) else {"": state}
                reasons += [f"{path}{key and f', {key}'}: {how}" for key, how in keys.items()]
        if isinstance(change, str):
            reasons.append(change)
    return reasons
