"""Write a file so that it is whole or as it was before, whenever the writer is killed."""

import os
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write beside the file, then take its name."""
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.write_text(text)
    part.replace(file)
