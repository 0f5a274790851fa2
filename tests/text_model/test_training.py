"""The training loop ends with a message where it cannot go on."""

import numpy as np
import pandas as pd
import pytest
import torch

from components.text_model.encoder import open_model
from components.text_model.finetune import add_head
from components.text_model.losses import pairs_loss
from components.text_model.settings import TextModelError, TextModelSettings
from components.text_model.training import train_model
from tests.text_model.test_stages import FEW


def test_a_loss_that_is_no_number_names_the_step_and_what_to_do(small_encoder_folder, tmp_path):
    settings = TextModelSettings(**(FEW | {"model": str(small_encoder_folder)}))
    model = add_head(open_model(settings.model), np.eye(64, 384, dtype=np.float32))
    with torch.no_grad():
        model[-2].linear.weight[0, 0] = float("nan")
    pairs = pd.DataFrame({"anchor": ["coat", "hat", "shoe"], "positive": ["Rain coat", "Sun hat", "Sandal"]})
    loss = pairs_loss(model, settings)
    with pytest.raises(TextModelError, match=r"SBERT, step 0: the loss is nan.*learning_rate"):
        train_model(model, pairs, loss, lambda _: {}, {}, tmp_path, settings)
