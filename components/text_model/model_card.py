"""The model card: what a saved model is, what it learnt from and how good it is, the same words for the same model."""

from components.text_model.losses import nested
from components.text_model.settings import TextModelSettings
from components.text_model.training import Figures


def card(base: str, kept: bool, hashes: dict[str, str], figures: Figures, settings: TextModelSettings) -> str:
    """Markdown with the front matter that model hubs read."""
    told = (
        f"finetuned by `{settings.method}` for at most {settings.maximum_steps} steps"
        if kept
        else "with a head and no other training: none did better on validation pairs"
    )
    rows = [f"| {name} | {value:.4f} |" for name, value in figures.items()]
    data = [f"- {name}: sha256 `{value}`" for name, value in hashes.items()]
    chosen = [
        f"- dimensions: {settings.dimensions}, nested: {settings.nested_dimensions}",
        f"- maximum_tokens: {settings.maximum_tokens}",
        f"- method: {settings.method}, LoRA rank {settings.lora_rank}",
        f"- learning rate {settings.learning_rate}, batches of {settings.batch_size}",
        f"- at most {settings.maximum_steps} steps, validation every {settings.validation_steps}",
        f"- weights of the losses: pairs {settings.pairs_weight}, interactions {settings.interactions_weight}",
        f"- hard negatives: {settings.hard_negatives}",
        f"- seed: {settings.seed}",
    ]
    return "\n".join(
        [
            "---",
            "library_name: sentence-transformers",
            "pipeline_tag: sentence-similarity",
            f"base_model: {base}",
            "---",
            f"# Text vectors of {settings.dimensions} numbers",
            "",
            f"{base}, {told}. Trained at {' and '.join(map(str, nested(settings)))} "
            "numbers: the first ones of a vector serve as a shorter one.",
            "",
            "## Data",
            *data,
            "",
            "## MRR@10 on validation pairs",
            "| figure | value |",
            "|---|---|",
            *rows,
            "",
            "## Settings",
            *chosen,
            "",
        ]
    )
