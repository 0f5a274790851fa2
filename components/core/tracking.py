"""The MLflow run of a stage: its inputs, settings, counts, output hash and cost."""

import resource
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset

MAX_DIGEST_LENGTH = 36  # MLflow refuses longer digests of data sets
Finish = Callable[[Mapping[str, Any], str], None]


@contextmanager
def track_run(
    package: str, name: str, settings: Mapping[str, Any], inputs: Mapping[str, tuple[Path, str]]
) -> Iterator[Finish]:
    """Open a run in the package's experiment; yields a function that logs the stage's counts and its outputs' hash.

    inputs: path and hash of each file or folder that is read. MLflow samples the load of processor, memory and GPUs
    meanwhile, where it can read them.
    """
    mlflow.set_experiment(package)
    with mlflow.start_run(run_name=name, tags={"stage": f"{package}.{name}"}, log_system_metrics=True):
        mlflow.log_params(settings)
        for title, (path, content) in inputs.items():
            mlflow.log_input(_make_dataset(title, path, content), context="input")

        def finish(counts: Mapping[str, Any], outputs: str) -> None:
            mlflow.set_tag("outputs_sha256", outputs)
            # Counts may be texts, which are no metrics to MLflow
            figures = {key: value for key, value in counts.items() if isinstance(value, int | float)}
            mlflow.log_metrics(figures | measure_cost())

        yield finish


def measure_cost() -> dict[str, float]:
    """Return the CPU seconds of this process and its ended children, and the peak memory of the largest of them."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return {
        "cost_cpu_seconds": round(cpu_seconds, 1),
        # Linux gives kilobytes
        "cost_peak_megabytes": round(max(own.ru_maxrss, children.ru_maxrss) / 1024, 1),
    }


def _make_dataset(title: str, path: Path, content: str) -> MetaDataset:
    with warnings.catch_warnings():
        # MLflow warns that two of its source types match a local path
        warnings.simplefilter("ignore", UserWarning)
        source = resolve_dataset_source(str(path.resolve()))
    return MetaDataset(source, name=title, digest=content[:MAX_DIGEST_LENGTH])
