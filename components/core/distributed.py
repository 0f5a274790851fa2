"""Training in several processes, one for each GPU, or on CPUs where there is none; on one machine or on several.

Each machine starts its own processes; Ray starts the work on the other machines. Where torchrun started the stage on
every machine, the processes exist already.
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

from components.core.cluster import ClusterError, call_in_folder, connect_cluster, make_importable
from components.core.compute import ComputeSettings
from components.core.errors import TandemError


@dataclass(frozen=True)
class TrainingMachine:
    """One machine of a training: its number, its processes, and the address of the first process of all."""

    number: int
    machines: int
    processes: int
    address: str
    port: int

    def process_environment(self, process: int) -> dict[str, str]:
        """Return the environment variables of a process, which have the names that torchrun gives them."""
        variables = {
            "RANK": self.number * self.processes + process, "LOCAL_RANK": process,
            "NODE_RANK": self.number, "GROUP_RANK": self.number,
            "WORLD_SIZE": self.machines * self.processes, "LOCAL_WORLD_SIZE": self.processes,
            "MASTER_ADDR": self.address, "MASTER_PORT": self.port,
        }  # fmt: skip
        return {name: str(value) for name, value in variables.items()}


def run_distributed(compute: ComputeSettings, learn: Callable[..., Any], *arguments: Any) -> Any:
    """Call a module's function in all processes that train together, and return the result of the first.

    Of processes that torchrun started, all but the first exit here.
    """
    devices, nodes = compute.training_devices, compute.training_nodes
    if "RANK" in os.environ or devices * nodes == 1:
        result = learn(*arguments)
        if training_rank() > 0:
            # The first process alone writes the stage's outputs
            sys.exit()
        return result
    if nodes == 1:
        machine = TrainingMachine(0, 1, processes=devices, address="localhost", port=find_free_port())
        return _train_on_machine(machine, learn, arguments)
    return _train_on_cluster(compute, make_importable(learn), arguments)


def training_rank() -> int:
    """Return the rank of this process among those that train together; 0 where it is the only one."""
    return int(os.environ.get("RANK", "0"))


def count_processes() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def count_machines() -> int:
    """Return how many machines train together, all with the same number of processes."""
    return count_processes() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _train_on_machine(machine: TrainingMachine, learn: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Start a machine's processes and return the result of its first.

    Raises the TandemError that one of them raised.
    """
    # Imported here, because a stage that trains in one process needs none of it
    from torch import multiprocessing

    # spawn returns nothing, so the result comes back in a file
    with tempfile.NamedTemporaryFile() as result:
        given = machine, result.name, learn, arguments
        try:
            multiprocessing.spawn(_run_process, given, nprocs=machine.processes)  # type: ignore[attr-defined, no-untyped-call]
        except multiprocessing.ProcessRaisedException:  # type: ignore[attr-defined]
            # torch keeps only the text of the traceback; the file has the error itself, for the command line
            if Path(result.name).stat().st_size:
                raise pickle.load(result) from None
            raise
        return pickle.load(result)


def _run_process(
    process: int, machine: TrainingMachine, result: str, learn: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(machine.process_environment(process))
    try:
        learnt = learn(*arguments)
    except TandemError as error:
        Path(result).write_bytes(pickle.dumps(error))
        raise
    if process == 0:
        Path(result).write_bytes(pickle.dumps(learnt))


def _train_on_cluster(compute: ComputeSettings, learn: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Train on several machines of a Ray cluster, each with all its GPUs."""
    devices, nodes = compute.training_devices, compute.training_nodes
    with connect_cluster(compute) as ray:
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        # Without enough machines the placement group would wait for ever
        _check_machines(ray.nodes(), nodes, devices)
        gpus = devices if ray.cluster_resources().get("GPU") else 0
        group = placement_group([{"CPU": devices, "GPU": gpus}] * nodes, strategy="STRICT_SPREAD")
        ray.get(group.ready())

        def start_on(node: int, function: Callable[..., Any], *given: Any) -> Any:
            strategy = PlacementGroupSchedulingStrategy(group, node)
            # No retries: training does not go on without one of its machines
            options = {"num_cpus": devices, "num_gpus": gpus, "max_retries": 0}
            return ray.remote(**options, scheduling_strategy=strategy)(function).remote(*given)

        address, port = ray.get(start_on(0, _choose_address))
        trainings = []
        for node in range(nodes):
            machine = TrainingMachine(node, nodes, processes=devices, address=address, port=port)
            job = str(Path.cwd()), _train_on_machine, machine, learn, arguments
            trainings.append(start_on(node, call_in_folder, *job))
        return ray.get(trainings)[0]


def _check_machines(machines: list[dict[str, Any]], nodes: int, devices: int) -> None:
    """Raise ClusterError where fewer machines, as Ray describes them, can train than the settings ask for."""
    able = sum(machine["Alive"] and machine["Resources"].get("CPU", 0) >= devices for machine in machines)
    if able < nodes:
        raise ClusterError(
            f"The cluster has {able} machines with {devices} processors or more; training needs {nodes}. "
            "Start more with `ray start --address`, or lower nodes or devices in conf/compute.yaml."
        )


def _choose_address() -> tuple[str, int]:
    """Return this machine's address and a free port, where the first process will listen."""
    import ray

    return ray.util.get_node_ip_address(), find_free_port()  # type: ignore[no-untyped-call]


def find_free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("", 0))  # 0 lets the system choose
        port: int = free.getsockname()[1]
    return port
