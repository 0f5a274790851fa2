"""The nightly run: bring every stage of the graph up to date, judge the bundle, publish it."""

import time
from collections.abc import Sequence
from pathlib import Path
from threading import BoundedSemaphore
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run as present
from prefect.states import Completed
from prefect.tasks import exponential_backoff
from pydantic import Field

from components.core.errors import TandemError
from flows.promote.lineage import output_of
from flows.promote.publish import STAGE as BUNDLE
from flows.promote.publish import PublishOutcome, publish
from flows.promote.registry import Registry, prepare_tracking
from flows.run import drift_check, dvc_lock_backup, prefect_artifacts
from flows.run.crash_recovery import crash_last, end_abandoned, free_locks, remember
from flows.run.dvc_runner import StageError, StageResult, reproduce
from flows.run.graph import StageNode, read_graph, select
from flows.run.notify import notify
from flows.run.progress import ProgressTable
from flows.run.run_lock import WORK, RunError, alone
from flows.serve import take_told
from flows.settings import NightlySettings

SETTINGS = Path("conf/nightly.yaml")
Names = Annotated[list[str], Field(description="Names of stages or of rooms, such as encode or recommender")]
Minutes = Annotated[float, Field(ge=0, description="How long to wait for another run in the same folder")]


class NightlyRun:
    """One run under way: where it works, how many stages at once, and what became of each of them."""

    def __init__(self, root: Path, settings: NightlySettings, progress: ProgressTable) -> None:
        self.root, self.settings, self.progress = root, settings, progress
        self.places = BoundedSemaphore(settings.parallel_stages)
        self.results: dict[str, StageResult] = {}

    def bring_up_to_date(self, node: StageNode) -> State[str]:
        """Reproduce a stage if it or one that it waits for has changed; the state's name says which it was."""
        if not node.reasons and not any(self._renewed(name) for name in node.needs):
            self._end(StageResult(node.name, "cached", 0.0))
            return Completed(name="Cached", message="unchanged since its last run", data="cached")
        with self.places:
            self.progress.start(node.name)
            try:
                result = reproduce(
                    node.name,
                    self.root,
                    log=self.root / WORK / "logs" / f"{node.name}.log",
                    minutes=self.settings.stage_minutes_of.get(node.name, self.settings.stage_minutes),
                    show=lambda line: self.progress.show(node.name, line),
                )
            except StageError:
                self.progress.end(node.name, "failed", 0.0)
                raise
        self._end(result)
        return Completed(name="Completed" if result.state == "ran" else "Cached", data=result.state)

    def _renewed(self, name: str) -> bool:
        return name in self.results and self.results[name].state != "cached"

    def _end(self, result: StageResult) -> None:
        self.progress.end(result.name, result.state, result.seconds)
        self.results[result.name] = result
        if result.state != "cached":
            dvc_lock_backup.keep(self.root)


