"""The same training in several processes, one a GPU, or on CPUs where there is none; on one machine or on several.

Each machine starts its own processes; Ray reaches the other machines. Where torchrun started the stage itself, on every
machine, the processes are there already.
"""

import os
import pickle
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.cluster import ClusterError, connect_cluster, importable
from components.core.compute import ComputeSettings
from components.core.errors import TandemError


@dataclass(frozen=True)
class TrainingMachine:
    """One of the machines of a training: its number, its processes, and where the first process of all listens."""

    number: int
    machines: int
    processes: int
    address: str
    port: int

    def environment(self, process: int) -> dict[str, str]:
        """What one of its processes has in its environment, as torchrun names it."""
        told = {
            "RANK": self.number * self.processes + process, "LOCAL_RANK": process,
            "NODE_RANK": self.number, "GROUP_RANK": self.number,
            "WORLD_SIZE": self.machines * self.processes, "LOCAL_WORLD_SIZE": self.processes,
            "MASTER_ADDR": self.address, "MASTER_PORT": self.port,
        }  # fmt: skip
        return {name: str(value) for name, value in told.items()}


def run_distributed(compute: ComputeSettings, learn: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a module in as many processes as train, which find each other; what the first one gives.

    Of processes that torchrun started, all but the first end here.
    """
    devices, nodes = compute.training_devices, compute.training_nodes
    if "RANK" in os.environ or devices * nodes == 1:
        given = learn(*arguments)
        if training_rank() > 0:
            sys.exit()
        return given
    if nodes == 1:
        return _train(TrainingMachine(0, 1, devices, "localhost", _free_port()), learn, arguments)
    return _reach(nodes, devices, compute, importable(learn), arguments)


def training_rank() -> int:
    """Return the rank of this process among those that train together, 0 where it is the only one."""
    return int(os.environ.get("RANK", "0"))


def count_processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def count_machines() -> int:
    """How many machines they are on, each with as many."""
    return count_processes() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _train(machine: TrainingMachine, learn: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Start a machine's processes; what its first one gives.

    Raises what one of them raised for a person to read.
    """
    from torch import multiprocessing

    with tempfile.NamedTemporaryFile() as answer:
        told = machine, answer.name, learn, arguments
        try:
            multiprocessing.spawn(_begin, told, nprocs=machine.processes)  # type: ignore[attr-defined, no-untyped-call]
        except multiprocessing.ProcessRaisedException:  # type: ignore[attr-defined]
            if Path(answer.name).stat().st_size:
                raise pickle.load(answer) from None
            raise
        return pickle.load(answer)


def _begin(
    process: int, machine: TrainingMachine, answer: str, learn: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(machine.environment(process))
    try:
        given = learn(*arguments)
    except TandemError as fault:
        Path(answer).write_bytes(pickle.dumps(fault))
        raise
    if process == 0:
        Path(answer).write_bytes(pickle.dumps(given))


def _reach(
    nodes: int, devices: int, compute: ComputeSettings, learn: Callable[..., Any], arguments: tuple[Any, ...]
) -> Any:
    """Train on several machines of a Ray cluster, each with all its GPUs."""
    with connect_cluster(compute) as ray:
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        _demand(ray.nodes(), nodes, devices)
        gpus = devices if ray.cluster_resources().get("GPU") else 0
        group = placement_group([{"CPU": devices, "GPU": gpus}] * nodes, strategy="STRICT_SPREAD")
        ray.get(group.ready())

        def on(node: int, function: Callable[..., Any]) -> Any:
            place = PlacementGroupSchedulingStrategy(group, node)
            return ray.remote(num_cpus=devices, num_gpus=gpus, max_retries=0, scheduling_strategy=place)(
                function
            )

        address, port = ray.get(on(0, _meeting_place).remote())
        working = [
            on(node, _train_there).remote(
                str(Path.cwd()), TrainingMachine(node, nodes, devices, address, port), learn, arguments
            )
            for node in range(nodes)
        ]
        return ray.get(working)[0]


def _demand(found: list[dict[str, Any]], nodes: int, devices: int) -> None:
    """Raise ClusterError where fewer machines are there, as Ray describes them, than are to train together."""
    able = sum(one["Alive"] and one["Resources"].get("CPU", 0) >= devices for one in found)
    if able < nodes:
        raise ClusterError(
            f"Machines of the cluster with {devices} processors: {able}; training wants {nodes}. "
            "Start more with `ray start --address`, or lower nodes or devices in conf/compute.yaml."
        )


def _train_there(folder: str, *told: Any) -> Any:
    os.chdir(folder)
    return _train(*told)


def _meeting_place() -> tuple[str, int]:
    import ray

    return ray.util.get_node_ip_address(), _free_port()  # type: ignore[no-untyped-call]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        port: int = free.getsockname()[1]
    return port
