"""What finetuning minimises: pairs against in-batch negatives, and the recommender's own loss over text vectors."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from components.core.distributed import count_processes, training_rank
from components.text_model.settings import TextModelSettings

Csr = sparse.csr_matrix


def nested_lengths(settings: TextModelSettings) -> list[int]:
    """Return the vector lengths that are trained, the longest first."""
    shorter = {length for length in settings.nested_dimensions if length < settings.dimensions}
    return [settings.dimensions, *sorted(shorter, reverse=True)]


def pairs_loss(model: Any, settings: TextModelSettings) -> torch.nn.Module:
    """Return in-batch negatives (Henderson et al., 2017) at each length (Matryoshka, Kusupati et al., 2022)."""
    from sentence_transformers.losses import (
        CachedMultipleNegativesRankingLoss,
        MatryoshkaLoss,
        MultipleNegativesRankingLoss,
    )

    in_batch: torch.nn.Module
    # With several processes the positives of all of them serve as each pair's negatives
    gather = count_processes() > 1
    if settings.batch_size <= settings.micro_batch_size:
        in_batch = MultipleNegativesRankingLoss(model, gather_across_devices=gather)
    else:
        # Each text goes through the model twice (GradCache, Gao et al., 2021), so memory is that of a micro-batch
        in_batch = CachedMultipleNegativesRankingLoss(
            model, mini_batch_size=settings.micro_batch_size, gather_across_devices=gather
        )
    lengths = nested_lengths(settings)
    # The mean over the lengths: the loss keeps its scale, and so the learning rate, however many there are
    return MatryoshkaLoss(model, in_batch, lengths, [1 / len(lengths)] * len(lengths))


def elsa_loss(factors: torch.Tensor, users: torch.Tensor) -> torch.Tensor:
    """Return the mean over users (u, i) of 2 − 2cos(xAAᵀ − x, x) for item factors A (i, d) (ELSA, Vančura et al., 2022)."""
    rows = normalize(factors, dim=1)
    predicted = (users @ rows) @ rows.T - users
    return (2 - 2 * torch.cosine_similarity(predicted, users, dim=1)).mean()


class InteractionsLoss(torch.nn.Module):
    """ELSA's loss with text vectors as the items' factors (beeFormer, Vančura et al., 2024).

    texts: of the items, (i,). histories: (u, i), what each user likes. A step draws some items that users like
    together, encodes them and scores the users who like two or more of them.
    """

    def __init__(self, model: Any, texts: list[str], histories: Csr, settings: TextModelSettings) -> None:
        super().__init__()
        self.model, self.texts, self.settings = model, texts, settings
        # By item too, because a step takes columns out of a matrix that may have millions of rows
        self.histories, self.by_item = histories, histories.tocsc()

    def draw_batch(self) -> tuple[NDArray[np.int64], torch.Tensor]:
        """Draw items (i',) and the histories of users among them (u', i')."""
        # Seeded by torch's generator, whose state checkpoints keep: a run that goes on after a kill draws the same.
        # The rank, because processes that train together have the same torch seed.
        chance = np.random.default_rng([int(torch.randint(2**62, ())), training_rank()])
        people = chance.permutation(self.histories.shape[0])[: self.settings.items_per_step]
        items = np.sort(pd.unique(self.histories[people].indices)[: self.settings.items_per_step])
        among = self.by_item[:, items].tocsr()
        # ELSA predicts each item from the user's others, so one item alone teaches nothing
        users = np.flatnonzero(np.diff(among.indptr) > 1)
        users = np.sort(chance.permutation(users)[: self.settings.users_per_step])
        return items, torch.from_numpy(among[users].toarray())

    def encode(self, texts: list[str]) -> torch.Tensor:
        """Return the vectors of texts (i', d), with the activations of at most `micro_batch_size` texts in memory."""
        step = self.settings.micro_batch_size
        groups = [self._tokenize_texts(texts[start : start + step]) for start in range(0, len(texts), step)]
        if len(groups) == 1:
            return self._embed_features(groups[0])
        # Checkpointing encodes each group again on the way back, and keeps no activations until then
        return torch.cat([checkpoint(self._embed_features, group, use_reentrant=False) for group in groups])

    def forward(self) -> torch.Tensor:
        """Return the loss of one draw, averaged over the vector lengths."""
        items, users = self.draw_batch()
        vectors = self.encode(list(map(self.texts.__getitem__, items)))
        if not len(users):
            # Not a plain 0: the Trainer calls backward, which needs a graph
            return 0 * vectors.sum()
        users = users.to(vectors.device, vectors.dtype)
        lengths = nested_lengths(self.settings)
        return torch.stack([elsa_loss(vectors[:, :length], users) for length in lengths]).mean()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def _tokenize_texts(self, texts: list[str]) -> dict[str, torch.Tensor]:
        features: dict[str, torch.Tensor] = dict(self.model.preprocess(texts, prompt=None))
        for name, value in features.items():
            if torch.is_tensor(value):
                features[name] = value.to(self.device)
        return features

    def _embed_features(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        # A copy, because the model adds to the dict and checkpointing reads it twice
        vectors: torch.Tensor = self.model(dict(features))["sentence_embedding"]
        return vectors


class CombinedLoss(torch.nn.Module):
    """The weighted sum of both losses, each logged by its name."""

    def __init__(self, model: Any, taste: InteractionsLoss, settings: TextModelSettings) -> None:
        super().__init__()
        self.model, self.taste, self.settings = model, taste, settings
        self.pairs = pairs_loss(model, settings)

    def forward(self, features: Any, labels: Any) -> dict[str, torch.Tensor]:
        """Return the parts of a step's loss."""
        parts = {"taste": self.settings.interactions_weight * self.taste()}
        # A weight of 0 saves the forward pass of the pairs
        if self.settings.pairs_weight:
            parts["pairs"] = self.settings.pairs_weight * self.pairs(features, labels)
        return parts
