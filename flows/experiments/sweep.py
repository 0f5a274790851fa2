"""Try other settings of one stage, each in an MLflow run of its own under the sweep's, and tell which serve best.

A trial runs the stage's own command with its outputs turned aside, so that the graph's outputs stay as they are.
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
from flows.run.dvc_runner import environment
from flows.run.graph import read_graph
from flows.run.run_lock import alone, mark
from flows.settings import ChoiceParameter, SweepSettings, SweepSpace

SETTINGS = Path("conf/sweep.yaml")
STUDIES = Path(".tandem/sweeps.db")
LOOK_SECONDS = 0.5
LINES_SHOWN = 15


class SweepError(TandemError):
    """A sweep that cannot be made."""


class TrialError(TandemError):
    """A trial that ended badly; others go on."""


@dataclass(frozen=True)
class StageCommand:
    """A stage's command line, the files that it writes, the settings that it reads, and hashes of all that it reads."""

    words: tuple[str, ...]
    outputs: frozenset[str]
    settings: Path
    inputs: dict[str, str]

    def aside(self, scratch: Path, values: dict[str, Any], root: Path) -> list[str]:
        """The same command with its outputs in another folder and other settings."""
        settings = yaml.safe_load((root / self.settings).read_text()) | values
        file = scratch / self.settings.name
        file.write_text(yaml.safe_dump(settings))
        words = [str(scratch / word) if word in self.outputs else word for word in self.words]
        return [*words, "--conf", str(file)]


@dataclass(frozen=True)
class Sweep:
    """What a sweep came to: a row a trial, best first, and the best one's settings beside those of now."""

    trials: pd.DataFrame
    best: dict[str, Any]
    now: dict[str, Any]
    settings: Path
    run_id: str


def sweep(root: Path, stage: str, trials: int | None = None) -> Sweep:
    """Search a stage's settings by Optuna's tree-structured Parzen estimator, with median pruning.

    trials: how many in all, as conf/sweep.yaml has it if None. A sweep that was killed goes on where it ended.
    Raises SweepError where conf/sweep.yaml has no such stage, its inputs are not up to date, or every trial fails;
    RunError where another run is on in the folder.
    """
    settings = SweepSettings.read(root / SETTINGS)
    if stage not in settings.stages:
        known = ", ".join(settings.stages) or "none"
        raise SweepError(f"{SETTINGS} has no search for {stage} (there are: {known}). Write one there.")
    use_tracking(root)
    search, command = settings.stages[stage], command_of(root, stage)
    now = yaml.safe_load((root / command.settings).read_text())
    if unknown := sorted(search.space.keys() - now.keys()):
        raise SweepError(
            f"{SETTINGS}, {stage}: {command.settings} has no {', '.join(unknown)}. Mend the name."
        )
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = _study(root, stage, search, command, settings.seed, now)
    work = SweepTrial(root, stage, command, search, _parent(study, stage))
    ended = [trial for trial in study.trials if trial.state.is_finished()]
    left = max(0, (trials or search.trials) - len(ended))
    with alone(root):
        end_abandoned(root)
        study.optimize(work, n_trials=left, catch=(TrialError,), show_progress_bar=True)
    best = _best(study)
    rows = _rows(study)
    _keep(study, rows, work, now | best.params)
    rows = rows.sort_values("value", ascending=search.better == "lower", ignore_index=True)
    return Sweep(rows, best.params, {name: now[name] for name in search.space}, command.settings, work.parent)


def command_of(root: Path, stage: str) -> StageCommand:
    """How dvc.yaml runs a stage.

    Raises SweepError where the stage is not in it, or waits for something that is not up to date.
    """
    graph = read_graph(root)
    if stage not in {node.name for node in graph}:
        raise SweepError(f"dvc.yaml has no stage {stage}. See them with: tandem status")
    read = {stage}
    for node in reversed(graph):
        read.update(node.needs if node.name in read else ())
    if stale := sorted(node.name for node in graph if node.name in read - {stage} and node.reasons):
        raise SweepError(f"What {stage} reads is not up to date ({', '.join(stale)}). Run first: tandem run")
    with Repo(str(root)) as repo:
        found = next(item for item in repo.index.stages if item.name == stage)
        outputs = frozenset(str(out.def_path) for out in found.outs)
        settings = next(Path(dep.def_path) for dep in found.deps if str(dep.def_path).endswith(".yaml"))
        inputs = {str(dep.def_path): str(dep.hash_info.value) for dep in found.deps}
        return StageCommand(tuple(shlex.split(found.cmd)), outputs, settings, inputs)


