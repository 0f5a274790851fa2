"""Work on a Ray cluster, whose machines all have the project's folder under the same path."""

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

MAX_RETRIES = 3  # of a call whose machine is lost
CONNECT_SECONDS = 10


class ClusterError(TandemError):
    """A cluster that does not answer, or that keeps losing machines."""


@contextmanager
def connect_cluster(compute: ComputeSettings) -> Iterator[Any]:
    """Yield Ray, connected to the cluster that the settings name.

    Raises ClusterError where Ray is not installed, does not answer, or lost machines that the work needs; an error
    of the work itself is raised as it was on its machine.
    """
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError:
        raise ClusterError(
            "Ray is not installed. Install it with: pip install '.[cluster]', or set kind in conf/compute.yaml."
        ) from None
    try:
        _open_connection(compute.ray)
    except (OSError, RuntimeError) as error:
        raise ClusterError(
            f"No Ray cluster answers at {compute.ray}: {error}. Start it with: ray start --head"
        ) from None
    try:
        yield ray
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        raise ClusterError(
            f"The cluster lost machines that the work needs: {error}. Look at `ray status`, then run again."
        ) from None
    finally:
        ray.shutdown()


def _open_connection(address: str) -> None:
    import ray

    # Results have the same bytes only with the same number of threads
    variables: dict[str, str] = {}
    for name in os.environ.keys() & {"OMP_NUM_THREADS", "MKL_NUM_THREADS"}:
        variables[name] = os.environ[name]
    # Workers import the project's modules by this path, which replaces their own
    paths = [str(Path.cwd()), os.environ.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if address != "auto":  # Ray itself would try for a quarter of an hour
        host, port = address.rsplit(":", 1)
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    ray.init(address, log_to_driver=False, logging_level=logging.ERROR, runtime_env={"env_vars": variables})


def map_on_cluster(
    function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], compute: ComputeSettings
) -> Iterator[Any]:
    """Yield a function's result for each tuple of arguments, in the order in which the calls end.

    A call whose machine is lost is made again on another. Arguments are taken when the cluster is free for them.
    """
    with connect_cluster(compute) as ray:
        remote = ray.remote(num_cpus=1, num_gpus=compute.gpu_share, max_retries=MAX_RETRIES)(call_in_folder)
        # A second call waits for each processor, so that none idles; Ray holds the arguments of no more
        max_waiting = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting = list[Any]()
        for arguments in calls:
            if len(waiting) >= max_waiting:
                done, waiting = ray.wait(waiting)
                yield ray.get(done[0])
            waiting.append(remote.remote(str(Path.cwd()), make_importable(function), *arguments))
        while waiting:
            done, waiting = ray.wait(waiting)
            yield ray.get(done[0])


def call_in_folder(folder: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a working folder: Ray starts its workers elsewhere, and paths are relative to the project."""
    os.chdir(folder)
    return function(*arguments)


def make_importable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function under its module's own name, which `__main__` hides where the module runs as a command."""
    if isinstance(function, partial):
        return partial(make_importable(function.func), *function.args, **function.keywords)
    if function.__module__ != "__main__":
        return function
    # Pickle stores functions by module and name, and another process has another `__main__`
    module = import_module(function.__globals__["__spec__"].name)
    importable: Callable[..., Any] = getattr(module, function.__name__)
    return importable
