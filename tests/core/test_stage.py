"""What a stage's command does: settings are checked, outputs are whole or absent, errors are one message."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from pydantic import Field

from components.core.content_hash import hash_paths
from components.core.errors import SettingsError, TandemError
from components.core.settings import Settings
from components.core.stage import Counts, Input, Output, stage

STAGE = '''\
from components.core.errors import TandemError
from components.core.stage import Counts, Input, Output, stage
from shop.words.settings import WordsSettings

@stage(WordsSettings, tracked=True)
def main(words: Input, repeated: Output, settings: WordsSettings) -> Counts:
    """Repeat words."""
    text = words.read_text()
    if "?" in text:
        raise TandemError(f"{words}: ends in a question. Write a statement.")
    repeated.write_text(text * settings.times)
    return {"words": len(text.split())}

if __name__ == "__main__":
    main.cli()
'''
SETTINGS = """\
from components.core.settings import Settings

class WordsSettings(Settings):
    conf_file = "words.yaml"
    times: int = 2
"""


class SampleSettings(Settings):
    """Two settings of a made-up package."""

    epochs: int = Field(3, ge=1)
    learning_rate: float = 0.1


@stage(SampleSettings)
def copy(source: Input, target: Output, settings: SampleSettings) -> Counts:
    """Copy a text, unless it asks to fail half-way."""
    target.write_text("half")
    if source.read_text() == "fail":
        raise TandemError("This cannot be copied. Write something else.")
    target.write_text(source.read_text())
    return {"characters": len(source.read_text())}


def settings_file(folder: Path, text: str) -> Path:
    file = folder / "sample.yaml"
    file.write_text(text)
    return file


def test_settings_are_read_with_their_defaults(tmp_path: Path) -> None:
    assert SampleSettings.read(settings_file(tmp_path, "epochs: 5\n")) == SampleSettings(epochs=5)
    assert SampleSettings.read(settings_file(tmp_path, "")).epochs == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 5\n", r"sample\.yaml, epoch: unknown key\. Did you mean epochs\?"),
        ("colour: red\n", r"colour: unknown key\. Known keys: seed, epochs, learning_rate"),
        ("epochs: 0\n", r"epochs: .*greater than or equal to 1 \(it is 0\)"),
        ("epochs: many\n", r"epochs: .*\(it is 'many'\)"),
        ("epochs: [\n", "is not YAML"),
    ],
)
def test_a_settings_file_that_cannot_be_used_names_file_and_key(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        SampleSettings.read(settings_file(tmp_path, text))


def test_a_missing_settings_file_says_how_to_restore_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="git checkout"):
        SampleSettings.read(tmp_path / "absent.yaml")


def test_a_stage_that_fails_leaves_the_earlier_output_and_nothing_half_written(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "out" / "target"
    source.write_text("good")
    copy(source, target, settings=SampleSettings())
    source.write_text("fail")
    with pytest.raises(TandemError):
        copy(source, target, settings=SampleSettings())
    assert target.read_text() == "good"
    assert [file.name for file in target.parent.iterdir()] == ["target"]


def test_what_a_killed_stage_left_half_written_is_removed_by_the_next(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("good")
    (tmp_path / f".part-{ended.pid}-target").write_text("half")
    (tmp_path / f".part-{os.getppid()}-target").write_text("another process is writing this")
    copy(source, target, settings=SampleSettings())
    assert {file.name for file in tmp_path.iterdir()} == {"source", "target", f".part-{os.getppid()}-target"}


def test_a_digest_is_that_of_the_content_whatever_the_folder_is_called(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").write_text("same")
    assert hash_paths([tmp_path / "one"]) == hash_paths([tmp_path / "two"])
    (tmp_path / "two" / "deep" / "file").write_text("other")
    assert hash_paths([tmp_path / "one"]) != hash_paths([tmp_path / "two"])


@pytest.fixture
def command(tmp_path: Path) -> Path:
    package = tmp_path / "shop" / "words"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    (package / "repeat.py").write_text(STAGE)
    (package / "settings.py").write_text(SETTINGS)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/words.yaml").write_text("times: 3\n")
    return tmp_path


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder}{os.pathsep}{Path(__file__).parents[2]}"
    own = {"PYTHONPATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    return subprocess.run(
        [sys.executable, "-m", "shop.words.repeat", *arguments],
        cwd=folder, env=os.environ | own, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_command_takes_paths_reads_the_packages_settings_and_prints_its_counts(command: Path) -> None:
    (command / "words.txt").write_text("ho ")
    answer = call(command, "words.txt", "repeated.txt")
    assert answer.returncode == 0, answer.stderr
    assert (command / "repeated.txt").read_text() == "ho ho ho "
    assert "shop.words.repeat done in" in answer.stderr and "words 1" in answer.stderr


def test_an_error_is_one_message_and_status_2_without_a_traceback(command: Path) -> None:
    (command / "words.txt").write_text("why?")
    answer = call(command, "words.txt", "repeated.txt")
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1] == "words.txt: ends in a question. Write a statement."
    assert "Traceback" not in answer.stderr
    (command / "conf/words.yaml").write_text("time: 3\n")
    answer = call(command, "words.txt", "repeated.txt")
    assert answer.returncode == 2 and "Did you mean times?" in answer.stderr


def test_a_tracked_stage_is_a_run_with_settings_inputs_figures_cost_and_the_digest_of_its_output(
    command: Path,
) -> None:
    (command / "words.txt").write_text("ho ")
    call(command, "words.txt", "repeated.txt")
    mlflow.set_tracking_uri(f"sqlite:///{command / 'mlflow.db'}")
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert run.info.run_name == "repeat"
    assert run.data.params["times"] == "3"
    assert run.data.metrics["words"] == 1.0
    assert run.data.metrics["cost_cpu_seconds"] > 0 and run.data.metrics["cost_peak_megabytes"] > 10
    (read,) = run.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.digest) == ("words", hash_paths([command / "words.txt"])[:36])
    assert run.data.tags["outputs_sha256"] == hash_paths([command / "repeated.txt"])
