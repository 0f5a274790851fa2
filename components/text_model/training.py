"""The training loop: the Trainer with checkpoints from which a killed run goes on, keeping the best weights."""

import shutil
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.evaluation import SentenceEvaluator
from sentence_transformers.training_args import BatchSamplers
from transformers import TrainerCallback, TrainerState

from components.core.atomic_write import atomic_path
from components.core.compute import multiplies_bfloat16
from components.core.distributed import count_processes
from components.text_model.settings import TextModelError, TextModelSettings

Figures = dict[str, float]
History = list[dict[str, Any]]
WEIGHTS_FILE, COMPLETE_MARK, BEST_FILE = "trained.safetensors", "whole", "best.safetensors"


def mean_figure(figures: Figures) -> float:
    """Return the mean over the kinds, 0 where there are none."""
    # Rounded, so that the last bits do not decide which weights are best
    return round(sum(figures.values()) / max(len(figures), 1), 6)


def save_trained(model: torch.nn.Module, file: Path) -> None:
    """Write the weights that are trained; the file appears once it is complete."""
    trained = {}
    for name, value in model.named_parameters():
        # Frozen weights are left out: with adapters they are nearly all of the model
        if value.requires_grad:
            trained[name] = value.detach().contiguous()
    with atomic_path(file) as part:
        save_file(trained, part)


def load_trained(model: torch.nn.Module, file: Path) -> None:
    """Load what `save_trained` wrote into a model."""
    # Not strict, because the file lacks the frozen weights
    model.load_state_dict(load_file(file), strict=False)


class CheckpointingTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """The Trainer, with checkpoints of the trained weights alone, and an error where the loss is not a number."""

    def training_step(self, *args: Any, **others: Any) -> torch.Tensor:
        """Learn from a batch and return its loss.

        Raises TextModelError naming the step where the loss is not a number.
        """
        value: torch.Tensor = super().training_step(*args, **others)
        # At once, because every later step would train on weights that are no numbers
        if not torch.isfinite(value):
            raise TextModelError(
                f"SBERT, step {self.state.global_step}: the loss is {value.item()}. "
                "Lower learning_rate in conf/text_model.yaml."
            )
        return value

    def _save(self, output_dir: str, **others: Any) -> None:
        if not self.args.should_save:  # the Trainer calls it in every process
            return
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        save_trained(self.model, Path(output_dir) / WEIGHTS_FILE)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        load_trained(self.model, Path(checkpoint_path) / WEIGHTS_FILE)


class PairsValidation(SentenceEvaluator):  # type: ignore[misc]
    """The figures of held-out pairs, as the Trainer asks for them."""

    def __init__(self, validate: Callable[[Any], Figures]) -> None:
        super().__init__()
        self.validate = validate

    def __call__(self, model: Any, **others: Any) -> Figures:
        """Return the figure of each kind, and their mean."""
        figures = self.validate(model)
        return figures | {"mean": mean_figure(figures)}


