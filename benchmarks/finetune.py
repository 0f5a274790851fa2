"""Full, LoRA and QLoRA side by side on the same pairs: quality, time a step, memory, and where the bytes are.

python benchmarks/finetune.py --model data/packages/weights/all-mpnet-base-v2 --json benchmarks/results/finetune.json
"""

import json
import multiprocessing
import time
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from rich.console import Console
from rich.table import Table

from components.core.compute import device_name
from components.text_model.adapters import attach_adapters, quantize_backbone
from components.text_model.finetune import prepare_model, validate_pairs
from components.text_model.losses import pairs_loss
from components.text_model.settings import TextModelSettings
from components.text_model.training import best_figures, last_checkpoint, mean_figure, train_model

METHODS = ("full", "lora", "qlora")
RATES = {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4}
MEGABYTE = 1e6


def weight_bytes(model: torch.nn.Module) -> int:
    """Bytes of all weights, with the scales of those that are quantised."""
    total = 0
    for value in [*model.parameters(), *model.buffers()]:
        total += value.nbytes
        state = getattr(value, "quant_state", None)
        if state is not None:
            scales = [state.absmax, *([state.state2.absmax] if state.nested else [])]
            total += sum(scale.nbytes for scale in scales)
    return total


def optimiser_bytes(checkpoint: Path) -> int:
    """Bytes of what the optimiser keeps of each weight."""
    return tensor_bytes(torch.load(checkpoint / "optimizer.pt", weights_only=True)["state"])


def tensor_bytes(kept: object) -> int:
    """Bytes of all tensors; optimisers in 8 bits keep theirs a level deeper."""
    if torch.is_tensor(kept):
        return kept.nbytes
    return sum(map(tensor_bytes, kept.values())) if isinstance(kept, dict) else 0


def peak_megabytes() -> float:
    """The most memory held since `forget_peak`: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / MEGABYTE
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def forget_peak() -> None:
    """Begin to measure memory anew."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def measure(
    method: str, model_name: str, pairs: pd.DataFrame, start: Path, settings: TextModelSettings
) -> dict[str, Any]:
    """Train by a method; meant for a process of its own. start: where the head is that all begin with."""
    settings = settings.model_copy(update={"method": method, "learning_rate": RATES[method]})
    model, before = prepare_model(model_name, pairs, start, settings)
    with TemporaryDirectory() as folder:
        work = Path(folder)
        if method == "qlora":
            quantize_backbone(model, model_name)
        if method != "full":
            attach_adapters(model, settings)
        trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
        report = {"trained_parameters": trained, "weights_mb": weight_bytes(model) / MEGABYTE}
        forget_peak()
        training = pairs.loc[pairs["part"] == "train", ["anchor", "positive"]]
        judge = partial(timed_validate, pairs=pairs, settings=settings)
        wall, cpu = time.monotonic(), time.process_time()
        history = train_model(model, training, pairs_loss(model, settings), judge, before, work, settings)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        report |= {
            "gradients_mb": 4 * trained / MEGABYTE,
            "optimiser_mb": optimiser_bytes(last_checkpoint(work) or work) / MEGABYTE,
            "peak_mb": peak_megabytes(),
            "cpu_seconds_a_step": (cpu - VALIDATING["cpu"]) / settings.maximum_steps,
            "seconds_a_step": (wall - VALIDATING["wall"]) / settings.maximum_steps,
            "mrr_10_before": mean_figure(before),
            "mrr_10_after": mean_figure(best_figures(history)),
        }
    return {name: round(value, 4) for name, value in report.items()}


VALIDATING = {"cpu": 0.0, "wall": 0.0}


def timed_validate(model: Any, pairs: pd.DataFrame, settings: TextModelSettings) -> dict[str, float]:
    """Validate, and count the time that this takes away from the steps'."""
    wall, cpu = time.monotonic(), time.process_time()
    figures = validate_pairs(model, pairs, settings)
    VALIDATING["wall"] += time.monotonic() - wall
    VALIDATING["cpu"] += time.process_time() - cpu
    return figures


def show(reports: dict[str, dict[str, Any]]) -> None:
    """Print a column a method."""
    table = Table("", *reports)
    for figure in next(iter(reports.values())):
        table.add_row(figure, *(f"{report[figure]:,.3f}".removesuffix(".000") for report in reports.values()))
    Console().print(table)


def main(
    model: Annotated[Path, typer.Option(help="Folder of a Sentence-Transformers model")],
    pairs: Annotated[Path, typer.Option(help="Pairs that the stage of that name wrote")] = Path(
        "data/text_model/pairs.parquet"
    ),
    steps: int = 20,
    batch: int = 32,
    dimensions: int = 512,
    at_once: Annotated[int, typer.Option(help="Texts whose activations are held")] = 32,
    queries: Annotated[int, typer.Option(help="Validation queries, of all kinds")] = 90,
    seed: int = 42,
    quick: Annotated[bool, typer.Option(help="Three steps of eight pairs")] = False,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures there")] = None,
) -> None:
    """Train by each method in a process of its own, one after the other."""
    settings = TextModelSettings(
        seed=seed,
        dimensions=dimensions,
        nested_dimensions=[],
        batch_size=8 if quick else batch,
        maximum_steps=3 if quick else steps,
        validation_steps=1000,
        checkpoint_steps=1000,
        validation_queries=30 if quick else queries,
        micro_batch_size=at_once,
    )
    table = pd.read_parquet(pairs)
    methods = METHODS if find_spec("bitsandbytes") else METHODS[:2]
    if methods != METHODS:
        typer.echo("qlora is skipped: bitsandbytes is not installed (pip install '.[gpu]')")
    reports = {}
    with TemporaryDirectory() as start:
        for method in methods:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                reports[method] = pool.apply(measure, (method, str(model), table, Path(start), settings))
            typer.echo(f"{method} {json.dumps(reports[method])}", err=True)
    show(reports)
    if file:
        libraries = ("torch", "transformers", "sentence-transformers", "peft")
        told = {
            "model": model.name,
            "device": device_name(),
            "threads": torch.get_num_threads(),
            "versions": {name: version(name) for name in libraries},
            "settings": settings.model_dump(exclude={"model", "method", "learning_rate"}),
            "learning_rates": RATES,
            "methods": reports,
        }
        file.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
