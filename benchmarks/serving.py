"""Requests a second and times of the service, beside `mlflow models serve` of the same bundle: python benchmarks/serving.py

wrk makes the load over loopback, with as many connections as keep one worker busy. "known" queries are of a hundred
texts, which are encoded once; "new" ones are all different, so each is encoded. Items and people are made up around the
workspace's text model; memory is that of a worker after the load: what no file backs, which is its own (own), and with
the pages of mapped files that it has touched, which all workers share and the kernel may take back (rss).

`mlflow models serve` runs as its manual says, in this environment and with its own number of workers.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import psutil
import typer
from made_up_bundle import made_up_bundle
from service_process import ServiceProcess, free_port

from components.serving.settings import ServingSettings
from components.serving.storage.api_keys import create_key
from components.serving.storage.database import open_database

CONNECTIONS = 4
HERE = Path(__file__).parent
LUA = """
math.randomseed({seed})
local turn = 0
request = function()
  turn = turn + 1
  {body}
end
"""
WORDS = 'string.format("w%x w%x", math.random(0, 20000), math.random(0, 20000))'
LOADS = {
    "search, known text": 'return wrk.format("GET", "/search?q=w" .. string.format("%x", 100 + turn % 100) .. "+w1&k=12")',
    "search, known text, person, price": 'return wrk.format("GET", "/search?q=w" .. string.format("%x", 100 + turn % 100) .. "+w1&k=12&price_max=30&user_id=u" .. math.random(0, {people} - 1))',
    "search, new text": 'return wrk.format("GET", "/search?k=12&q=" .. string.gsub({words}, " ", "+"))',
    "recommend for a person": 'return wrk.format("GET", "/recommend/users/u" .. math.random(0, {people} - 1))',
    "recommend like an item": 'return wrk.format("GET", "/recommend/items/i" .. math.random(0, {items} - 1))',
}
RECORDS = {
    "search, known text": """{"query": "w' .. string.format("%x", 100 + turn % 100) .. ' w1", "k": 12}""",
    "recommend for a person": """{"query": "", "user_id": "u' .. math.random(0, PEOPLE - 1) .. '", "k": 12}""",
}
INVOCATION = """return wrk.format("POST", "/invocations", {["Content-Type"] = "application/json"},
  '{"dataframe_records": [RECORD]}')"""


def load(address: str, body: str, seconds: int, seed: int, server: int) -> dict[str, float]:
    """Ask a server process for so long; requests a second, times in milliseconds, and answers that were none.

    cpu_ms: what the server spent a request, its threads together; a second holds so many of them as one core can do,
    whatever else the machine does.
    """
    before = cpu_seconds(server)
    with wrk(address, body, seconds, seed, CONNECTIONS) as process:
        told, _ = process.communicate()
    spent = cpu_seconds(server) - before
    times = dict(re.findall(r"(50|99)%\s+([\d.]+[mu]?s)", told))
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    return {
        "requests_per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1]),  # type: ignore[index]
        "cpu_ms": round(1000 * spent / max(1, int(re.search(r"(\d+) requests in", told)[1])), 2),  # type: ignore[index]
        "p50_ms": _milliseconds(times["50"]),
        "p99_ms": _milliseconds(times["99"]),
        "failed": int(failed[1]) if failed else 0,
    }


@contextmanager
def wrk(
    address: str, body: str, seconds: int, seed: int, connections: int
) -> Iterator[subprocess.Popen[str]]:
    """Ask from outside, until the time is over or the block ends."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA.format(seed=seed, body=body))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "--latency"]
        process = subprocess.Popen([*command, "-s", script.name, address], stdout=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([mu]?s)", text).groups()  # type: ignore[union-attr]
    return round(float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit], 2)


def cpu_seconds(process: int) -> float:
    """What a process and its children have spent."""
    root = psutil.Process(process)
    return sum(sum(each.cpu_times()[:2]) for each in [root, *root.children(recursive=True)])


