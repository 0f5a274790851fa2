"""Processes that decode: they can be ended, and end when the one that started them does."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "pandas"])


class ChildProcess:
    """A process that answers through a pipe."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self.pipe, there = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_begin, args=(work, there, *arguments))
        self.process.start()
        there.close()

    def answer(self, seconds: float) -> Any:
        """What the process says next.

        Raises TimeoutError where it says nothing in time, EOFError where it is gone.
        """
        if not self.pipe.poll(seconds):
            raise TimeoutError
        return self.pipe.recv()

    def end(self) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _begin(work: Callable[..., None], pipe: Connection, *arguments: Any) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    work(pipe, *arguments)


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
