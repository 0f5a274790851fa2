"""The frame of every stage of the graph: arguments, settings, seed, tracking, and outputs that are complete or absent.

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
        # `python -m` runs a module as `__main__`; its spec has the name
        spec = main.__globals__.get("__spec__")
        self.name: str = spec.name if spec else main.__module__
        self.paths: list[str] = []
        self.outputs: list[str] = []
        self.others: dict[str, type[Conf]] = {}
        for name, hint in get_type_hints(main, include_extras=True).items():
            if hint in (Input, Output):
                self.paths.append(name)
                if hint is Output:
                    self.outputs.append(name)
            elif name != "settings" and inspect.isclass(hint) and issubclass(hint, Conf):
                self.others[name] = hint

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Counts:
        """Run on the given paths and return the counts; each output appears under its name once it is complete.

        Where torchrun started several processes of one stage, only the first writes outputs and tracks.
        """
        bound = inspect.signature(self.main).bind(*args, **kwargs)
        settings: Settings = bound.arguments["settings"]
        # Libraries draw from the global generators
        random.seed(settings.seed)
        np.random.seed(settings.seed)
        with _open_run(self, bound.arguments) as finish, _temporary_outputs(self, bound.arguments) as outputs:
            bound.arguments.update(outputs)
            counts = self.main(*bound.args, **bound.kwargs)
            if finish is not None:
                finish(counts, hash_paths(outputs.values()))
        return counts

    def cli(self) -> None:
        """Run as a command: paths are arguments, settings come from the package's file, an error is one message.

        Exits with 2 after an error that a person can fix, with 75 (EX_TEMPFAIL) after one that may pass by itself.
        """
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(help=inspect.getdoc(self.main))(self._build_command())
        app()

    def _build_command(self) -> Callable[..., None]:
        """Return the function that Typer runs, with a signature that has the paths and the option `--conf`."""

        def command(conf: Path, **paths: Path) -> None:
            self._run_command(conf, paths)

        hints: dict[str, Any] = dict.fromkeys(self.paths, Path)
        hints["conf"] = Annotated[Path, typer.Option(help="Settings file")]
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(name, keyword, annotation=hint) for name, hint in hints.items()]
        parameters[-1] = parameters[-1].replace(default=self.settings.default_path())
        # Typer reads the arguments of a command from its signature and the hints, which differ by stage
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = hints
        return command

    def _run_command(self, conf: Path, paths: dict[str, Path]) -> None:
        started = time.monotonic()
        try:
            settings = self.settings.read(conf)
            others = {name: kind.read_in() for name, kind in self.others.items()}
            counts = self(**paths, **others, settings=settings)  # type: ignore[call-arg, arg-type]
        except TandemError as error:
            typer.secho(str(error), err=True, fg="red")
            raise typer.Exit(2) from None
        except Exception as error:
            if not is_transient(error):
                raise
            message = f"{self.name} could not go on: {error}. It may pass: run again."
            typer.secho(message, err=True, fg="red")
            raise typer.Exit(EXIT_STATUS) from error
        summary = ", ".join(f"{name} {value}" for name, value in counts.items())
        typer.echo(f"{self.name} done in {time.monotonic() - started:.1f} s: {summary}", err=True)


def stage(settings: type[Settings], *, tracked: bool = False) -> Callable[[Callable[P, Counts]], Stage[P]]:
    """Return a decorator that makes a function of paths into a stage; a run of a `tracked` stage is an MLflow run."""
    return lambda main: Stage(main, settings, tracked)


@contextmanager
def _temporary_outputs(stage: Stage[Any], arguments: Mapping[str, Any]) -> Iterator[dict[str, Path]]:
    """Yield temporary paths beside the outputs; of several training processes only the first renames its own."""
    outputs: dict[str, Path] = {}
    with ExitStack() as stack:
        for name in stage.outputs:
            target = Path(arguments[name])
            if training_rank() > 0:
                outputs[name] = temporary_path(target)
            else:
                outputs[name] = stack.enter_context(atomic_path(target))
        yield outputs


@contextmanager
def _open_run(
    stage: Stage[Any], arguments: Mapping[str, Any]
) -> Iterator[Callable[[Counts, str], None] | None]:
    """Open the MLflow run of a tracked stage; yields the function that ends it, None for another stage."""
    if not stage.tracked or training_rank() > 0:
        yield None
        return
    # Imported here, because MLflow takes seconds to import and few stages are tracked
    from components.core.tracking import track_run

    package, module = stage.name.split(".")[-2:]
    settings = arguments["settings"].model_dump()
    for name in stage.others:
        if name in arguments:
            settings |= {f"{name}_{key}": value for key, value in arguments[name].model_dump().items()}
    inputs: dict[str, tuple[Path, str]] = {}
    for name in stage.paths:
        path = Path(arguments[name])
        if name not in stage.outputs and path.exists():
            inputs[name] = path, hash_paths([path])
    with track_run(package, module, settings, inputs=inputs) as finish:
        yield finish