def memory(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Megabytes of the largest process of a service."""
    root = psutil.Process(process.pid)
    workers = [root, *root.children(recursive=True)]
    largest = max(workers, key=lambda each: each.memory_info().rss)
    own = sum(part.anonymous for part in largest.memory_maps())
    return {"own_mb": round(own / 1e6), "rss_mb": round(largest.memory_info().rss / 1e6)}


def visible(addresses: str, header: dict[str, str], changes: int, items: int) -> dict[str, Any]:
    """From before an item is put until two workers both show it, under load; and what a reader finds after the answer.

    In turns an item gets a text that nobody has encoded, and then another price.
    """
    times: dict[str, list[float]] = {"a new text": [], "a new price": []}
    stale = 0
    with httpx.Client(base_url=addresses, headers=header, timeout=30) as client:
        for number in range(changes):
            turn, kind = number // 2, ("a new text", "a new price")[number % 2]
            item, text = f"i{turn * 37 % items}", f"lamp {turn} of {changes}"
            started = time.perf_counter()
            client.put(f"/items/{item}", json={"title": text, "price": number + 1}).raise_for_status()
            times[kind].append((time.perf_counter() - started) * 1000)
            for _ in range(4):  # a connection each, which the kernel gives to either worker
                asked = {"q": text, "price_min": number + 1, "price_max": number + 1}
                hits = httpx.get(f"{addresses}/search", params=asked, timeout=30).json()["hits"]
                stale += not any(hit["item_id"] == item for hit in hits)
    return {"changes": changes, "readers_who_did_not_see_it": stale} | {
        kind: {f"p{part}_ms": round(float(np.percentile(found, part)), 2) for part in (50, 99)}
        for kind, found in times.items()
    }


def mlflow_serve(bundle: Path, people: int, seconds: int, warm_up: int, seed: int) -> dict[str, Any]:
    """The same bundle behind MLflow's own server."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        model, port = Path(folder) / "model", free_port()
        mlflow.pyfunc.save_model(
            model,
            python_model=str(HERE.parent / "components" / "bundle" / "pyfunc.py"),
            artifacts={"bundle": str(bundle)},
            code_paths=[str(HERE.parent / "components")],
            pip_requirements=[],
        )
        command = [str(Path(sys.executable).parent / "mlflow"), "models", "serve", "--env-manager", "local"]
        server = subprocess.Popen(
            [*command, "--model-uri", str(model), "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        address, found = f"http://127.0.0.1:{port}", {}
        try:
            _wait(f"{address}/ping")
            for name, record in RECORDS.items():
                asked = INVOCATION.replace("RECORD", record).replace("PEOPLE", str(people))
                load(address, asked, warm_up, seed + 1, server.pid)
                found[name] = load(address, asked, seconds, seed, server.pid)
        finally:
            for child in [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]:
                child.kill()
            server.wait()
        return found


def _wait(address: str) -> None:
    for _ in range(1200):
        try:
            if httpx.get(address).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{address} does not answer.")


def main(
    bundle: Annotated[Path, typer.Option(help="The bundle whose text model and filter serve")] = Path(
        "data/bundle"
    ),
    items: Annotated[int, typer.Option(help="Items that are made up")] = 100_000,
    people: Annotated[int, typer.Option(help="People that are made up")] = 100_000,
    seconds: Annotated[int, typer.Option(help="How long each load lasts")] = 10,
    warm_up: Annotated[int, typer.Option(help="Seconds of each load before it is measured")] = 8,
    changes: Annotated[int, typer.Option(help="Changes whose way to two workers is timed")] = 1000,
    peer: Annotated[bool, typer.Option(help="Ask `mlflow models serve` too")] = True,
    quick: Annotated[bool, typer.Option(help="2,000 items and people, a second each")] = False,
    seed: Annotated[int, typer.Option(help="Of all that is made up")] = 42,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the result is written")] = None,
) -> None:
    """Print JSON."""
    items, people, seconds, changes = (2000, 2000, 1, 50) if quick else (items, people, seconds, changes)
    result: dict[str, Any] = {"items": items, "people": people, "connections": CONNECTIONS, "seed": seed}
    result["versions"] = {name: version(name) for name in ("fastapi", "uvicorn", "mlflow", "annoy")}
    with tempfile.TemporaryDirectory(dir=".tandem") as name:
        folder = made_up_bundle(bundle, Path(name) / "bundle", items, people, seed)
        change_log = f"sqlite:///{Path(name).resolve() / 'changes.db'}"
        settings = ServingSettings(change_log=change_log, reads_per_minute=10**9, writes_per_minute=10**9)
        with ServiceProcess(folder, settings) as service:
            for load_name, body in LOADS.items():
                asked = body.format(people=people, items=items, words=WORDS)
                load(service.address, asked, warm_up, seed + 1, service.process.pid)
                result[load_name] = load(service.address, asked, seconds, seed, service.process.pid)
                print(json.dumps({load_name: result[load_name]}), flush=True)
            result["memory of a worker"] = memory(service.process)
        header = {"Authorization": f"Bearer {create_key(open_database(change_log), 'benchmark', 'write')}"}
        with ServiceProcess(folder, settings, workers=2) as service:
            body = LOADS["search, known text"].format(people=people, items=items)
            with wrk(service.address, body, 3600, seed, 1):
                result["a change in two workers"] = visible(service.address, header, changes, items)
        print(json.dumps({"a change in two workers": result["a change in two workers"]}), flush=True)
        if peer:
            for load_name, theirs in mlflow_serve(folder, people, seconds, warm_up, seed).items():
                ours = result[load_name]
                result[f"mlflow models serve, {load_name}"] = theirs | {
                    "our_requests_per_cpu_second": round(theirs["cpu_ms"] / ours["cpu_ms"], 2),
                    "our_requests_per_s": round(ours["requests_per_s"] / theirs["requests_per_s"], 2),
                }
    print(json.dumps(result, indent=1))
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
