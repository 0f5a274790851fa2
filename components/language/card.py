"""The model card: what a saved model is, what it learnt from and how good it is, the same words for the same model."""

from components.language.losses import nested
from components.language.settings import LanguageSettings
from components.language.training import Figures


def card(base: str, kept: bool, hashes: dict[str, str], figures: Figures, settings: LanguageSettings) -> str:
    """Markdown with the front matter that model hubs read."""
    told = (
        f"finetuned by `{settings.method}` for at most {settings.maximum_steps} steps"
        if kept
        else "with a head and no other training: none did better on validation pairs"
    )
    rows = [f"| {name} | {value:.4f} |" for name, value in figures.items()]
    data = [f"- {name}: sha256 `{value}`" for name, value in hashes.items()]
    chosen = [f"- {name}: {value}" for name, value in settings.model_dump(exclude={"model"}).items()]
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
