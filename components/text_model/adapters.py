"""Train low-rank adapters (LoRA, Hu et al., 2021), over 4-bit weights if asked (QLoRA, Dettmers et al., 2023)."""

from importlib.util import find_spec
from typing import Any

import torch

from components.text_model.encoder import open_model
from components.text_model.settings import TextModelError, TextModelSettings


def check_method(settings: TextModelSettings) -> None:
    """Raise TextModelError where the method needs a library that is not installed."""
    if settings.method == "qlora" and find_spec("bitsandbytes") is None:
        raise TextModelError(
            "method is qlora, which needs bitsandbytes. Install it with: pip install '.[gpu]', "
            "or set lora in conf/text_model.yaml."
        )


def quantize_backbone(model: Any, name: str) -> None:
    """Replace a model's backbone by that of the named model in 4-bit NormalFloat weights."""
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        # The scales are quantised too: .37 bits a weight less (Dettmers et al., 2023)
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    # The head keeps its full weights: it is trained itself, without an adapter
    model[0].model = open_model(name, quantization_config=quantization)[0].model


def attach_adapters(model: Any, settings: TextModelSettings) -> None:
    """Put adapters on the backbone of a Sentence-Transformers model, which freezes its own weights."""
    from peft import LoraConfig, get_peft_model

    rank = settings.lora_rank
    # All linear layers: with fewer, adapters fall short of training every weight (Dettmers et al., 2023)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    model[0].model = get_peft_model(model[0].model, config)


def merge_adapters(model: Any) -> None:
    """Add the adapters to the weights, so that the model loads without peft."""
    model[0].model = model[0].model.merge_and_unload()
