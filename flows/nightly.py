"""The nightly run: bring every stage of the graph up to date, judge the bundle, publish it."""

from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import filelock
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed

from components.stage import TandemError
from flows.graph import Node, read_graph
from flows.progress import Progress
from flows.publish import Outcome, publish
from flows.registry import prepare_tracking
from flows.service import take_told
from flows.settings import NightlySettings
from flows.stages import StageError, end_abandoned, reproduce

SETTINGS = Path("conf/nightly.yaml")
WORK = Path(".tandem")


class RunError(TandemError):
    """A run that could not start or did not end well."""


class Run:
    """One run under way: where it works, how many stages at once, and which of them made something new."""

    def __init__(self, root: Path, settings: NightlySettings, progress: Progress) -> None:
        self.root, self.progress = root, progress
        self.places = BoundedSemaphore(settings.parallel_stages)
        self.renewed: set[str] = set()

    def bring_up_to_date(self, node: Node) -> State[str]:
        """Reproduce a stage if it or one that it waits for has changed; the state's name says which it was."""
        if not node.reasons and not self.renewed.intersection(node.needs):
            self.progress.end(node.name, "cached", 0.0)
            return Completed(name="Cached", message="unchanged since its last run", data="cached")
        with self.places:
            self.progress.start(node.name)
            log = self.root / WORK / "logs" / f"{node.name}.log"
            try:
                result = reproduce(
                    node.name, self.root, log, lambda line: self.progress.show(node.name, line)
                )
            except StageError:
                self.progress.end(node.name, "failed", 0.0)
                raise
        self.progress.end(node.name, result.state, result.seconds)
        if result.state != "cached":
            self.renewed.add(node.name)
        return Completed(name="Completed" if result.state == "ran" else "Cached", data=result.state)


@flow(name="nightly")
def nightly(root: Path = Path(), publishing: bool = True) -> Outcome | None:
    """Run what has changed since the last run, then judge and publish the bundle.

    root: the project's folder. publishing: False stops after the stages.
    Raises RunError where another run is on or a stage fails, RegistryError where MLflow does not answer; the
    champion stays as it was.
    """
    root = root.resolve()
    settings = NightlySettings.read(root / SETTINGS)
    lock = filelock.FileLock(root / WORK / "run.lock")
    (root / WORK).mkdir(exist_ok=True)
    try:
        held = lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RunError(f"Another run is on in {root}. Wait for its end, then run again.") from None
    with held:
        end_abandoned(root)
        prepare_tracking(root)
        take_told(root)
        run_stages(root, settings)
        return publish_bundle(root, settings) if publishing else None


def run_stages(root: Path, settings: NightlySettings) -> None:
    """Run each stage as a task named after it, as soon as those that it waits for have ended.

    Raises RunError with what each failed stage printed; stages that do not wait for a failed one still run.
    """
    graph = read_graph(root)
    futures: dict[str, PrefectFuture[Any]] = {}
    with Progress(graph, settings.heartbeat_seconds) as progress:
        run = Run(root, settings, progress)
        for node in graph:
            as_task = task(
                name=node.name, description=node.description, task_run_name=node.name, cache_policy=NO_CACHE
            )
            needed = [futures[name] for name in node.needs]
            futures[node.name] = as_task(run.bring_up_to_date).submit(node, wait_for=needed)  # type: ignore[call-overload]
        faults = {name: _fault(future) for name, future in futures.items()}
    failed = [
        f"Stage {name} failed:\n{fault}" for name, fault in faults.items() if isinstance(fault, StageError)
    ]
    if failed:
        raise RunError(
            "\n\n".join([*failed, "Mend what is named, then run again: finished stages are kept."])
        )
    for name, fault in faults.items():
        if fault is not None:
            raise RunError(f"Stage {name} could not run: {fault}")


def _fault(future: PrefectFuture[Any]) -> Exception | None:
    future.wait()
    if future.state.is_completed():
        return None
    if not future.state.is_final():
        return RuntimeError("a stage that it waits for has failed")
    result = future.state.result(raise_on_failure=False)
    return (
        result if isinstance(result, Exception) else RuntimeError(future.state.message or future.state.name)
    )


@task(name="publish", task_run_name="publish", cache_policy=NO_CACHE)
def publish_bundle(root: Path, settings: NightlySettings) -> Outcome:
    """Judge the bundle, publish it if it may be, and leave the gate's figures in Prefect's page of the run."""
    outcome = publish(root, settings)
    if outcome.verdict is not None:
        create_table_artifact(
            [vars(line) for line in outcome.verdict.lines], key="gate", description=outcome.reason
        )
    return outcome
