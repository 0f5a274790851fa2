"""What the sub-commands share: the console, the project's folder and the settings of the nightly run."""

from pathlib import Path

from rich.console import Console

from flows.settings import NightlySettings

ROOT = Path()
console = Console(highlight=False)  # its numbers and paths stay uncoloured: colours mean passed or failed


def read_settings() -> NightlySettings:
    """Return the settings of the nightly run in this folder."""
    return NightlySettings.read_in(ROOT)
