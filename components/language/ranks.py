"""The same training in several processes, one a GPU, or on CPUs where there is none."""

import os
import socket
from collections.abc import Callable

from torch import multiprocessing


def spread(devices: int, learn: Callable[..., None], *arguments: object) -> None:
    """Call a function of a module in as many processes, which find each other; in this one if it is one."""
    if devices == 1:
        learn(*arguments)
        return
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_begin, (devices, port, learn, arguments), nprocs=devices)  # type: ignore[attr-defined, no-untyped-call]


def _begin(
    number: int, devices: int, port: int, learn: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    places = {
        "RANK": number,
        "LOCAL_RANK": number,
        "WORLD_SIZE": devices,
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": port,
    }
    os.environ.update({name: str(value) for name, value in places.items()})
    learn(*arguments)


def rank() -> int:
    """Which of the processes this is, 0 where it is the only one."""
    return int(os.environ.get("RANK", "0"))
