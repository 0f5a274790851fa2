"""Text vectors on disk by what was encoded: appended block by block, whole or absent, found again by the next run."""

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.core.atomic_write import atomic_path

Vectors = NDArray[np.float32]


def name_of(text: str) -> bytes:
    """What a text is stored under."""
    return hashlib.sha256(text.encode()).digest()


class VectorCache:
    """A file of records: a text's name, its vector (d,) and a checksum of both, so that a torn or damaged one is not used."""

    def __init__(self, file: Path, dimensions: int) -> None:
        self.file = file
        self.record = np.dtype([("name", "V32"), ("vector", "<f4", dimensions), ("check", "<u4")])
        file.touch()
        whole = file.stat().st_size // self.record.itemsize
        with file.open("r+b") as stream:
            stream.truncate(whole * self.record.itemsize)
        self.rows = {
            bytes(record["name"]): row
            for row, record in enumerate(self._records())
            if _check(record) == record["check"]
        }

    def __contains__(self, text: str) -> bool:
        return name_of(text) in self.rows

    def add(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Append the vectors (n, d) of some texts; once this returns they outlive the process."""
        start = self.file.stat().st_size // self.record.itemsize
        records = np.zeros(len(texts), self.record)
        for record, text, vector in zip(records, texts, vectors, strict=True):
            record["name"], record["vector"] = np.void(name_of(text)), vector
            record["check"] = _check(record)
        with self.file.open("ab") as stream:
            stream.write(records.tobytes())
        self.rows |= {bytes(name): start + row for row, name in enumerate(records["name"])}

    def get(self, texts: Sequence[str]) -> Vectors:
        """The vectors (n, d) of texts that are stored."""
        vectors: Vectors = self._records()["vector"][[self.rows[name_of(text)] for text in texts]]
        return vectors

    def keep(self, texts: Sequence[str]) -> None:
        """Drop what is stored of other texts."""
        wanted = sorted({self.rows[name_of(text)] for text in texts})
        with atomic_path(self.file) as part:
            part.write_bytes(self._records()[wanted].tobytes())
        self.rows = {bytes(record["name"]): row for row, record in enumerate(self._records())}

    def _records(self) -> NDArray[np.void]:
        if not self.file.stat().st_size:
            return np.zeros(0, self.record)
        return np.memmap(self.file, self.record, mode="r")


def _check(record: np.void) -> int:
    return zlib.crc32(record["vector"].tobytes(), zlib.crc32(bytes(record["name"])))
