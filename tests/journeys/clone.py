"""A copy of the project that reads the made-up shop with a small text model."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.lists import SMALL_ETHICS, thin_lists

PROJECT = Path(__file__).parents[2]
ROW = re.compile(r"^ *\S? +([a-z_]+) +(ran|cached|restored|failed|not run)\b", re.MULTILINE)


@dataclass(frozen=True)
class Clone:
    """A copy of the project in which commands are given."""

    root: Path

    def start(self, *command: str) -> subprocess.Popen[str]:
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))
        }
        own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
        return subprocess.Popen(
            [Path(sys.executable).with_name(command[0]), *command[1:]], cwd=self.root, text=True, env=own | {"PYTHONPATH": str(self.root)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def tandem(self, *arguments: str, status: int = 0) -> str:
        process = self.start("tandem", *arguments)
        printed, _ = process.communicate(timeout=900)
        assert process.returncode == status, printed
        return printed

    def states(self, printed: str) -> dict[str, str]:
        return dict(ROW.findall(printed))

    def change(self, package: str, **values: object) -> None:
        file = self.root / "conf" / f"{package}.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | values))

    def outputs(self) -> dict[str, str]:
        lock = yaml.safe_load((self.root / "dvc.lock").read_text())["stages"]
        return {out["path"]: out["md5"] for entry in lock.values() for out in entry["outs"]}


def make_clone(root: Path, encoder: Path) -> Clone:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listing:
        if (PROJECT / name).is_file() and name != "dvc.lock":
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, root / name)
    clone = Clone(root)
    clone.change("catalogue", source="fashion")
    clone.change("text_model", model=str(encoder), dimensions=128, maximum_steps=2, validation_queries=50)
    clone.change("ethics", **SMALL_ETHICS)
    thin_lists(root / "conf", 4)
    # a small text model may not hold the limits that are set for the real one; a smaller bundle is a gain here
    rules = {
        "recommender.ndcg_100": {"better": "higher", "margin": 1.0},
        "bundle.megabytes": {"better": "lower", "margin": 0.0},
    }
    clone.change("nightly", gate={"rules": rules, "examples": 50})
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "A copy"]):
        subprocess.run([*git, *command], cwd=root, check=True)
    return clone
