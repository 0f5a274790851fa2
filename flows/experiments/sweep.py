"""Search the settings of one stage: a trial is an MLflow run of its own, nested in the sweep's run.

A trial runs the stage's own command with its outputs redirected, so that the graph's outputs stay as they are.
"""

import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pandas as pd
import yaml
from dvc.repo import Repo
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from tqdm import tqdm

from components.core.errors import TandemError
from flows.promote.registry import use_tracking
from flows.run.crash_recovery import end_abandoned
from flows.run.dvc_runner import stage_environment
from flows.run.graph import read_graph
from flows.run.run_lock import lock_folder, mark_environment
from flows.settings import ChoiceParameter, SweepSettings, SweepSpace

STUDIES = Path(".tandem/sweeps.db")
POLL_SECONDS = 0.5
MAX_LINES_SHOWN = 15


class SweepError(TandemError):
    """A sweep that cannot be made."""


class TrialError(TandemError):
    """A trial that failed; the others go on."""


@dataclass(frozen=True)
class StageCommand:
    """A stage's command line, the files that it writes, its settings file, and the hashes of its inputs."""

    words: tuple[str, ...]
    outputs: frozenset[str]
    settings: Path
    inputs: dict[str, str]

    def redirect_outputs(self, scratch: Path, values: dict[str, Any], root: Path) -> list[str]:
        """Return the same command with its outputs in a scratch folder and other settings."""
        settings = yaml.safe_load((root / self.settings).read_text()) | values
        file = scratch / self.settings.name
        file.write_text(yaml.safe_dump(settings))
        words = [str(scratch / word) if word in self.outputs else word for word in self.words]
        return [*words, "--conf", str(file)]


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep: a row per trial, best first, and the best settings beside the present ones."""

    trials: pd.DataFrame
    best: dict[str, Any]
    now: dict[str, Any]
    settings: Path
    run_id: str


def sweep_stage(root: Path, stage: str, trials: int | None = None) -> Sweep:
    """Search a stage's settings by Optuna's tree-structured Parzen estimator, with median pruning.

    trials: how many in all; None: as in conf/sweep.yaml. A sweep that was killed goes on where it ended.
    Raises SweepError if conf/sweep.yaml has no such stage, its inputs are not up to date, or every trial fails;
    RunError if another run is active in the folder.
    """
    settings = SweepSettings.read_in(root)
    if stage not in settings.stages:
        known = ", ".join(settings.stages) or "none"
        raise SweepError(
            f"{SweepSettings.default_path()} has no search for {stage} (there are: {known}). Write one there."
        )
    use_tracking(root)
    search, command = settings.stages[stage], read_command(root, stage)
    now = yaml.safe_load((root / command.settings).read_text())
    if unknown := sorted(search.space.keys() - now.keys()):
        raise SweepError(
            f"{SweepSettings.default_path()}, {stage}: {command.settings} has no {', '.join(unknown)}. Correct the name."
        )
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = _open_study(root, stage, search=search, command=command, seed=settings.seed, now=now)
    work = SweepTrial(root, stage, command=command, search=search, parent=_start_parent_run(study, stage))
    n_ended = sum(trial.state.is_finished() for trial in study.trials)
    left = max(0, (trials or search.trials) - n_ended)
    # The folder's lock: a nightly run in the middle of a sweep would renew the inputs of its later trials.
    with lock_folder(root):
        end_abandoned(root)  # the trial of a sweep that was killed goes on without it
        study.optimize(work, n_trials=left, catch=(TrialError,), show_progress_bar=True)
    best = _find_best(study)
    rows = _tabulate_trials(study)
    _log_results(study, rows, work, settings=now | best.params)
    rows = rows.sort_values("value", ascending=search.better == "lower", ignore_index=True)
    return Sweep(
        rows,
        best.params,
        now={name: now[name] for name in search.space},
        settings=command.settings,
        run_id=work.parent,
    )


def read_command(root: Path, stage: str) -> StageCommand:
    """Return how dvc.yaml runs a stage.

    Raises SweepError if dvc.yaml has no such stage, or the stage waits for one that is not up to date.
    """
    graph = read_graph(root)
    if stage not in map(attrgetter("name"), graph):
        raise SweepError(f"dvc.yaml has no stage {stage}. See them with: tandem status")
    read, stale = {stage}, []
    for node in reversed(graph):  # backwards, so that each stage comes after those that read it
        if node.name in read:
            read.update(node.needs)
            if node.reasons and node.name != stage:
                stale.append(node.name)
    if stale:
        raise SweepError(
            f"What {stage} reads is not up to date ({', '.join(sorted(stale))}). Run first: tandem run"
        )
    with Repo(str(root)) as repo:
        found = next(item for item in repo.index.stages if item.name == stage)
        inputs = {str(dep.def_path): str(dep.hash_info.value) for dep in found.deps}
        return StageCommand(
            tuple(shlex.split(found.cmd)),
            frozenset(str(out.def_path) for out in found.outs),
            settings=next(Path(name) for name in inputs if name.endswith(".yaml")),
            inputs=inputs,
        )


@dataclass(frozen=True)
class SweepTrial:
    """The objective of one sweep: call it to run a trial."""

    root: Path
    stage: str
    command: StageCommand
    search: SweepSpace
    parent: str

    def __call__(self, trial: optuna.Trial) -> float:
        """Run a trial to its end, or until its metric lags behind, and return its best value."""
        values = {name: self._suggest_value(trial, name) for name in self.search.space}
        with tempfile.TemporaryDirectory() as scratch, (Path(scratch) / "log").open("w+") as log:
            line = self.command.redirect_outputs(Path(scratch), values, self.root)
            process = subprocess.Popen(
                line,
                cwd=self.root,
                env=self._build_environment(trial.number),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                self._watch_process(trial, process)
            finally:  # also after Ctrl-C, which otherwise leaves the trial training
                process.kill()
                process.wait()
            log.seek(0)
            printed = "\n".join(log.read().splitlines()[-MAX_LINES_SHOWN:])
        run = self._find_run(trial.number)
        if process.returncode or run is None:
            tqdm.write(f"Trial {trial.number} ({values}) failed:\n{printed}", file=sys.stderr)
            raise TrialError
        return self._find_best_value(run)

    def _suggest_value(self, trial: optuna.Trial, name: str) -> Any:
        tried = self.search.space[name]
        if isinstance(tried, ChoiceParameter):
            return trial.suggest_categorical(name, tried.choices)
        if isinstance(tried.low, int) and isinstance(tried.high, int):
            return trial.suggest_int(name, tried.low, tried.high, log=tried.log)
        return trial.suggest_float(name, tried.low, tried.high, log=tried.log)

    def _build_environment(self, number: int) -> dict[str, str]:
        """Return the environment of a trial: MLFLOW_RUN_CONTEXT nests the stage's run in the sweep's."""
        tags = {MLFLOW_PARENT_RUN_ID: self.parent, "sweep": self.parent, "trial": str(number)}
        own = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "MLFLOW_RUN_CONTEXT": json.dumps(tags)}
        return stage_environment() | mark_environment(self.root, self.stage) | own

    def _watch_process(self, trial: optuna.Trial, process: subprocess.Popen[bytes]) -> None:
        """Report each value to Optuna as it is logged, and stop the trial when Optuna prunes it."""
        last_step = -1
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            run = self._find_run(trial.number)
            for point in self._read_history(run) if run else []:
                if point.step > last_step:
                    trial.report(point.value, point.step)
                    last_step = point.step
            if run is not None and trial.should_prune():
                process.kill()
                process.wait()
                # The killed process cannot end its run itself: MLflow would show it as running for ever.
                MlflowClient().set_tag(run.info.run_id, "pruned", f"after step {last_step}")
                MlflowClient().set_terminated(run.info.run_id, "KILLED")
                raise optuna.TrialPruned

    def _find_run(self, number: int) -> Run | None:
        found = mlflow.search_runs(
            search_all_experiments=True,
            filter_string=f"tags.sweep = '{self.parent}' and tags.trial = '{number}'",
            max_results=1,
            output_format="list",
        )
        return found[0] if found else None

    def _read_history(self, run: Run) -> list[Any]:
        history = MlflowClient().get_metric_history(run.info.run_id, self.search.metric)
        return sorted(history, key=lambda point: point.step)

    def _find_best_value(self, run: Run) -> float:
        values = [*map(attrgetter("value"), self._read_history(run))]
        if not values:
            logged = ", ".join(sorted(run.data.metrics)) or "none"
            raise SweepError(
                f"The run of {self.stage} logs no metric {self.search.metric} (it logs: {logged}). "
                f"Name one of them in {SweepSettings.default_path()}."
            )
        return float(max(values) if self.search.better == "higher" else min(values))


def _open_study(
    root: Path, stage: str, search: SweepSpace, command: StageCommand, seed: int, now: dict[str, Any]
) -> optuna.Study:
    """Return the study of this search on these inputs, new or as it was left."""
    (root / STUDIES).parent.mkdir(exist_ok=True)
    # More trials of the same search go on in the same study; values of other inputs cannot be compared with these.
    identity = json.dumps([search.model_dump(exclude={"trials"}), now, command.inputs], sort_keys=True)
    name = f"{stage}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    study = optuna.create_study(
        storage=f"sqlite:///{(root / STUDIES).resolve()}",
        study_name=name,
        load_if_exists=True,
        direction="maximize" if search.better == "higher" else "minimize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=3),
    )
    if not study.trials:  # the present settings first: the others have to be better than these
        study.enqueue_trial({name: now[name] for name in search.space})
    return study


def _start_parent_run(study: optuna.Study, stage: str) -> str:
    """Return the id of the sweep's own run, the parent of its trials."""
    if "run_id" not in study.user_attrs:
        mlflow.set_experiment("sweep")
        with mlflow.start_run(run_name=stage) as run:
            study.set_user_attr("run_id", run.info.run_id)
    return str(study.user_attrs["run_id"])


