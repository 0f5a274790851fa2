"""The small model on this machine: it is fetched, served and asked, however good its answers are."""

import subprocess
import time
from pathlib import Path

import psutil
import pytest

from components.enrichment.settings import EnrichmentError
from tests.enrichment.conftest import PROJECT, Shop, film

N_ITEMS = 20
# A CPU reads and writes some tens of tokens a second
PATIENT = {"engine": "local", "timeout_seconds": 1200, "retries": 0}


@pytest.fixture
def damaged_model(tmp_path: Path) -> Path:
    """A folder whose model cannot be loaded."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(b"GGUF")
    return folder


def servers_of(folder: Path) -> list[psutil.Process]:
    """The processes that serve a model of a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "serve" in words and any(word.startswith(str(folder)) for word in words):
            found.append(process)
    return found


@pytest.mark.parametrize("names", [[], ["a.gguf", "b.gguf"]], ids=["none", "two"])
def test_a_folder_that_does_not_hold_one_model_is_named(names: list[str], tmp_path: Path, shop: Shop) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    with pytest.raises(
        EnrichmentError, match=rf"local_model: {folder} holds {len(names)} files \*\.gguf, not one"
    ):
        shop.run(engine="local", local_model=str(folder))


@pytest.mark.slow
def test_a_model_that_cannot_be_read_is_named_with_what_to_do(damaged_model: Path, shop: Shop) -> None:
    with pytest.raises(EnrichmentError, match=r"model\.gguf cannot be read: [\s\S]*Install what reads it"):
        shop.run(local_model=str(damaged_model), **PATIENT)


@pytest.mark.endurance
def test_no_server_outlives_a_stage_that_is_killed(shop: Shop) -> None:
    shop.put(*map(film, range(N_ITEMS)))
    process = subprocess.Popen(shop.command(**PATIENT), cwd=PROJECT, stderr=subprocess.DEVNULL)
    while not servers_of(shop.cache):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    # It is still being started: by itself it would go on for minutes
    time.sleep(1)
    left = servers_of(shop.cache)
    for server in left:
        server.kill()
    assert left == []


@pytest.mark.endurance
def test_every_item_gets_an_answer_that_is_believed_set_aside_or_unknown(shop: Shop) -> None:
    shop.put(*map(film, range(N_ITEMS)))
    metrics = shop.run(**PATIENT)
    assert sorted(line["item_id"] for line in shop.lines()) == sorted(f"i{n}" for n in range(N_ITEMS))
    assert metrics["described"] + metrics["quarantined"] + metrics["unknown"] == N_ITEMS
    assert metrics["unfinished"] == 0
    assert servers_of(shop.cache) == []
