"""A cache of text vectors on disk, to which blocks are appended; a killed run leaves only complete vectors."""

import hashlib
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.core.atomic_write import atomic_path

Vectors = NDArray[np.float32]


def hash_text(text: str) -> bytes:
    """Return the SHA-256 under which a text is stored."""
    return hashlib.sha256(text.encode()).digest()


class VectorCache:
    """A file of records: the hash of a text, its vector (d,) and a checksum of both, so that no damaged vector is used."""

    def __init__(self, file: Path, dimensions: int) -> None:
        self.file = file
        self.record = np.dtype([("name", "V32"), ("vector", "<f4", dimensions), ("check", "<u4")])
        file.touch()
        whole = file.stat().st_size // self.record.itemsize
        # A killed process may leave half a record at the end, after which no other would be found
        os.truncate(file, whole * self.record.itemsize)
        self.rows: dict[bytes, int] = {}
        for row, record in enumerate(self._map_records()):
            if _checksum_record(record) == record["check"]:
                self.rows[bytes(record["name"])] = row

    def __contains__(self, text: str) -> bool:
        return hash_text(text) in self.rows

    def add(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Append the vectors (n, d) of some texts; once this returns, a kill of the process loses none."""
        start = self.file.stat().st_size // self.record.itemsize
        records = np.zeros(len(texts), self.record)
        for record, text, vector in zip(records, texts, vectors, strict=True):
            record["name"], record["vector"] = np.void(hash_text(text)), vector
            record["check"] = _checksum_record(record)
        with self.file.open("ab") as stream:
            stream.write(records.tobytes())
        self.rows.update(zip(map(bytes, records["name"]), range(start, start + len(texts)), strict=True))

    def get(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors (n, d) of texts that are stored."""
        vectors: Vectors = self._map_records()["vector"][self._find_rows(texts)]
        return vectors

    def keep_only(self, texts: Iterable[str]) -> None:
        """Remove the vectors of all other texts."""
        # In the order of the file, which is read through once
        records = self._map_records()[sorted(set(self._find_rows(texts)))]
        with atomic_path(self.file) as part:
            part.write_bytes(records.tobytes())
        self.rows = dict(zip(map(bytes, records["name"]), range(len(records)), strict=True))

    def _find_rows(self, texts: Iterable[str]) -> list[int]:
        return [self.rows[hash_text(text)] for text in texts]

    def _map_records(self) -> NDArray[np.void]:
        if not self.file.stat().st_size:
            # An empty file cannot be mapped into memory
            return np.zeros(0, self.record)
        return np.memmap(self.file, self.record, mode="r")


def _checksum_record(record: np.void) -> int:
    return zlib.crc32(record["vector"].tobytes(), zlib.crc32(bytes(record["name"])))
