"""The model card: what a saved model is, what it learnt from and how good it is."""

from components.text_model.losses import nested_lengths
from components.text_model.settings import TextModelSettings
from components.text_model.training import Figures


def render_card(
    base: str, kept: bool, hashes: dict[str, str], figures: Figures, settings: TextModelSettings
) -> str:
    """Return Markdown with the front matter that model hubs read.

    kept: whether training beat the untrained head. hashes: SHA-256 of each input. The same model has the same card, so
    that the stage's output has the same bytes: no date, no path, no machine.
    """
    history = "with a head and no other training: none did better on validation pairs"
    if kept:
        history = f"finetuned by `{settings.method}` for at most {settings.maximum_steps} steps"
    lengths = " and ".join(map(str, nested_lengths(settings)))
    data = "\n".join(f"- {name}: sha256 `{value}`" for name, value in hashes.items())
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in figures.items())
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
base_model: {base}
---
# Text vectors of {settings.dimensions} numbers

{base}, {history}. Trained at {lengths} numbers: the first ones of a vector serve as a shorter one.

## Data
{data}

## MRR@10 on validation pairs
| figure | value |
|---|---|
{rows}

## Settings
- dimensions: {settings.dimensions}, nested: {settings.nested_dimensions}
- maximum_tokens: {settings.maximum_tokens}
- method: {settings.method}, LoRA rank {settings.lora_rank}
- learning rate {settings.learning_rate}, batches of {settings.batch_size}
- at most {settings.maximum_steps} steps, validation every {settings.validation_steps}
- weights of the losses: pairs {settings.pairs_weight}, interactions {settings.interactions_weight}
- hard negatives: {settings.hard_negatives}
- seed: {settings.seed}
"""