@dataclass(frozen=True)
class SweepTrial:
    """Trials of one sweep."""

    root: Path
    stage: str
    command: StageCommand
    search: SweepSpace
    parent: str

    def __call__(self, trial: optuna.Trial) -> float:
        """Run a trial to its end, or until its metric lags behind; gives its best value."""
        values = {name: self._suggest(trial, name) for name in self.search.space}
        with tempfile.TemporaryDirectory() as scratch, (Path(scratch) / "log").open("w+") as log:
            line = self.command.aside(Path(scratch), values, self.root)
            process = subprocess.Popen(
                line, cwd=self.root, env=self._environment(trial.number), stdout=log, stderr=subprocess.STDOUT
            )
            try:
                self._watch(trial, process)
            finally:
                process.kill()
                process.wait()
            log.seek(0)
            printed = "\n".join(log.read().splitlines()[-LINES_SHOWN:])
        run = self._run(trial.number)
        if process.returncode or run is None:
            tqdm.write(f"Trial {trial.number} ({values}) failed:\n{printed}", file=sys.stderr)
            raise TrialError
        return self._value(run)

    def _suggest(self, trial: optuna.Trial, name: str) -> Any:
        tried = self.search.space[name]
        if isinstance(tried, ChoiceParameter):
            return trial.suggest_categorical(name, tried.choices)
        if isinstance(tried.low, int) and isinstance(tried.high, int):
            return trial.suggest_int(name, tried.low, tried.high, log=tried.log)
        return trial.suggest_float(name, tried.low, tried.high, log=tried.log)

    def _environment(self, number: int) -> dict[str, str]:
        """The stage's run is nested in the sweep's by MLflow's own variable for tags of the context."""
        tags = {MLFLOW_PARENT_RUN_ID: self.parent, "sweep": self.parent, "trial": str(number)}
        own = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "MLFLOW_RUN_CONTEXT": json.dumps(tags)}
        return environment() | mark(self.root, self.stage) | own

    def _watch(self, trial: optuna.Trial, process: subprocess.Popen[bytes]) -> None:
        """Tell Optuna each value as it is logged, and stop the trial where it says so."""
        told = -1
        while process.poll() is None:
            time.sleep(LOOK_SECONDS)
            run = self._run(trial.number)
            for point in self._history(run) if run else []:
                if point.step > told:
                    trial.report(point.value, point.step)
                    told = point.step
            if run is not None and trial.should_prune():
                process.kill()
                process.wait()
                MlflowClient().set_tag(run.info.run_id, "pruned", f"after step {told}")
                MlflowClient().set_terminated(run.info.run_id, "KILLED")
                raise optuna.TrialPruned

    def _run(self, number: int) -> Run | None:
        found = mlflow.search_runs(
            search_all_experiments=True,
            filter_string=f"tags.sweep = '{self.parent}' and tags.trial = '{number}'",
            max_results=1,
            output_format="list",
        )
        return found[0] if found else None

    def _history(self, run: Run) -> list[Any]:
        return sorted(
            MlflowClient().get_metric_history(run.info.run_id, self.search.metric), key=lambda p: p.step
        )

    def _value(self, run: Run) -> float:
        values = [point.value for point in self._history(run)]
        if not values:
            logged = ", ".join(sorted(run.data.metrics)) or "none"
            raise SweepError(
                f"The run of {self.stage} logs no metric {self.search.metric} (it logs: {logged})."
            )
        return float(max(values) if self.search.better == "higher" else min(values))


def _study(
    root: Path, stage: str, search: SweepSpace, command: StageCommand, seed: int, now: dict[str, Any]
) -> optuna.Study:
    """The study of this search on these inputs, new or as it was left."""
    (root / STUDIES).parent.mkdir(exist_ok=True)
    asked = json.dumps([search.model_dump(exclude={"trials"}), now, command.inputs], sort_keys=True)
    name = f"{stage}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"
    study = optuna.create_study(
        storage=f"sqlite:///{(root / STUDIES).resolve()}",
        study_name=name,
        load_if_exists=True,
        direction="maximize" if search.better == "higher" else "minimize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=3),
    )
    if not study.trials:
        study.enqueue_trial({name: now[name] for name in search.space})
    return study


def _parent(study: optuna.Study, stage: str) -> str:
    """The sweep's own run, whose children the trials are."""
    if "run_id" not in study.user_attrs:
        mlflow.set_experiment("sweep")
        with mlflow.start_run(run_name=stage) as run:
            study.set_user_attr("run_id", run.info.run_id)
    return str(study.user_attrs["run_id"])


def _best(study: optuna.Study) -> optuna.trial.FrozenTrial:
    try:
        return study.best_trial
    except ValueError:
        raise SweepError("Every trial failed: see above what they printed.") from None


def _rows(study: optuna.Study) -> pd.DataFrame:
    """A row a trial: its number, value, what was tried, how it ended, and seconds."""
    rows = study.trials_dataframe(("number", "value", "params", "state", "duration"))
    rows["seconds"] = rows.pop("duration").dt.total_seconds().round(1)
    rows["state"] = rows["state"].str.lower()
    return rows.rename(columns=lambda name: name.removeprefix("params_"))


def _keep(study: optuna.Study, rows: pd.DataFrame, work: SweepTrial, settings: dict[str, Any]) -> None:
    """Leave the trials, the best settings and how the search went in the sweep's run."""
    from optuna.visualization.matplotlib import plot_optimization_history, plot_slice

    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", module="optuna.visualization")
    with mlflow.start_run(run_id=work.parent):
        mlflow.log_metric(work.search.metric, float(study.best_value))
        mlflow.log_table(rows, "trials.json")
        mlflow.log_dict(settings, work.command.settings.name)
        mlflow.log_figure(plot_optimization_history(study).figure, "history.png")
        slices = plot_slice(study)
        first = slices if hasattr(slices, "figure") else slices.ravel()[0]
        mlflow.log_figure(first.figure, "slices.png")
