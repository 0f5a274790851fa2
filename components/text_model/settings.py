"""Settings of the text model, read from `conf/text_model.yaml`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from components.core.errors import TandemError
from components.core.settings import Settings


class TextModelError(TandemError):
    """A text model or its data that cannot be used."""


class TextModelSettings(Settings):
    """How SBERT is finetuned and search is evaluated."""

    conf_file = "text_model.yaml"
    old_file = "language.yaml"
    renamed_keys: ClassVar = {
        "texts_at_once": "micro_batch_size",
        "taste_weight": "interactions_weight",
        "taste_items": "items_per_step",
        "taste_users": "users_per_step",
    }

    model: str = Field(
        "all-mpnet-base-v2", description="Backbone: a folder, a pinned package's model or a hub name"
    )
    dimensions: int = Field(512, ge=8, le=4096, description="Length of a text vector")
    maximum_tokens: int = Field(
        96, ge=16, le=512, description="Longer texts are cut when training and encoding"
    )
    method: Literal["full", "lora", "qlora"] = Field(
        "lora", description="What is trained: everything or adapters"
    )
    lora_rank: int = Field(16, ge=1, le=256, description="Rank of the adapters")
    learning_rate: float = Field(2e-4, gt=0, le=1e-2, description="Peak learning rate")
    batch_size: int = Field(
        32, ge=2, le=4096, description="Pairs a step; the others are each pair's negatives"
    )
    micro_batch_size: int = Field(
        32, ge=1, description="Texts whose activations are held; a batch of more is encoded twice"
    )
    nested_dimensions: list[Annotated[int, Field(ge=1)]] = Field(
        [256, 128], description="Shorter vectors, the first numbers of each, that are trained too"
    )
    pairs_weight: float = Field(1.0, ge=0, description="How much the loss of pairs counts")
    interactions_weight: float = Field(0.0, ge=0, description="How much the recommender's loss counts")
    items_per_step: int = Field(32, ge=2, description="Items a step of the recommender's loss")
    users_per_step: int = Field(1024, ge=1, description="Most users a step of the recommender's loss")
    hard_negatives: bool = Field(
        False, description="Whether each pair gets a text that looks like its answer and is none"
    )
    negative_margin: float = Field(
        0.05, ge=0, le=1, description="How much less like the anchor than its positive a negative has to be"
    )
    maximum_steps: int = Field(30, ge=0, description="Training steps; 0 trains nothing")
    validation_steps: int = Field(30, ge=1, description="Steps between two validations")
    patience: int = Field(3, ge=1, description="Validations without a better figure that end the training")
    checkpoint_steps: int = Field(10, ge=1, description="Steps that a killed run loses at most")
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
    wishes_weight: float = Field(
        0.5, ge=0, le=1, description="Share of a language model's wishes in an item's vector"
    )
    encode_batch_size: int = Field(16, ge=1, description="Texts encoded at once; more suit a GPU")
