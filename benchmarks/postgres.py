"""A Postgres of one's own in a temporary folder, from Debian's package."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = Path("/usr/lib/postgresql")
USER = "postgres"


def programs() -> Path | None:
    """Where the newest installed server's programs lie."""
    found = sorted(PROGRAMS.glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server, give its SQLAlchemy address, and stop and delete it; as root it runs as `postgres`."""
    there = programs()
    if there is None:
        raise FileNotFoundError("Postgres is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="tandem-postgres-"))
    port = _free_port()
    if getpass.getuser() == "root":
        shutil.chown(folder, USER, USER)
    data, log = folder / "data", folder / "log"
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    try:
        _run(there / "initdb", "-D", data, "-U", "tandem", "-A", "trust", "-E", "UTF8")
        _run(there / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://tandem@127.0.0.1:{port}/postgres"
        finally:
            _run(there / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(*command: object) -> None:
    other = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    words = [str(word) for word in command]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd="/", **other)  # type: ignore[call-overload]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
