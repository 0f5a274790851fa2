"""Train low-rank adapters (LoRA, Hu et al., 2021), over 4-bit weights if asked (QLoRA, Dettmers et al., 2023)."""

from importlib.util import find_spec
from typing import Any

import torch

from components.text_model.encoder import open_model
from components.text_model.settings import TextModelError, TextModelSettings


def check_method(settings: TextModelSettings) -> None:
    """Raise LanguageError where the method asks for what this machine does not have."""
    if settings.method == "qlora" and find_spec("bitsandbytes") is None:
        raise TextModelError(
            "method is qlora, which needs bitsandbytes. Install it with: pip install '.[gpu]', "
            "or set lora in conf/text_model.yaml."
        )


def quantise(model: Any, name: str) -> None:
    """Put the backbone of the model of that name, in 4-bit NormalFloat weights, in place of a model's own."""
    from transformers import BitsAndBytesConfig

    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model[0].model = open_model(name, quantization_config=quantisation)[0].model


def attach(model: Any, settings: TextModelSettings) -> None:
    """Put adapters on a Sentence-Transformers model's backbone, which is frozen while they are there."""
    from peft import LoraConfig, get_peft_model

    rank = settings.lora_rank
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    model[0].model = get_peft_model(model[0].model, config)


def fold(model: Any) -> None:
    """Add what the adapters learnt to the weights, so that the model is a plain one again."""
    model[0].model = model[0].model.merge_and_unload()
