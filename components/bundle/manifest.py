"""The manifest of a bundle: its format, settings, metrics and the hash of every file."""

import hashlib
import json
from pathlib import Path
from typing import Any

from components.bundle.settings import BundleError
from components.core.content_hash import hash_file

FORMAT = 10
MANIFEST = "manifest.json"


def write_manifest(folder: Path, **fields: Any) -> tuple[int, int]:
    """Write the manifest of the files in a folder; return the number of files and their bytes.

    fields: what else the manifest says, by name.
    """
    files = sorted(filter(Path.is_file, folder.rglob("*")))
    hashes = {str(file.relative_to(folder)): hash_file(file) for file in files}
    manifest = {"format": FORMAT} | fields | {"files": hashes}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return len(files), sum(file.stat().st_size for file in files)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a bundle of the present format.

    Raises BundleError where it is missing, broken or of another format.
    """
    manifest = _read_json(folder)
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"{folder / MANIFEST} has format {manifest.get('format')}, this version reads {FORMAT}. "
            "Build and publish a new one: tandem run"
        )
    return manifest


def read_metrics(folder: Path) -> dict[str, float]:
    """Read the metrics of a bundle of any format.

    Raises BundleError where its manifest cannot be read.
    """
    return dict(_read_json(folder).get("metrics", {}))


def read_format(folder: Path) -> int | None:
    """Read the format of a bundle.

    Raises BundleError where its manifest cannot be read.
    """
    found = _read_json(folder).get("format")
    return found if isinstance(found, int) else None


def identify_bundle(folder: Path) -> str:
    """Return the SHA-256 of the manifest, which holds the hash of every file."""
    return hash_file(folder / MANIFEST)


def identify_encoder(manifest: dict[str, Any]) -> str:
    """Return a hash over the files of the query encoder, by which vectors of different encoders are told apart."""
    files = {name: content for name, content in manifest["files"].items() if name.startswith("query_model/")}
    # sorted, since the order of the files in a manifest says nothing about the encoder
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def verify_files(folder: Path) -> None:
    """Compare every file with the hash in the manifest.

    Raises BundleError naming the first file that is missing or has other bytes.
    """
    for name, expected in read_manifest(folder)["files"].items():
        # asked first: hashing a missing file would end in an OSError that says nothing of bundles
        if not (folder / name).is_file():
            raise BundleError(
                f"{folder / name} is missing. Build the bundle again, or fetch the version again."
            )
        if hash_file(folder / name) != expected:
            raise BundleError(f"{folder / name} has changed since it was built. Fetch the version again.")


def _read_json(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / MANIFEST} cannot be read: {error}. Build the bundle again.") from None
    return manifest
