"""Tell faults that may pass by themselves, such as a network that drops or a database that is locked, from others."""

import errno
import os
import socket
import sqlite3
from collections.abc import Iterator

EXIT_STATUS = os.EX_TEMPFAIL
UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_transient(fault: BaseException) -> bool:
    """Whether a fault, or one that led to it, is of the network, of time, or of a lock that another holds."""
    return any(_passes(cause) for cause in _causes(fault))


def _passes(fault: BaseException) -> bool:
    if isinstance(fault, sqlite3.OperationalError):
        return getattr(fault, "sqlite_errorcode", 0) & 0xFF in LOCKED  # the low byte is the primary code
    if isinstance(fault, ConnectionError | TimeoutError | socket.gaierror):
        return True
    return isinstance(fault, OSError) and fault.errno in UNREACHABLE


def _causes(fault: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = fault
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
