"""What every stage of the graph shares: arguments, settings, seed, tracking, and outputs that are whole or absent.

A stage is a module whose `main` reads its inputs and writes its outputs:

    @stage(VideoSettings)
    def main(videos: Input, shots: Output, settings: VideoSettings) -> Counts: ...

    if __name__ == "__main__":
        main.cli()
"""

import inspect
import logging
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Generic, ParamSpec, get_type_hints

import numpy as np
import typer

from components.core.atomic_write import atomic_path, temporary_path
from components.core.content_hash import hash_paths
from components.core.distributed import training_rank
from components.core.errors import TandemError
from components.core.settings import Conf, Settings
from components.core.transient_errors import EXIT_STATUS, is_transient

Input = Annotated[Path, "input"]
Output = Annotated[Path, "output"]
Counts = Mapping[str, int | float | str]
P = ParamSpec("P")


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
        with _run(self, told, inputs) as run, _temporary_outputs(targets) as outputs:
            bound.arguments.update(outputs)
            counts = self.main(*bound.args, **bound.kwargs)
            if run is not None:
                run(counts, hash_paths(outputs.values()))
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
                others = {name: kind.read(kind.default_path()) for name, kind in self.others.items()}
                counts = self(**arguments, **others, settings=settings)  # type: ignore[call-arg, arg-type]
            except TandemError as error:
                typer.secho(str(error), err=True, fg="red")
                raise typer.Exit(2) from None
            except Exception as fault:
                if not is_transient(fault):
                    raise
                typer.secho(
                    f"{self.name} could not go on: {fault}. It may pass: run again.", err=True, fg="red"
                )
                raise typer.Exit(EXIT_STATUS) from fault
            summary = ", ".join(f"{name} {value}" for name, value in counts.items())
            typer.echo(f"{self.name} done in {time.monotonic() - started:.1f} s: {summary}", err=True)

        positional = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Path)
            for name in self.paths
        ]
        option = inspect.Parameter(
            "conf",
            inspect.Parameter.KEYWORD_ONLY,
            default=self.settings.default_path(),
            annotation=Annotated[Path, typer.Option(help="Settings file")],
        )
        command.__signature__ = inspect.Signature([*positional, option])  # type: ignore[attr-defined]
        command.__annotations__ = dict.fromkeys(self.paths, Path) | {"conf": option.annotation}
        return command


def stage(settings: type[Settings], *, tracked: bool = False) -> Callable[[Callable[P, Counts]], Stage[P]]:
    """Make a function of input and output paths into a stage; `tracked` stages are MLflow runs."""
    return lambda main: Stage(main, settings, tracked)


@contextmanager
def _temporary_outputs(targets: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Temporary names beside the targets; the first of several training processes alone renames its own."""
    with ExitStack() as stack:
        if training_rank() > 0:
            yield {name: temporary_path(path) for name, path in targets.items()}
            return
        yield {name: stack.enter_context(atomic_path(path)) for name, path in targets.items()}


@contextmanager
def _run(
    stage: Stage[Any], told: Mapping[str, Conf], inputs: Mapping[str, Path]
) -> Iterator[Callable[[Counts, str], None] | None]:
    """The MLflow run of a tracked stage."""
    if not stage.tracked or training_rank() > 0:
        yield None
        return
    from components.core.tracking import track_run

    room, module = stage.name.split(".")[-2:]
    settings: dict[str, Any] = {}
    for name, conf in told.items():
        given = conf.model_dump()
        settings |= given if name == "settings" else {f"{name}_{key}": given[key] for key in given}
    read = {name: (path, hash_paths([path])) for name, path in inputs.items() if path.exists()}
    with track_run(room, module, settings, read) as finish:
        yield finish
