"""Recognise errors that may pass by themselves, such as a dropped network or a locked database."""

import errno
import os
import socket
import sqlite3
from collections.abc import Iterator

EXIT_STATUS = os.EX_TEMPFAIL  # a run tries a stage again that exits with it
UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_transient(error: BaseException) -> bool:
    """Return whether an error, or a cause of it, is of the network, a timeout, or a lock of another process."""
    # Libraries wrap the error of the socket or the database in their own, so the causes count too
    return any(map(_may_pass, _walk_causes(error)))


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in LOCKED  # the low byte is the primary code
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return True
    return isinstance(error, OSError) and error.errno in UNREACHABLE


def _walk_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()  # causes may form a circle
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
