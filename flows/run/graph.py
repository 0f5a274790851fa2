"""Read the graph of dvc.yaml through DVC: its stages, what each waits for, and which have changed."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from typing import Any

import networkx
from dvc.exceptions import DvcException
from dvc.repo import Repo

from components.core.errors import TandemError

MODULE = re.compile(r"-m components\.(\w+)\.(\w+)")


class GraphError(TandemError):
    """A dvc.yaml, or a workspace, from which no graph can be read."""


@dataclass(frozen=True)
class StagePlot:
    """A plot of dvc.yaml: a table's path, the columns of its axes, and whether it is a chart of horizontal bars."""

    path: str
    x: str
    y: str
    title: str
    bars: bool


@dataclass(frozen=True)
class StageNode:
    """One stage: its name, what it does, the stages it waits for, and why it would run (empty: it would not).

    module: the package and the module of its command, such as recommender.train; empty if it has none.
    arguments: the paths that its command is given. outputs: the paths that it writes, in the order of dvc.yaml.
    unfinished: how much work its report says it left for another run, such as requests beyond a night's budget.
    """

    name: str
    description: str
    needs: tuple[str, ...]
    reasons: tuple[str, ...]
    module: str = ""
    arguments: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    plots: tuple[StagePlot, ...] = ()
    unfinished: int = 0

    @property
    def package(self) -> str:
        """The folder of `components/` that its command comes from."""
        return self.module.partition(".")[0]


def read_graph(root: Path) -> list[StageNode]:
    """Return the stages in the order in which data pass through them.

    Raises GraphError if dvc.yaml is missing or cannot be read.
    """
    if not (root / "dvc.yaml").is_file():
        raise GraphError(f"{root} holds no dvc.yaml. Run the command in the folder of the project.")
    try:
        with Repo(str(root)) as repo:
            changes, graph = repo.status(), repo.index.graph
            # Among stages that could come next, dvc.yaml's own order decides, so that every run shows the same one.
            names = [*map(attrgetter("name"), repo.index.stages)]
            order = networkx.lexicographical_topological_sort(
                graph.reverse(), key=lambda stage: names.index(stage.name)
            )
            nodes = []
            for stage in order:
                changed = changes.get(stage.addressing, [])
                nodes.append(_read_node(stage, needed=graph.successors(stage), changes=changed))
            return nodes
    except DvcException as error:
        raise GraphError(
            f"DVC cannot read the project in {root}: {error}. Correct what it names, then run again."
        ) from error


def _read_node(stage: Any, needed: Iterable[Any], changes: list[object]) -> StageNode:
    command = stage.cmd or ""
    module, unfinished = MODULE.search(command), _count_unfinished(stage)
    reasons = _list_reasons(changes)
    if unfinished:
        reasons.append(f"{unfinished} left over from its last run")
    return StageNode(
        stage.name,
        stage.desc or "",
        needs=tuple(map(attrgetter("name"), needed)),
        reasons=tuple(reasons),
        module=".".join(module.groups()) if module else "",
        arguments=tuple(command[module.end() :].split()) if module else (),
        unfinished=unfinished,
        outputs=tuple(str(out.def_path) for out in stage.outs),
        plots=tuple(_read_plot(out) for out in stage.outs if out.plot),
    )


def _count_unfinished(stage: Any) -> int:
    """Return what a stage's metrics say that it left for another run."""
    total = 0
    for out in stage.outs:
        file = Path(out.fs_path)
        if out.metric and file.suffix == ".json" and file.is_file():
            total += int(json.loads(file.read_text()).get("unfinished", 0))
    return total


def _read_plot(out: Any) -> StagePlot:
    # `true` if dvc.yaml says no more than that it is a plot
    shown = out.plot if isinstance(out.plot, dict) else {}
    bars = str(shown.get("template", "")).startswith("bar_horizontal")
    x, y, title = shown.get("x", ""), shown.get("y", ""), shown.get("title", "")
    return StagePlot(str(out.def_path), x, y=y, title=title, bars=bars)


def select_stages(
    graph: Sequence[StageNode], only: Iterable[str] = (), onward: Iterable[str] = ()
) -> list[StageNode]:
    """Return the selected stages, in order: those of `only`, and those of `onward` with all that depend on them.

    Each name is a stage's or a package's; without any name every stage is selected.
    Raises GraphError naming the nearest stage or package if there is none of that name.
    """
    chosen, first = _find_named(graph, only), _find_named(graph, onward)
    if not chosen and not first:
        return list(graph)
    for node in graph:  # in the graph's order, so that one pass reaches everything downstream
        if node.name in first or first.intersection(node.needs):
            first.add(node.name)
    return [node for node in graph if node.name in chosen | first]


def explain_changes(nodes: Sequence[StageNode]) -> dict[str, tuple[str, ...]]:
    """Return why each stage would run: its own changes, or a stage before it that would run; empty: it would not."""
    reasons: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        waiting = ", ".join(filter(reasons.get, node.needs))
        # "if": DVC compares the hashes of inputs, and a stage that runs may write the same bytes again.
        after = (f"if {waiting} gives something new",) if waiting else ()
        reasons[node.name] = node.reasons or after
    return reasons


def _find_named(graph: Sequence[StageNode], names: Iterable[str]) -> set[str]:
    """Return the names of the stages that each name, of a stage or of a package, stands for."""
    selected: set[str] = set()
    for name in names:
        matching = {node.name for node in graph if name in (node.name, node.package)}
        if not matching:
            known = {*map(attrgetter("name"), graph), *map(attrgetter("package"), graph)}
            known.discard("")  # the package of a stage whose command is no module of ours
            near = get_close_matches(name, sorted(known), n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}."
            raise GraphError(f"{name} is neither a stage nor a package of the graph. {hint}")
        selected |= matching
    return selected


def _list_reasons(changes: list[object]) -> list[str]:
    """Return DVC's status of one stage as short sentences: what has changed, and how."""
    reasons = []
    for change in changes:
        if isinstance(change, str):  # such as "always changed" and "changed command"
            reasons.append(change)
        for paths in change.values() if isinstance(change, dict) else ():
            for path, state in dict(paths).items():
                # Of a settings file DVC gives a state per key, of other files one state.
                keys = state if isinstance(state, dict) else {"": state}
                reasons += [f"{path}{key and f', {key}'}: {how}" for key, how in keys.items()]
    return reasons