class BestWeightsCallback(TrainerCallback):  # type: ignore[misc]
    """Marks complete checkpoints, keeps the best weights, and ends a training that no longer gains."""

    def __init__(self, work: Path, before: float, patience: int) -> None:
        self.work, self.before, self.patience = work, before, patience

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any, **others: Any) -> None:
        """Keep weights that are the best so far; stop once no more is gained."""
        since_best = validations_since_best(state.log_history, self.before)
        if since_best == 0 and args.should_save:
            save_trained(model, self.work / BEST_FILE)
        control.should_training_stop |= since_best >= self.patience

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Mark the checkpoint that was just written as complete, then drop the earlier ones."""
        if args.should_save:
            newest = self.work / f"checkpoint-{state.global_step}"
            # In this order: a kill between the two leaves two checkpoints and never none
            (newest / COMPLETE_MARK).touch()
            for older in self.work.glob("checkpoint-*"):
                if older != newest:
                    shutil.rmtree(older)


def _filter_validations(history: History) -> History:
    return [entry for entry in history if "eval_mean" in entry]


def validation_curve(history: History, before: float) -> list[float]:
    """Return the mean figure before training and at each validation."""
    return [before, *map(itemgetter("eval_mean"), _filter_validations(history))]


def validations_since_best(history: History, before: float) -> int:
    """Count the validations after the first with the best figure; the one before training counts too."""
    figures = validation_curve(history, before)
    return len(figures) - 1 - figures.index(max(figures))


def last_checkpoint(work: Path) -> Path | None:
    """Return the newest complete checkpoint, if there is one; others are dropped."""
    complete = []
    for checkpoint in work.glob("checkpoint-*"):
        if (checkpoint / COMPLETE_MARK).is_file():
            complete.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    # By number, because checkpoint-9 comes after checkpoint-10 by name
    return max(complete, key=lambda checkpoint: int(checkpoint.name.split("-")[1]), default=None)


def training_arguments(work: Path, settings: TextModelSettings) -> SentenceTransformerTrainingArguments:
    """Return the Trainer's arguments."""
    cuda, processes = torch.cuda.is_available(), count_processes()
    backend = "nccl" if cuda else "gloo"
    return SentenceTransformerTrainingArguments(
        output_dir=str(work),
        max_steps=settings.maximum_steps,
        # The Trainer counts a process's batch; the settings count the batch of all
        per_device_train_batch_size=max(1, settings.batch_size // processes),
        learning_rate=settings.learning_rate,
        warmup_steps=max(1, settings.maximum_steps // 10),
        # A text that stands twice in a batch would be its own negative
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        # QLoRA's paged optimiser (Dettmers et al., 2023) needs a GPU
        optim="paged_adamw_8bit" if cuda and settings.method == "qlora" else "adamw_torch",
        bf16=multiplies_bfloat16(),
        use_cpu=not cuda,
        ddp_backend=backend if processes > 1 else None,
        seed=settings.seed,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=settings.validation_steps,
        save_steps=settings.checkpoint_steps,
        report_to="none",
    )


def train_model(
    model: Any,
    pairs: pd.DataFrame,
    loss: torch.nn.Module,
    validate: Callable[[Any], Figures],
    before: Figures,
    work: Path,
    settings: TextModelSettings,
) -> History:
    """Train in place, from the last checkpoint in `work` on if there is one; leave the best weights there.

    pairs: anchor, positive and, with hard negatives, negative.
    before: the figures without training, which weights have to beat to be kept.
    Returns what the Trainer logged.
    """
    from datasets import Dataset

    checkpoint = last_checkpoint(work)
    if checkpoint:
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        gained = validations_since_best(state.log_history, mean_figure(before)) < settings.patience
        # A run that was killed after its last step had ended: going on would train it further than another run
        if state.global_step >= settings.maximum_steps or not gained:
            return state.log_history
    trainer = CheckpointingTrainer(
        model,
        training_arguments(work, settings),
        train_dataset=Dataset.from_pandas(pairs, preserve_index=False),
        loss=loss,
        evaluator=PairsValidation(validate),
        callbacks=[BestWeightsCallback(work, mean_figure(before), settings.patience)],
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return trainer.state.log_history


def best_figures(history: History) -> Figures:
    """Return the figures of the best validation by kind."""
    best = max(_filter_validations(history), key=itemgetter("eval_mean"))
    # The Trainer adds its timing under the same prefix
    others = {"mean", "runtime", "samples_per_second", "steps_per_second"}
    figures = {}
    for name, value in best.items():
        kind = name.removeprefix("eval_")
        if name != kind and kind not in others:
            figures[kind] = value
    return figures


def loss_table(history: History) -> pd.DataFrame:
    """Return the loss of each step: step, loss."""
    steps = [{"step": entry["step"], "loss": round(entry["loss"], 6)} for entry in history if "loss" in entry]
    return pd.DataFrame(steps, columns=["step", "loss"])
