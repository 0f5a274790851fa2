"""What every stage of the graph shares: arguments, settings, seed, tracking, and outputs that are whole or absent.

A stage is a module whose `main` reads its inputs and writes its outputs:

    @stage(VideoSettings)
    def main(videos: Input, shots: Output, settings: VideoSettings) -> Counts: ...

    if __name__ == "__main__":
        main.cli()
"""

import hashlib
import inspect
import logging
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Generic, ParamSpec, TypeVar, get_type_hints

import numpy as np
import psutil
import typer
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.temporary import EXIT_STATUS, may_pass

Input = Annotated[Path, "input"]
Output = Annotated[Path, "output"]
CONF = Path("conf")
Counts = Mapping[str, int | float | str]
P = ParamSpec("P")
S = TypeVar("S", bound="Conf")


class TandemError(Exception):
    """A fault that its reader can mend: one sentence on what is wrong and where, one on how to mend it."""


class SettingsError(TandemError):
    """A settings file that cannot be used as it is."""


class Conf(BaseModel):
    """What stands in one file of `conf/`; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def room(cls) -> str:
        """Name of the file and of its owner: `components.video.settings` gives `video`."""
        return cls.__module__.split(".")[1]

    @classmethod
    def read(cls: type[S], path: Path) -> S:
        """Read and check a settings file.

        Raises SettingsError naming the file, the key and the nearest known key.
        """
        if not path.is_file():
            raise SettingsError(f"{path} is missing. Restore it with: git checkout {path}")
        try:
            return cls(**(yaml.safe_load(path.read_text()) or {}))
        except yaml.YAMLError as fault:
            raise SettingsError(f"{path} is not YAML: {fault}. Mend that line.") from None
        except ValidationError as fault:
            raise SettingsError("\n".join(_explain(path, cls, error) for error in fault.errors())) from None


class Settings(Conf):
    """Settings of one room, read from `conf/<room>.yaml`."""

    seed: int = Field(42, ge=0, description="Seed of every random choice in the room")


def _explain(path: Path, settings: type[Conf], error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{path}, {key}: {error['msg']} (it is {error['input']!r}). Mend that value."
    near = get_close_matches(str(error["loc"][-1]), list(settings.model_fields), n=1)
    known = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(settings.model_fields)}."
    return f"{path}, {key}: unknown key. {known}"


def training_rank() -> int:
    """Which of the processes that train together this is, 0 where it is the only one."""
    return int(os.environ.get("RANK", "0"))


def hash_file(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(outputs: Iterable[Path]) -> str:
    """SHA-256 over what files and folders hold, whatever their names; links outputs to the run that made them."""
    return hashlib.sha256("".join(sorted(_content(output) for output in outputs)).encode()).hexdigest()


def _content(output: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(output.rglob("*")) if output.is_dir() else [output]:
        if file.is_file():
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
            total.update(str(file.relative_to(output)).encode())
    return total.hexdigest()


class Stage(Generic[P]):
    """A stage's `main`: call it with paths as a function, or run `cli()` as a command."""

    def __init__(self, main: Callable[P, Counts], settings: type[Settings], tracked: bool) -> None:
        self.main, self.settings, self.tracked = main, settings, tracked
        self.name = main.__globals__["__spec__"].name if main.__globals__.get("__spec__") else main.__module__
        hints = get_type_hints(main, include_extras=True)
        self.paths = {name: hint for name, hint in hints.items() if hint in (Input, Output)}
        self.outputs = [name for name, hint in self.paths.items() if hint is Output]
        self.others = {
            name: hint
            for name, hint in hints.items()
            if name != "settings" and inspect.isclass(hint) and issubclass(hint, Conf)
        }

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Counts:
        """Run on the given paths; each output appears under its name only once it is complete.

        Of several processes that torchrun started with one stage, the first writes its outputs and tracks.
        """
        bound = inspect.signature(self.main).bind(*args, **kwargs)
        settings: Settings = bound.arguments["settings"]
        random.seed(settings.seed)
        np.random.seed(settings.seed)
        told = {name: bound.arguments[name] for name in ["settings", *self.others] if name in bound.arguments}
        targets = {name: Path(bound.arguments[name]) for name in self.outputs}
        inputs = {name: Path(bound.arguments[name]) for name in self.paths if name not in self.outputs}
        with _run(self, told, inputs) as run, _parts(targets) as parts:
            bound.arguments.update(parts)
            counts = self.main(*bound.args, **bound.kwargs)
            if run is not None:
                run(counts, digest(parts.values()))
        return counts

    def cli(self) -> None:
        """Run as a command: paths as arguments, settings from the room's file, faults as one message.

        Exits 2 after a fault that a person can mend, 75 (EX_TEMPFAIL) after one that may pass by itself.
        """
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(help=inspect.getdoc(self.main))(self._command())
        app()

    def _command(self) -> Callable[..., None]:
        def command(**arguments: Path) -> None:
            started = time.monotonic()
            try:
                settings = self.settings.read(arguments.pop("conf"))
                others = {name: kind.read(CONF / f"{kind.room()}.yaml") for name, kind in self.others.items()}
                counts = self(**arguments, **others, settings=settings)  # type: ignore[call-arg, arg-type]
            except TandemError as fault:
                typer.secho(str(fault), err=True, fg="red")
                raise typer.Exit(2) from None
            except Exception as fault:
                if not may_pass(fault):
                    raise
                typer.secho(
                    f"{self.name} could not go on: {fault}. It may pass: run again.", err=True, fg="red"
                )
                raise typer.Exit(EXIT_STATUS) from fault
            summary = ", ".join(f"{name} {value}" for name, value in counts.items())
            typer.echo(f"{self.name} done in {time.monotonic() - started:.1f} s: {summary}", err=True)

        conf = CONF / f"{self.settings.room()}.yaml"
        positional = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Path)
            for name in self.paths
        ]
        option = inspect.Parameter(
            "conf",
            inspect.Parameter.KEYWORD_ONLY,
            default=conf,
            annotation=Annotated[Path, typer.Option(help="Settings of the room")],
        )
        command.__signature__ = inspect.Signature([*positional, option])  # type: ignore[attr-defined]
        command.__annotations__ = dict.fromkeys(self.paths, Path) | {"conf": option.annotation}
        return command


