"""Settings of where stages run (`conf/compute.yaml`); they change no output, so no stage runs again for them."""

from typing import Annotated, Literal

from pydantic import Field

from components.core.settings import Conf


class ComputeSettings(Conf):
    """One machine, several GPUs, or several machines."""

    conf_file = "compute.yaml"

    kind: Literal["laptop", "gpus", "cluster"] = Field(
        default="laptop",
        description="One machine and at most one GPU, all GPUs of one machine, or several machines",
    )
    workers: int = Field(
        default=2, ge=1, description="Processes of one machine that describe films, a thread each"
    )
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto",
        description="gpus, cluster: GPUs of a machine that train together (without GPUs: processes)",
    )
    nodes: int = Field(default=1, ge=1, description="cluster: machines that train together")
    ray: str = Field(
        default="auto",
        pattern=r"^(auto|\S+:\d+)$",
        description="cluster: address of Ray's head; auto for the one of this machine",
    )
    gpu_share: float = Field(
        default=0, ge=0, le=1, description="cluster: share of a GPU that a film or a block of texts takes"
    )

    @property
    def training_devices(self) -> int:
        """Return how many GPUs, or processes, of each machine train together."""
        if self.kind == "laptop":
            return 1
        if self.devices == "auto":
            # Imported here, because most stages need no torch and its import is slow
            import torch

            return max(1, torch.cuda.device_count())
        return self.devices

    @property
    def training_nodes(self) -> int:
        """Return how many machines train together."""
        return self.nodes if self.on_cluster else 1

    @property
    def on_cluster(self) -> bool:
        """Return whether films and texts are spread over the machines of a Ray cluster."""
        return self.kind == "cluster"


# For stages that are called as functions; equal to the committed conf/compute.yaml
LAPTOP = ComputeSettings()


def device_name() -> str:
    """Return what this process computes on: the name of its GPU, or cpu."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def multiplies_bfloat16() -> bool:
    """Return whether this process's device multiplies 16-bit floats (bfloat16) faster than 32-bit ones.

    Vectors keep a cosine of .9999 to those of 32 bits, and encoding takes half the time or less.
    """
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))
