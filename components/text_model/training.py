"""The training loop: the Trainer with checkpoints that a killed run goes on from, and the best weights kept."""

import shutil
from collections.abc import Callable
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
from components.core.distributed import count_processes
from components.text_model.settings import TextModelError, TextModelSettings

Figures = dict[str, float]
History = list[dict[str, Any]]
WEIGHTS, WHOLE, BEST = "trained.safetensors", "whole", "best.safetensors"


def mean(figures: Figures) -> float:
    """Mean over the kinds, 0 where there are none."""
    return round(sum(figures.values()) / max(len(figures), 1), 6)


def save_trained(model: torch.nn.Module, file: Path) -> None:
    """Write the weights that are trained; the file appears once it is complete."""
    trained = {
        name: value.detach().contiguous() for name, value in model.named_parameters() if value.requires_grad
    }
    with atomic_path(file) as part:
        save_file(trained, part)


def load_trained(model: torch.nn.Module, file: Path) -> None:
    """Take up what `save_trained` wrote."""
    model.load_state_dict(load_file(file), strict=False)


class CheckpointingTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """The Trainer, whose checkpoints hold only what is trained, and which ends where the loss is no number."""

    def training_step(self, *args: Any, **others: Any) -> torch.Tensor:
        """Learn from a batch and give its loss.

        Raises LanguageError naming the step if the loss is no number.
        """
        value: torch.Tensor = super().training_step(*args, **others)
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
        save_trained(self.model, Path(output_dir) / WEIGHTS)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        load_trained(self.model, Path(checkpoint_path) / WEIGHTS)


class PairsValidation(SentenceEvaluator):  # type: ignore[misc]
    """The figures of held-out pairs, as the Trainer asks for them."""

    def __init__(self, judge: Callable[[Any], Figures]) -> None:
        super().__init__()
        self.judge = judge

    def __call__(self, model: Any, **others: Any) -> Figures:
        """Figures a kind, and their mean."""
        figures = self.judge(model)
        return figures | {"mean": mean(figures)}


class BestWeightsCallback(TrainerCallback):  # type: ignore[misc]
    """Marks whole checkpoints, keeps the best weights, and ends a training that no longer gains."""

    def __init__(self, work: Path, before: float, patience: int) -> None:
        self.work, self.before, self.patience = work, before, patience

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any, **others: Any) -> None:
        """Keep weights that are the best so far; stop once no more is gained."""
        since_best = validations_since_best(state.log_history, self.before)
        if since_best == 0 and args.should_save:
            save_trained(model, self.work / BEST)
        control.should_training_stop |= since_best >= self.patience

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Mark the checkpoint that was just written as whole, then drop the earlier ones."""
        if args.should_save:
            newest = self.work / f"checkpoint-{state.global_step}"
            (newest / WHOLE).touch()
            for older in self.work.glob("checkpoint-*"):
                if older != newest:
                    shutil.rmtree(older)


def validated(history: History, before: float) -> list[float]:
    """The mean figure before training and at each validation."""
    return [before, *(entry["eval_mean"] for entry in history if "eval_mean" in entry)]


def validations_since_best(history: History, before: float) -> int:
    """How many validations came after the first of the best figure; the figure before training is one too."""
    figures = validated(history, before)
    return len(figures) - 1 - figures.index(max(figures))


def last_checkpoint(work: Path) -> Path | None:
    """The newest whole checkpoint, if there is one; others are dropped."""
    whole = []
    for checkpoint in work.glob("checkpoint-*"):
        if (checkpoint / WHOLE).is_file():
            whole.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return max(whole, key=lambda checkpoint: int(checkpoint.name.split("-")[1]), default=None)


def arguments(work: Path, settings: TextModelSettings) -> SentenceTransformerTrainingArguments:
    """What the Trainer is told."""
    cuda = torch.cuda.is_available()
    return SentenceTransformerTrainingArguments(
        output_dir=str(work),
        max_steps=settings.maximum_steps,
        per_device_train_batch_size=max(1, settings.batch_size // count_processes()),
        learning_rate=settings.learning_rate,
        warmup_steps=max(1, settings.maximum_steps // 10),
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        optim="paged_adamw_8bit" if cuda and settings.method == "qlora" else "adamw_torch",
        bf16=cuda,
        use_cpu=not cuda,
        ddp_backend=("nccl" if cuda else "gloo") if count_processes() > 1 else None,
        seed=settings.seed,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=settings.validation_steps,
        save_steps=settings.checkpoint_steps,
        report_to="none",
    )


def train(
    model: Any,
    pairs: pd.DataFrame,
    loss: torch.nn.Module,
    judge: Callable[[Any], Figures],
    before: Figures,
    work: Path,
    settings: TextModelSettings,
) -> History:
    """Train in place, from the last checkpoint in `work` on if there is one; the best weights are left there.

    pairs: anchor, positive and, with hard negatives, negative.
    before: the figures without training, which weights have to beat to be kept.
    Returns what the Trainer logged.
    """
    from datasets import Dataset

    checkpoint = last_checkpoint(work)
    if checkpoint:
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        gained = validations_since_best(state.log_history, mean(before)) < settings.patience
        if state.global_step >= settings.maximum_steps or not gained:
            return state.log_history
    trainer = CheckpointingTrainer(
        model,
        arguments(work, settings),
        train_dataset=Dataset.from_pandas(pairs, preserve_index=False),
        loss=loss,
        evaluator=PairsValidation(judge),
        callbacks=[BestWeightsCallback(work, mean(before), settings.patience)],
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return trainer.state.log_history


def best_figures(history: History) -> Figures:
    """The figures a kind of the best validation."""
    best = max((entry for entry in history if "eval_mean" in entry), key=lambda entry: entry["eval_mean"])
    timing = {"mean", "runtime", "samples_per_second", "steps_per_second"}
    told = {name.removeprefix("eval_"): value for name, value in best.items() if name.startswith("eval_")}
    return {kind: value for kind, value in told.items() if kind not in timing}


def losses(history: History) -> pd.DataFrame:
    """The loss of each step."""
    told = [{"step": entry["step"], "loss": round(entry["loss"], 6)} for entry in history if "loss" in entry]
    return pd.DataFrame(told, columns=["step", "loss"])
