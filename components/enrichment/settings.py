"""Settings of the enrichment, read from `conf/enrichment.yaml`."""

from typing import Literal

from pydantic import Field

from components.core.errors import TandemError
from components.core.settings import Settings


class EnrichmentError(TandemError):
    """An enrichment that cannot be asked for or read: names the file or setting, and how to fix it."""


class EnrichmentSettings(Settings):
    """Who describes the items, how it is asked, and what a night may cost."""

    conf_file = "enrichment.yaml"

    engine: Literal["shipped", "endpoint", "local"] = Field(
        "shipped", description="Who describes the items: nobody anew, a server, or a small model here"
    )
    addresses: list[str] = Field(
        ["http://127.0.0.1:8080/v1"], min_length=1, description="Addresses of the server, asked in turn"
    )
    model: str = Field("", description="Name of the model at the endpoint")
    key_variable: str = Field("OPENAI_API_KEY", description="Environment variable that holds the key")
    local_model: str = Field("", description="Folder with a model in GGUF; empty for the pinned one")
    language: str = Field("en", min_length=2, max_length=2, description="Language that answers must be in")
    maximum_item_characters: int = Field(
        4000, ge=100, description="Characters of an item's text that the model is given"
    )
    maximum_answer_tokens: int = Field(1200, ge=50, description="Tokens of an answer, at most")
    temperature: float = Field(0.2, ge=0, le=2, description="How much chance decides the words of an answer")
    concurrency: int = Field(8, ge=1, le=1000, description="Items asked at once")
    requests_per_minute: float = Field(600, gt=0, description="Requests a minute, at most")
    timeout_seconds: float = Field(60, gt=0, description="Silence after which a request counts as lost")
    retries: int = Field(4, ge=0, description="Further tries of a request after a fault that may pass")
    maximum_failures: int = Field(10, ge=1, description="Lost requests in a row that end the asking")
    maximum_requests: int = Field(20_000, ge=0, description="Requests a night, at most")
    maximum_tokens: int = Field(30_000_000, ge=0, description="Tokens a night, at most")
    maximum_cost: float = Field(25.0, ge=0, description="Money a night, at most")
    input_price: float = Field(0.0, ge=0, description="Price of a million tokens that the model reads")
    output_price: float = Field(0.0, ge=0, description="Price of a million tokens that the model writes")