def tell(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Notify of a run that published, or did not end well."""
    settings = NightlySettings.read(Path(flow_run.parameters["root"]) / SETTINGS)
    if not state.is_completed():
        ended = state.type.value.lower()
        notify(settings.notify, f"Tandem: {flow_run.name} {ended}", state.message or ended)
        return
    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, PublishOutcome) and outcome.published:
        champion = f"{settings.registered_model}@champion is version {outcome.version}"
        notify(settings.notify, f"Tandem: {champion}", outcome.reason)


@flow(name="nightly", on_completion=[tell], on_failure=[tell], on_crashed=[tell], on_cancellation=[tell])
def nightly(
    root: Path = Path(),
    publishing: bool = True,
    only: Names | None = None,
    onward: Names | None = None,
    wait_minutes: Minutes = 0,
) -> PublishOutcome | None:
    """Run what has changed since the last run, then judge and publish the bundle.

    Args:
        root: The project's folder.
        publishing: Judge and publish the bundle if its stage is among those asked for.
        only: Run only these stages, with what they need as it lies there.
        onward: Run these stages and all that hang on them.
        wait_minutes: How long to wait for another run in the same folder before leaving with a message.

    Raises RunError where another run is on or a stage fails, RegistryError where MLflow does not answer, FeedError
    where the data are not to be trained on; the champion stays as it was.
    """
    root = root.resolve()
    settings = NightlySettings.read(root / SETTINGS)
    with alone(root, wait_minutes):
        _tidy(root, settings)
        prepare_tracking(root)
        take_told(root)
        graph = read_graph(root)
        chosen = select(graph, only or (), onward or ())
        run_stages(root, settings, graph, chosen)
        if BUNDLE not in {node.name for node in chosen}:
            return None
        return publish_bundle(root, settings) if publishing else None


def _tidy(root: Path, settings: NightlySettings) -> None:
    """End what a killed run left behind, and take note of this one."""
    end_abandoned(root)
    free_locks(root)
    dvc_lock_backup.mend(root)
    dvc_lock_backup.keep(root)
    crashed = crash_last(root)
    if crashed is not None:
        notify(settings.notify, f"Tandem: {crashed} crashed", "Its process was killed; a new run goes on.")
    remember(root, UUID(str(present.id)))


def run_stages(
    root: Path, settings: NightlySettings, graph: Sequence[StageNode], chosen: Sequence[StageNode]
) -> None:
    """Run each stage as a task named after it, as soon as those that it waits for have ended.

    What is trained on the catalogue waits for its feed to be judged too.
    Raises RunError with what each failed stage printed; stages that do not wait for a failed one still run.
    """
    started = time.time()
    futures: dict[str, PrefectFuture[Any]] = {}
    with ProgressTable(list(chosen), settings.heartbeat_seconds) as progress:
        run = NightlyRun(root, settings, progress)
        for node in chosen:
            needed = [futures[name] for name in node.needs if name in futures]
            if drift_check.STAGE in node.needs:
                needed.append(_judged(futures, root, settings, graph))
            futures[node.name] = _task(node, settings)(run.bring_up_to_date).submit(node, wait_for=needed)
        faults = {name: _fault(future) for name, future in futures.items()}
    prefect_artifacts.show_stages(chosen, run.results, faults, started)
    prefect_artifacts.show_plots(root, chosen, run.results)
    _raise_for(faults)


def _task(node: StageNode, settings: NightlySettings) -> Any:
    return task(
        name=node.name,
        description=node.description,
        task_run_name=node.name,
        cache_policy=NO_CACHE,
        retries=settings.retries,
        retry_delay_seconds=exponential_backoff(settings.retry_seconds),
        retry_condition_fn=_may_pass,
    )


def _may_pass(_task: Any, _run: Any, state: State[Any]) -> bool:
    fault = state.result(raise_on_failure=False)
    return isinstance(fault, StageError) and fault.may_pass


def _judged(
    futures: dict[str, PrefectFuture[Any]], root: Path, settings: NightlySettings, graph: Sequence[StageNode]
) -> PrefectFuture[Any]:
    """The one task that judges the feed, submitted when the first stage asks for it."""
    if "feed" not in futures:
        after = [futures[drift_check.STAGE]] if drift_check.STAGE in futures else []
        judging: Any = task(name="feed", task_run_name="feed", cache_policy=NO_CACHE)(drift_check.check_feed)
        registry = Registry(settings.registered_model, root)
        futures["feed"] = judging.submit(root, list(graph), registry, wait_for=after)
    return futures["feed"]


def _raise_for(faults: dict[str, Exception | None]) -> None:
    """Raise RunError with what went wrong, if anything did; a fault that a person can mend speaks for itself."""
    failed = [
        f"Stage {name} failed:\n{fault}" for name, fault in faults.items() if isinstance(fault, StageError)
    ]
    if failed:
        raise RunError(
            "\n\n".join([*failed, "Mend what is named, then run again: finished stages are kept."])
        )
    for name, fault in faults.items():
        if isinstance(fault, TandemError):
            raise fault
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
def publish_bundle(root: Path, settings: NightlySettings) -> PublishOutcome:
    """Judge the bundle, publish it if it may be, and leave the gate's figures in Prefect's page of the run."""
    prefect_artifacts.show_metrics(output_of(root, BUNDLE), Registry(settings.registered_model, root))
    outcome = publish(root, settings)
    if outcome.verdict is not None:
        create_table_artifact(
            [vars(line) for line in outcome.verdict.lines], key="gate", description=outcome.reason
        )
    return outcome
