"""Settings of the language room, read from `conf/language.yaml`."""

from typing import Literal

from pydantic import Field

from components.stage import Settings, TandemError


class LanguageError(TandemError):
    """A text model or its data that cannot be used."""


class LanguageSettings(Settings):
    """How SBERT is finetuned and search is judged."""

    model: str = Field(
        "all-mpnet-base-v2", description="Backbone: a folder, a pinned package's model or a hub name"
    )
    dimensions: int = Field(512, ge=8, le=4096, description="Length of a text vector")
    maximum_tokens: int = Field(
        64, ge=16, le=512, description="Longer texts are cut when training and encoding"
    )
    method: Literal["full", "lora", "qlora"] = Field(
        "lora", description="What is trained: everything or adapters"
    )
    lora_rank: int = Field(16, ge=1, le=256, description="Rank of the adapters")
    learning_rate: float = Field(2e-4, gt=0, le=1e-2, description="Peak learning rate")
    batch_size: int = Field(
        32, ge=2, le=4096, description="Pairs a step; the others are each pair's negatives"
    )
    maximum_steps: int = Field(20, ge=0, description="Training steps; 0 trains nothing")
    maximum_pairs: int = Field(20_000, ge=10, description="Pairs of one kind that are kept")
    held_out_share: float = Field(
        0.4, gt=0, lt=1, description="Share of queries kept aside, half to choose, half to report"
    )
    validation_queries: int = Field(
        300, ge=1, description="Most queries on which models and weights are chosen"
    )
    test_queries: int = Field(300, ge=1, description="Most queries for the final figures")
    hybrid_steps: int = Field(
        20, ge=1, le=100, description="Steps between words alone and vectors alone that are tried"
    )
    encode_batch_size: int = Field(64, ge=1, description="Texts encoded at once")
