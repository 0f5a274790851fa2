"""A stage's MLflow run: what it read, with which settings, what came out, and what that cost."""

import resource
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset

DIGEST_LENGTH = 36
Finish = Callable[[Mapping[str, Any], str], None]


@contextmanager
def track_run(
    room: str, name: str, settings: Mapping[str, Any], inputs: Mapping[str, tuple[Path, str]]
) -> Iterator[Finish]:
    """Open a run in the room's experiment; call what it gives with the stage's counts and its outputs' digest.

    inputs: path and digest of each file or folder that is read. Processor, memory and GPUs are sampled meanwhile, where
    MLflow can read them.
    """
    mlflow.set_experiment(room)
    with mlflow.start_run(run_name=name, tags={"stage": f"{room}.{name}"}, log_system_metrics=True):
        mlflow.log_params(settings)
        for title, (path, content) in inputs.items():
            mlflow.log_input(_dataset(title, path, content), context="input")

        def finish(counts: Mapping[str, Any], outputs: str) -> None:
            mlflow.set_tag("outputs_sha256", outputs)
            figures = {key: value for key, value in counts.items() if isinstance(value, int | float)}
            mlflow.log_metrics(figures | cost())

        yield finish


def cost() -> dict[str, float]:
    """CPU seconds of this process and those that it has waited for, and the most memory that one of them held."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "cost_cpu_seconds": round(sum(one.ru_utime + one.ru_stime for one in used), 1),
        "cost_peak_megabytes": round(max(one.ru_maxrss for one in used) / 1024, 1),
    }


def _dataset(title: str, path: Path, content: str) -> MetaDataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a local path may be two kinds of local path
        source = resolve_dataset_source(str(path.resolve()))
    return MetaDataset(source, name=title, digest=content[:DIGEST_LENGTH])
