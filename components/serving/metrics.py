"""Prometheus metrics of the service."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:  # replica.py imports this module
    from components.serving.replica import Replica

# docs/service.md measures 2 CPU ms a recommendation and a p99 of 0.3 s for new texts: both lie well inside the buckets
BUCKET_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
REQUESTS = Histogram(
    "tandem_request_seconds",
    "Time of a request, by route and status",
    labelnames=("route", "status"),
    buckets=BUCKET_SECONDS,
)
STEPS = Histogram(
    "tandem_step_seconds", "Time of a step of an answer", labelnames=("step",), buckets=BUCKET_SECONDS
)
BLOCKED = Counter("tandem_blocked_queries", "Queries that were blocked, by category", ("category",))
WRITTEN = Counter("tandem_changes", "Changes that this process wrote")
SWAPPED = Counter("tandem_model_swaps", "Models that replaced another while serving")
REFUSED = Counter("tandem_model_refusals", "Versions that could not be loaded")
LOG_ERRORS = Counter("tandem_change_log_faults", "Times that the change log did not answer a reader")
# Over several workers: the slowest one's sequence and version, so that a worker that lags behind is seen
ITEMS = Gauge(
    "tandem_items", "Items of the served model, with those put since it was made", multiprocess_mode="max"
)
APPLIED = Gauge("tandem_applied_change", "Sequence of the last applied change", multiprocess_mode="min")
DELTA = Gauge("tandem_delta_rows", "Text vectors in the delta beside the trees", multiprocess_mode="max")
VERSION = Gauge("tandem_model_version", "Version of the served model", multiprocess_mode="min")


@contextmanager
def time_step(step: str) -> Iterator[None]:
    """Measure the time of a step of an answer."""
    started = perf_counter()
    yield
    STEPS.labels(step).observe(perf_counter() - started)


def observe_replica(replica: "Replica") -> None:
    """Set the gauges of what a replica holds now."""
    ITEMS.set(len(replica.bundle.items))
    APPLIED.set(replica.applied)
    DELTA.set(replica.bundle.text_index.delta_size)
    VERSION.set(float(replica.version or 0))


def render_metrics() -> bytes:
    """Return all metrics in Prometheus' text format, those of all workers where there are several."""
    # prometheus_client writes to this folder once the variable is set, and raises without it
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