def stage(settings: type[Settings], *, tracked: bool = False) -> Callable[[Callable[P, Counts]], Stage[P]]:
    """Make a function of input and output paths into a stage; `tracked` stages are MLflow runs."""
    return lambda main: Stage(main, settings, tracked)


@contextmanager
def _parts(targets: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """Temporary names beside the targets, renamed when the block ends well and removed when it does not."""
    parts = {name: path.with_name(f".part-{os.getpid()}-{path.name}") for name, path in targets.items()}
    if training_rank() > 0:
        yield parts
        return
    for path in targets.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
    try:
        yield parts
        for name, path in targets.items():
            if not parts[name].exists():
                raise RuntimeError(f"The stage ended without writing {path}.")
            _remove(path)
            parts[name].replace(path)
    finally:
        for part in parts.values():
            _remove(part)


def _remove_abandoned(path: Path) -> None:
    for part in path.parent.glob(f".part-*-{path.name}"):
        if not psutil.pid_exists(int(part.name.split("-")[1])):
            _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _run(
    stage: Stage[Any], told: Mapping[str, Conf], inputs: Mapping[str, Path]
) -> Iterator[Callable[[Counts, str], None] | None]:
    """The MLflow run of a tracked stage."""
    if not stage.tracked or training_rank() > 0:
        yield None
        return
    from components.tracking import tracked

    room, module = stage.name.split(".")[-2:]
    settings: dict[str, Any] = {}
    for name, conf in told.items():
        given = conf.model_dump()
        settings |= given if name == "settings" else {f"{name}_{key}": given[key] for key in given}
    read = {name: (path, digest([path])) for name, path in inputs.items() if path.exists()}
    with tracked(room, module, settings, read) as finish:
        yield finish
