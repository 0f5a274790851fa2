"""A million people: a made-up power-law catalogue, written to Parquet, streamed back and trained on for one epoch.

OMP_NUM_THREADS=2 python benchmarks/recommender_scale.py --json benchmarks/results/recommender_scale.json
"""

import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import typer

from components.catalogue.tables import read_interaction_batches
from components.core.arrays import Csr, Floats
from components.core.compute import device_name
from components.recommender.elsa import compute_loss, to_batch
from components.recommender.factors import ItemFactors
from components.recommender.interaction_matrix import build_matrix_from_parts
from components.recommender.settings import RecommenderSettings
from components.recommender.train import fit, start_from

TASTES, VALIDATION_USERS, ROWS_A_PART = 1000, 1000, 2_000_000
Result = TypeVar("Result")


def made_up(users: int, items: int, rows: int) -> Iterator[pa.Table]:
    """Rows of a table of interactions, in parts; some pairs come twice.

    Few people do much and few items are much loved. Half of what a person does is drawn from all items, half from
    those of one of a thousand tastes.
    """
    draw = np.random.default_rng(0)
    activity = np.cumsum(np.minimum(draw.pareto(1.5, users), 50) + 0.1)
    ends = np.round(activity / activity[-1] * rows).astype(np.int64)
    user_ids, item_ids = (
        pa.array([f"{kind}{number}" for number in range(count)])
        for kind, count in (("u", users), ("i", items))
    )
    for start in range(0, rows, ROWS_A_PART):
        part = np.arange(start, min(start + ROWS_A_PART, rows))
        user = np.searchsorted(ends, part, side="right")
        loved = draw.random(len(part)) ** 3
        own = (user % TASTES * items // TASTES + loved * items / 20).astype(np.int64) % items
        item = np.where(draw.random(len(part)) < 0.5, own, (loved * items).astype(np.int64))
        yield pa.table(
            {
                "user_id": user_ids.take(pa.array(user)),
                "item_id": item_ids.take(pa.array(item)),
                "timestamp": part,
                "weight": np.ones(len(part)),
                "kind": pa.array(["click"]).take(pa.array(np.zeros(len(part), np.int64))),
            }
        )


def write(parts: Iterator[pa.Table], file: Path) -> int:
    """Append the parts to one file; returns its bytes."""
    first = next(parts)
    with pq.ParquetWriter(file, first.schema) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part)
    return file.stat().st_size


def timed(name: str, report: dict[str, Any], work: Callable[[], Result]) -> Result:
    """What `work` returns; its seconds, CPU seconds and the peak so far go into the report."""
    wall, cpu = time.monotonic(), time.process_time()
    result = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report[name] = {
        "wall_seconds": round(time.monotonic() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_rss_mb": round(peak),
    }
    typer.echo(f"{name}: {json.dumps(report[name])}", err=True)
    return result


def sampled_loss(users: Csr, factors: Floats) -> float:
    """ELSA's loss on the first thousand users."""
    return round(float(compute_loss(torch.from_numpy(factors), to_batch(users[:1000]))), 4)


def main(
    users: int = 1_000_000,
    items: int = 300_000,
    rows: Annotated[
        int, typer.Option(help="Rows of the table, of which a twentieth repeats a pair")
    ] = 105_000_000,
    dimensions: int = 256,
    batch_size: Annotated[int, typer.Option(help="Users a step")] = 4096,
    quick: Annotated[bool, typer.Option(help="A fiftieth of users and rows, a tenth of items")] = False,
    keep: Annotated[Path | None, typer.Option(help="Folder to write the factors to")] = None,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures there")] = None,
) -> None:
    """Write, stream and train; set OMP_NUM_THREADS to the cores that it may take."""
    if quick:
        users, items, rows = users // 50, items // 10, rows // 50
    report: dict[str, Any] = {
        "users": users, "items": items, "rows": rows, "dimensions": dimensions, "batch_size": batch_size,
        "threads": torch.get_num_threads(),
        "device": device_name(),
        "versions": {name: version(name) for name in ("torch", "numpy", "scipy")},
    }  # fmt: skip
    settings = RecommenderSettings(
        dimensions=dimensions, batch_size=batch_size, epochs=1, neighbours=0, learning_rate=0.03
    )
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "interactions.parquet"
        size = timed("write", report, lambda: write(made_up(users, items, rows), table))
        item_ids = [f"i{number}" for number in range(items)]
        read = timed(
            "stream",
            report,
            lambda: build_matrix_from_parts(read_interaction_batches(Path(folder)), item_ids, 4.0),
        )
    everyone = read.matrix
    report |= {"parquet_mb": round(size / 2**20), "pairs": int(everyone.nnz)}
    train, validation = everyone[VALIDATION_USERS:], everyone[:VALIDATION_USERS]
    start = start_from(np.empty((0, dimensions), np.float32), np.full(items, -1), settings.seed)
    report["loss_at_start"] = sampled_loss(train, start)
    trained = timed("train", report, lambda: fit(train, validation, settings, start))
    report["loss_at_end"] = sampled_loss(train, trained.factors)
    report["validation_ndcg_100"] = float(trained.history["validation_ndcg_100"].iloc[-1])
    if keep:
        met = np.bincount(train.indices, minlength=items)
        ItemFactors(np.array(item_ids, dtype=object), trained.factors, met, met == 0).save(keep)
    typer.echo(json.dumps(report, indent=2))
    if file:
        file.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