def _find_best(study: optuna.Study) -> optuna.trial.FrozenTrial:
    try:
        return study.best_trial
    except ValueError:
        raise SweepError("Every trial failed. Correct what they printed above, then run again.") from None


def _tabulate_trials(study: optuna.Study) -> pd.DataFrame:
    """Return a row per trial: its number, value, settings, state and seconds."""
    rows = study.trials_dataframe(("number", "value", "params", "state", "duration"))
    rows["seconds"] = rows.pop("duration").dt.total_seconds().round(1)
    rows["state"] = rows["state"].str.lower()
    return rows.rename(columns=lambda name: name.removeprefix("params_"))


def _log_results(study: optuna.Study, rows: pd.DataFrame, work: SweepTrial, settings: dict[str, Any]) -> None:
    """Log the trials, the best settings and plots of the search to the sweep's run."""
    from optuna.visualization.matplotlib import plot_optimization_history, plot_slice

    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", module="optuna.visualization")
    with mlflow.start_run(run_id=work.parent):
        mlflow.log_metric(work.search.metric, float(study.best_value))
        mlflow.log_table(rows, "trials.json")
        mlflow.log_dict(settings, work.command.settings.name)
        mlflow.log_figure(plot_optimization_history(study).figure, "history.png")
        slices = plot_slice(study)  # one axis if one setting was tried, else an array of them
        first = slices if hasattr(slices, "figure") else slices.ravel()[0]
        mlflow.log_figure(first.figure, "slices.png")
