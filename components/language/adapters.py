"""Train low-rank adapters (LoRA, Hu et al., 2021), over 4-bit weights if asked (QLoRA, Dettmers et al., 2023)."""

from importlib.util import find_spec
from typing import Any

import torch

from components.language.encoder import open_model
from components.language.settings import LanguageError, LanguageSettings


def check_method(settings: LanguageSettings) -> None:
    """Raise LanguageError where the method asks for what this machine does not have."""
    if settings.method == "qlora" and find_spec("bitsandbytes") is None:
        raise LanguageError(
            "method is qlora, which needs bitsandbytes. Install it with: pip install '.[gpu]', "
            "or set lora in conf/language.yaml."
        )


def open_quantised(name: str) -> Any:
    """Open a model with its backbone in 4-bit NormalFloat weights."""
    from transformers import BitsAndBytesConfig

    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return open_model(name, quantization_config=quantisation)


class Adapters:
    """Adapters on a Sentence-Transformers model's backbone, which is frozen while they are there.

    name: what the model was opened by. With qlora a backbone in fewer bits takes the place of the model's own.
    """

    def __init__(self, model: Any, name: str, settings: LanguageSettings) -> None:
        from peft import LoraConfig

        rank = settings.lora_rank
        self.config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
        self.model, self.name, self.quantised = model, name, settings.method == "qlora"

    def attach(self) -> None:
        """Put adapters on the backbone."""
        if self.quantised:
            self.model[0].model = open_quantised(self.name)[0].model
        self._wrap()

    def fold(self) -> None:
        """Add what the adapters learnt to the weights in full precision, so that the model is a plain one again."""
        from peft import get_peft_model_state_dict, set_peft_model_state_dict

        if self.quantised:
            learnt = get_peft_model_state_dict(self.model[0].model)
            self.model[0].model = open_model(self.name)[0].model
            self._wrap()
            set_peft_model_state_dict(self.model[0].model, learnt)
        self.model[0].model = self.model[0].model.merge_and_unload()

    def _wrap(self) -> None:
        from peft import get_peft_model

        self.model[0].model = get_peft_model(self.model[0].model, self.config)
