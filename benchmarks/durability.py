"""Is all that a killed service acknowledged there, and nothing in part? python benchmarks/durability.py"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from postgres import postgres
from service_process import ServiceProcess

from components.serving.settings import ServingSettings
from components.serving.storage.api_keys import create_key
from components.serving.storage.database import open_database

TOGETHER = 5
WRITERS = 8


async def write(address: str, header: dict[str, str], state: dict[str, Any], rate: float) -> None:
    """Put items and tell interactions at a rate until the service is gone; note what was sent and acknowledged."""
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=address, headers=header, timeout=20) as client:

        async def one(writer: int) -> None:
            while True:
                number = state["next"] = state["next"] + 1
                await asyncio.sleep(max(0.0, started + (number - state["first"]) / rate - time.monotonic()))
                try:
                    await _one(client, number, state)
                except httpx.TransportError:
                    return

        await asyncio.gather(*(one(writer) for writer in range(WRITERS)))


async def _one(client: httpx.AsyncClient, number: int, state: dict[str, Any]) -> None:
    if number % 2:
        item = f"k{number % 40}"
        state["sent"].setdefault(item, []).append(number)
        answer = await client.put(f"/items/{item}", json=row(number))
        answer.raise_for_status()
        state["put"][item] = max(number, state["put"].get(item, 0))
    else:
        told = [{"user_id": f"w{number}", "item_id": item} for item in state["known"]]
        answer = await client.post("/interactions", json={"interactions": told})
        answer.raise_for_status()
        state["told"].append(f"w{number}")
        state["people"].append(f"w{number}")


def row(number: int) -> dict[str, Any]:
    """An item that says the same number in all its fields; texts repeat, so that encoding is not what is measured."""
    return {
        "title": f"Thing {number % 7}",
        "text": f"Number {number % 7}",
        "price": number,
        "price_original": number,
    }


def check(address: str, header: dict[str, str], state: dict[str, Any]) -> dict[str, int]:
    """Count what is lost and what is there in part."""
    faults = {"lost": 0, "partial": 0}
    with httpx.Client(base_url=address, headers=header, timeout=60) as client:
        for person in state["people"]:
            told = len(client.get(f"/users/{person}").json()["told"])
            faults["partial"] += told not in (0, TOGETHER)
            faults["lost"] += told == 0 and person in state["told"]
        hits = {
            hit["item_id"]: hit
            for number in range(7)
            for hit in client.get("/search", params={"q": f"Thing {number}", "k": 100}).json()["hits"]
        }
        for item, sent in state["sent"].items():
            price = hits.get(item, {}).get("price")
            faults["lost"] += item in state["put"] and (price is None or price < state["put"][item])
            faults["partial"] += price is not None and (
                price not in sent or hits[item]["price_original"] != price
            )
    return faults


def run(bundle: Path, change_log: str, kills: int, seed: int = 42, rate: float = 200) -> dict[str, Any]:
    """Start, write, kill and check, so many times over one database; then everything once more."""
    chance = random.Random(seed)
    settings = ServingSettings(change_log=change_log, writes_per_minute=10**9, reads_per_minute=10**9)
    header = {"Authorization": f"Bearer {create_key(open_database(change_log), 'durability', 'admin')}"}
    known = pd.read_parquet(bundle / "catalogue" / "items.parquet", columns=["item_id"])["item_id"].tolist()
    state: dict[str, Any] = {"next": 0, "first": 0, "put": {}, "told": [], "sent": {}, "people": []}
    state["known"] = known[:TOGETHER]
    total, seconds = {"lost": 0, "partial": 0}, 0.0
    for _ in range(kills):
        service = ServiceProcess(bundle, settings).wait()
        faults = check(service.address, header, state | {"people": state["people"][-200:]})
        total = {name: total[name] + faults[name] for name in total}
        state["first"], lasts = state["next"], chance.uniform(0.3, 1.5)
        seconds += lasts

        async def round_of_writes(service: ServiceProcess = service, lasts: float = lasts) -> None:
            writing = asyncio.create_task(write(service.address, header, state, rate))
            await asyncio.sleep(lasts)
            await asyncio.to_thread(service.kill)
            await writing

        asyncio.run(round_of_writes())
    with ServiceProcess(bundle, settings) as service:
        faults = check(service.address, header, state)
    total = {name: total[name] + faults[name] for name in total}
    acknowledged = len(state["told"]) + sum(map(len, state["sent"].values()))
    return {
        "kills": kills,
        "writes_sent": state["next"],
        "interactions_acknowledged": len(state["told"]) * TOGETHER,
        "writes_per_second": round(acknowledged / max(seconds, 1e-9), 1),
        **total,
        "seed": seed,
    }


def main() -> None:
    """Print JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bundle", type=Path, default=Path("data/bundle"))
    arguments.add_argument("--kills", type=int, default=50)
    arguments.add_argument("--postgres", action="store_true", help="over a Postgres that is started for it")
    arguments.add_argument("--quick", action="store_true", help="five kills")
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    with ExitStack() as stack:
        if given.postgres:
            change_log = stack.enter_context(postgres())
        else:
            change_log = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/changes.db"
        found = run(given.bundle, change_log, 5 if given.quick else given.kills)
    found["database"] = "postgres" if given.postgres else "sqlite"
    print(json.dumps(found, indent=2))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
