"""The nightly run: bring every stage of the graph up to date, validate the bundle, publish it."""

import time
from collections.abc import Sequence
from operator import attrgetter
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
from flows.promote.lineage import find_output
from flows.promote.publish import STAGE as BUNDLE
from flows.promote.publish import PublishOutcome, publish_candidate
from flows.promote.registry import Registry, prepare_tracking
from flows.run import drift_check, dvc_lock_backup, prefect_artifacts
from flows.run.crash_recovery import end_abandoned, free_locks, mark_last_crashed, remember_run
from flows.run.dvc_runner import StageError, StageResult, run_stage
from flows.run.graph import StageNode, read_graph, select_stages
from flows.run.notify import send_notification
from flows.run.progress import ProgressTable
from flows.run.run_lock import WORK, RunError, lock_folder
from flows.serve import export_recorded_changes
from flows.settings import NightlySettings

Names = Annotated[
    list[str], Field(description="Names of stages or of packages, such as encode or recommender")
]
Minutes = Annotated[float, Field(ge=0, description="How long to wait for another run in the same folder")]


class NightlyRun:
    """The state of one run: its folder and settings, how many stages run at once, and the result of each."""

    def __init__(self, root: Path, settings: NightlySettings, progress: ProgressTable) -> None:
        self.root, self.settings, self.progress = root, settings, progress
        # Taken only while a stage runs, so that unchanged stages wait for none.
        self.slots = BoundedSemaphore(settings.parallel_stages)
        self.results: dict[str, StageResult] = {}

    def bring_up_to_date(self, node: StageNode) -> State[str]:
        """Run a stage if it or one that it waits for has changed; the state's name says whether it ran."""
        # Without asking DVC again, whose process takes about a second to start.
        if not node.reasons and not any(map(self._was_renewed, node.needs)):
            self._record_result(StageResult(node.name, "cached", 0.0))
            return Completed(name="Cached", message="unchanged since its last run", data="cached")
        with self.slots:
            self.progress.start_stage(node.name)
            try:
                result = run_stage(
                    node.name,
                    self.root,
                    log=self.root / WORK / "logs" / f"{node.name}.log",
                    minutes=self.settings.stage_minutes_of.get(node.name, self.settings.stage_minutes),
                    show=lambda line: self.progress.show_line(node.name, line),
                    force=node.unfinished > 0,
                )
            except StageError:
                self.progress.end_stage(node.name, "failed", 0.0)
                raise
        self._record_result(result)
        return Completed(name="Completed" if result.state == "ran" else "Cached", data=result.state)

    def _was_renewed(self, name: str) -> bool:
        return name in self.results and self.results[name].state != "cached"

    def _record_result(self, result: StageResult) -> None:
        self.progress.end_stage(result.name, result.state, result.seconds)
        self.results[result.name] = result
        if result.state != "cached":
            dvc_lock_backup.back_up_lock(self.root)


