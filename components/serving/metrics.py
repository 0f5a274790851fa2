"""What the service tells of itself to Prometheus."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from components.serving.replica import Replica

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
REQUESTS = Histogram(
    "tandem_request_seconds", "Time of a request, by route and status", ("route", "status"), buckets=SECONDS
)
STEPS = Histogram("tandem_step_seconds", "Time of a step of an answer", ("step",), buckets=SECONDS)
BLOCKED = Counter("tandem_blocked_queries", "Queries that were not answered, by category", ("category",))
WRITTEN = Counter("tandem_changes", "Changes that were written by this process")
SWAPPED = Counter("tandem_model_swaps", "Models that took the place of another")
REFUSED = Counter("tandem_model_refusals", "Versions that could not be served")
LOG_FAULTS = Counter("tandem_change_log_faults", "Times that the change log did not answer a reader")
ITEMS = Gauge("tandem_items", "Items of the served model, those put since included", multiprocess_mode="max")
APPLIED = Gauge("tandem_applied_change", "Sequence of the last change taken", multiprocess_mode="min")
DELTA = Gauge("tandem_delta_rows", "Text vectors beside the trees", multiprocess_mode="max")
VERSION = Gauge("tandem_model_version", "Version of the served model", multiprocess_mode="min")


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Measure a step."""
    started = perf_counter()
    yield
    STEPS.labels(step).observe(perf_counter() - started)


def observe(model: "Replica") -> None:
    """Tell what a model holds now."""
    ITEMS.set(len(model.bundle.items))
    APPLIED.set(model.applied)
    DELTA.set(model.bundle.text_index.delta)
    VERSION.set(float(model.version or 0))


def exposition() -> bytes:
    """Everything measured, in Prometheus' text format; of all workers where there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
