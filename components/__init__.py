"""The machine learning of Tandem: files and arrays in, files and arrays out, one package for each component."""

import sys
from importlib.util import find_spec

if find_spec("pytorch_lightning") is None:
    sys.exit(
        f"{sys.executable} has none of Tandem's packages. "
        "Activate its environment, then run again: source .venv/bin/activate"
    )
