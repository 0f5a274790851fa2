"""A Ray cluster as the rooms use it; every machine has the project's folder under the same path."""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from components.core.compute import ComputeSettings
from components.core.errors import TandemError

LOST, ANSWER_SECONDS = 3, 10


class ClusterError(TandemError):
    """A cluster that is not there, or that keeps losing machines."""


@contextmanager
def connect_cluster(compute: ComputeSettings) -> Iterator[Any]:
    """Ray, connected to the cluster that the settings name.

    Raises ClusterError where Ray is not installed, does not answer, or lost machines that the work needs.
    """
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError:
        raise ClusterError(
            "Ray is not installed. Install it with: pip install '.[cluster]', or set kind in conf/compute.yaml."
        ) from None
    passed = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ}
    paths = [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        if compute.ray != "auto":  # Ray itself would try for a quarter of an hour
            host, port = compute.ray.rsplit(":", 1)
            socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
        ray.init(
            compute.ray,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": passed | {"PYTHONPATH": os.pathsep.join(paths)}},
        )
    except (OSError, RuntimeError) as fault:
        raise ClusterError(
            f"No Ray cluster answers at {compute.ray}: {fault}. Start it with: ray start --head"
        ) from None
    try:
        yield ray
    except RayTaskError as fault:
        raise fault.cause from None
    except RayError as fault:
        raise ClusterError(
            f"The cluster lost machines that the work needs: {fault}. Look at `ray status`, then run again."
        ) from None
    finally:
        ray.shutdown()


def map_on_cluster(
    function: Callable[..., Any], given: Iterable[tuple[Any, ...]], compute: ComputeSettings
) -> Iterator[Any]:
    """What a function gives for each of the arguments, as it is done; a call whose machine is lost is made elsewhere.

    Arguments are taken as the cluster becomes free for them.
    """
    with connect_cluster(compute) as ray:
        call = ray.remote(num_cpus=1, num_gpus=compute.gpu_share, max_retries=LOST)(_call)
        ahead = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting = list[Any]()
        for arguments in given:
            if len(waiting) >= ahead:
                done, waiting = ray.wait(waiting)
                yield ray.get(done[0])
            waiting.append(call.remote(str(Path.cwd()), importable(function), *arguments))
        while waiting:
            done, waiting = ray.wait(waiting)
            yield ray.get(done[0])


def _call(folder: str, function: Callable[..., Any], *arguments: Any) -> Any:
    os.chdir(folder)
    return function(*arguments)


def importable(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function under its module's own name, where that module was started as a command."""
    if isinstance(function, partial):
        return partial(importable(function.func), *function.args, **function.keywords)
    if function.__module__ != "__main__":
        return function
    found: Callable[..., Any] = getattr(
        import_module(function.__globals__["__spec__"].name), function.__name__
    )
    return found
