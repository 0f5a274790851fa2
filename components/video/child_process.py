"""Child processes that decode films: they can be killed, and they end with their parent."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

# A fork of a process with threads (torch, PyAV) may deadlock, and a spawned one imports torch anew each time
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "pandas"])


class ChildProcess:
    """A process that answers through a pipe."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self.pipe, child_end = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_run_child, args=(work, child_end, *arguments))
        self.process.start()
        # While this end is open here, a child that dies would not be seen as EOFError
        child_end.close()

    def receive(self, seconds: float) -> Any:
        """Return the next object that the process sends.

        Raises TimeoutError where it sends nothing within the seconds, EOFError where it has ended.
        """
        if not self.pipe.poll(seconds):
            raise TimeoutError
        return self.pipe.recv()

    def kill(self) -> None:
        """Kill the process, whatever it is doing."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _run_child(work: Callable[..., None], pipe: Connection, *arguments: Any) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    # A stage that is killed cannot end its children, so each child watches its parent
    threading.Thread(target=_exit_with_parent, args=(parent.sentinel,), daemon=True).start()
    work(pipe, *arguments)


def _exit_with_parent(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)  # sys.exit would end this thread alone