def notify_outcome(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Send a notification of a run that published, or did not end well."""
    settings = NightlySettings.read_in(Path(flow_run.parameters["root"]))
    if not state.is_completed():
        ended = state.type.value.lower()
        send_notification(settings.notify, f"Tandem: {flow_run.name} {ended}", state.message or ended)
        return
    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, PublishOutcome) and outcome.published:
        champion = f"{settings.registered_model}@champion is version {outcome.version}"
        send_notification(settings.notify, f"Tandem: {champion}", outcome.reason)


@flow(
    name="nightly",
    on_completion=[notify_outcome],
    on_failure=[notify_outcome],
    on_crashed=[notify_outcome],
    on_cancellation=[notify_outcome],
)
def nightly(
    root: Path = Path(),
    publishing: bool = True,
    only: Names | None = None,
    onward: Names | None = None,
    wait_minutes: Minutes = 0,
) -> PublishOutcome | None:
    """Run what has changed since the last run, then validate and publish the bundle.

    Args:
        root: The project's folder.
        publishing: Validate and publish the bundle if its stage is among those selected.
        only: Run only these stages, with their inputs as they are.
        onward: Run these stages and all that depend on them.
        wait_minutes: How long to wait for another run in the same folder before leaving with a message.

    Raises RunError if another run is active or a stage fails, RegistryError if MLflow does not answer, DriftError if
    the feed has drifted too far; the champion stays as it was.
    """
    root = root.resolve()
    settings = NightlySettings.read_in(root)
    with lock_folder(root, wait_minutes):
        _recover_from_crash(root, settings)
        prepare_tracking(root)
        export_recorded_changes(root)  # before the graph is read: they are an input of its first stages
        graph = read_graph(root)
        chosen = select_stages(graph, only or (), onward or ())
        run_stages(root, settings, graph, chosen)
        if BUNDLE not in map(attrgetter("name"), chosen):
            return None
        return publish_bundle(root, settings) if publishing else None


def _recover_from_crash(root: Path, settings: NightlySettings) -> None:
    """Clean up what a killed run left behind, and record this run."""
    end_abandoned(root)
    free_locks(root)
    dvc_lock_backup.restore_lock(root)
    dvc_lock_backup.back_up_lock(root)
    crashed = mark_last_crashed(root)
    if crashed is not None:
        send_notification(
            settings.notify, f"Tandem: {crashed} crashed", "Its process was killed; a new run goes on."
        )
    remember_run(root, UUID(str(present.id)))


def run_stages(
    root: Path, settings: NightlySettings, graph: Sequence[StageNode], chosen: Sequence[StageNode]
) -> None:
    """Run each stage as a task named after it, as soon as those that it waits for have ended.

    What is trained on the catalogue waits for the drift check too.
    Raises RunError with what each failed stage printed; stages that do not wait for a failed one still run.
    """
    started = time.time()
    futures: dict[str, PrefectFuture[Any]] = {}
    with ProgressTable(list(chosen), settings.heartbeat_seconds) as progress:
        run = NightlyRun(root, settings, progress)
        for node in chosen:
            needed = [futures[name] for name in node.needs if name in futures]
            if drift_check.STAGE in node.needs:
                needed.append(_submit_drift_check(futures, root, settings=settings, graph=graph))
            futures[node.name] = _make_task(node, settings)(run.bring_up_to_date).submit(
                node, wait_for=needed
            )
        errors = {name: _find_error(future) for name, future in futures.items()}
    # Before the errors are raised: a failed run's page is the one that is looked at.
    prefect_artifacts.show_stages(chosen, run.results, errors=errors, started=started)
    prefect_artifacts.show_plots(root, chosen, run.results)
    _raise_errors(errors)


def _make_task(node: StageNode, settings: NightlySettings) -> Any:
    # Without tags: each of them is a question to the API, and 24 up-to-date stages then took 22.8 s, not 11.9 s.
    return task(
        name=node.name,
        description=node.description,
        task_run_name=node.name,
        cache_policy=NO_CACHE,  # DVC knows what is up to date
        retries=settings.retries,
        retry_delay_seconds=exponential_backoff(settings.retry_seconds),
        retry_condition_fn=_is_transient,
    )


def _is_transient(_task: Any, _run: Any, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, StageError) and error.is_transient


def _submit_drift_check(
    futures: dict[str, PrefectFuture[Any]], root: Path, settings: NightlySettings, graph: Sequence[StageNode]
) -> PrefectFuture[Any]:
    """Return the one task that checks the feed for drift, submitted when the first stage needs it."""
    if "feed" not in futures:
        after = [futures[drift_check.STAGE]] if drift_check.STAGE in futures else []
        check: Any = task(name="feed", task_run_name="feed", cache_policy=NO_CACHE)(drift_check.check_feed)
        registry = Registry(settings.registered_model, root)
        futures["feed"] = check.submit(root, list(graph), registry, wait_for=after)
    return futures["feed"]


def _raise_errors(errors: dict[str, Exception | None]) -> None:
    """Raise RunError with the errors of all stages, if there are any; a TandemError is raised as it is."""
    failed = []
    for name, error in errors.items():
        if isinstance(error, StageError):
            failed.append(f"Stage {name} failed:\n{error}\n\n")
    if failed:
        raise RunError(f"{''.join(failed)}Correct what is named, then run again: finished stages are kept.")
    # Only now: a stage that could not run since another failed is no news beside that one.
    for name, error in errors.items():
        if isinstance(error, TandemError):
            raise error
        if error is not None:
            raise RunError(f"Stage {name} could not run: {error}")


def _find_error(future: PrefectFuture[Any]) -> Exception | None:
    future.wait()
    if future.state.is_completed():
        return None
    if not future.state.is_final():
        return RuntimeError("a stage that it waits for has failed")
    error = future.state.result(raise_on_failure=False)
    if isinstance(error, Exception):
        return error
    return RuntimeError(future.state.message or future.state.name)


@task(name="publish", task_run_name="publish", cache_policy=NO_CACHE)
def publish_bundle(root: Path, settings: NightlySettings) -> PublishOutcome:
    """Validate and publish the bundle, and show the gate's figures in Prefect's page of the run."""
    prefect_artifacts.show_metrics(find_output(root, BUNDLE), Registry(settings.registered_model, root))
    outcome = publish_candidate(root, settings)
    if outcome.verdict is not None:
        rows = [*map(vars, outcome.verdict.lines)]
        create_table_artifact(rows, key="gate", description=outcome.reason)
    return outcome
