"""Settings of the pinned packages: their versions and hashes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.core.settings import Settings

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Package(BaseModel):
    """One file of a package registry, pinned by its hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Name in the registry")
    version: str = Field(description="Exact version")
    sha256: Sha256 = Field(description="Hash of the file that the registry serves")
    licence: str = Field(description="Licence of what is taken, as its authors state it")


class PinnedPackagesSettings(Settings):
    """The packages of the embedded data and weights, by their purpose."""

    conf_file = "pinned_packages.yaml"
    old_file = "packages.yaml"

    movielens: Package = Field(description="MovieLens-100K")
    clips: Package = Field(description="Three short films")
    mpnet: list[Package] = Field(description="Parts of the archive of all-mpnet-base-v2, in order")
    mpnet_weights_sha256: Sha256 = Field(
        description="Hash of model.safetensors as the model's hub publishes it"
    )
    transnetv2: Package = Field(description="Shot detection network")
    i3d: Package = Field(description="3D-CNN, Kinetics-400, RGB")
    voices: Package = Field(description="Voice encoder, GE2E")
    smollm2: Package = Field(description="SmolLM2-135M-Instruct in GGUF, the local language model")
