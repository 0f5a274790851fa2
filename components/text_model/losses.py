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


def nested(settings: TextModelSettings) -> list[int]:
    """The lengths of vector that are trained, longest first."""
    shorter = {length for length in settings.nested_dimensions if length < settings.dimensions}
    return [settings.dimensions, *sorted(shorter, reverse=True)]


def pairs_loss(model: Any, settings: TextModelSettings) -> torch.nn.Module:
    """In-batch negatives (Henderson et al., 2017) at each length (Matryoshka, Kusupati et al., 2022).

    A batch of more texts than are held at once goes through the model twice (GradCache, Gao et al., 2021).
    """
    from sentence_transformers.losses import (
        CachedMultipleNegativesRankingLoss,
        MatryoshkaLoss,
        MultipleNegativesRankingLoss,
    )

    whole: torch.nn.Module
    several = count_processes() > 1
    if settings.batch_size <= settings.micro_batch_size:
        whole = MultipleNegativesRankingLoss(model, gather_across_devices=several)
    else:
        whole = CachedMultipleNegativesRankingLoss(
            model, mini_batch_size=settings.micro_batch_size, gather_across_devices=several
        )
    lengths = nested(settings)
    return MatryoshkaLoss(model, whole, lengths, [1 / len(lengths)] * len(lengths))


def elsa_loss(factors: torch.Tensor, users: torch.Tensor) -> torch.Tensor:
    """Mean over users (u, i) of 2 − 2cos(xAAᵀ − x, x) for item factors A (i, d) (ELSA, Vančura et al., 2022)."""
    rows = normalize(factors, dim=1)
    predicted = (users @ rows) @ rows.T - users
    return (2 - 2 * torch.cosine_similarity(predicted, users, dim=1)).mean()


class TasteLoss(torch.nn.Module):
    """ELSA's loss with text vectors as the items' factors (beeFormer, Vančura et al., 2024).

    texts: of the items, (i,). histories: (u, i), what each person likes. A step draws some items that people like
    together, encodes them and scores everyone who likes two or more of them.
    """

    def __init__(self, model: Any, texts: list[str], histories: Csr, settings: TextModelSettings) -> None:
        super().__init__()
        self.model, self.texts, self.settings = model, texts, settings
        self.histories, self.by_item = histories, histories.tocsc()

    def draw(self) -> tuple[NDArray[np.int64], torch.Tensor]:
        """Items (i',) and the rows of users among them (u', i'), by torch's own chance, which checkpoints keep."""
        chance = np.random.default_rng([int(torch.randint(2**62, ())), training_rank()])
        people = chance.permutation(self.histories.shape[0])[: self.settings.items_per_step]
        items = np.sort(pd.unique(self.histories[people].indices)[: self.settings.items_per_step])
        among = self.by_item[:, items].tocsr()
        told = np.flatnonzero(np.diff(among.indptr) > 1)
        told = np.sort(chance.permutation(told)[: self.settings.users_per_step])
        return items, torch.from_numpy(among[told].toarray())

    def encode(self, texts: list[str]) -> torch.Tensor:
        """Vectors of texts (i', d), of which `texts_at_once` are held; backwards each is encoded again."""
        step = self.settings.micro_batch_size
        groups = [self._features(texts[start : start + step]) for start in range(0, len(texts), step)]
        if len(groups) == 1:
            return self._vectors(groups[0])
        return torch.cat([checkpoint(self._vectors, group, use_reentrant=False) for group in groups])

    def forward(self) -> torch.Tensor:
        """The loss of one draw, averaged over the lengths of vector."""
        items, users = self.draw()
        vectors = self.encode([self.texts[item] for item in items])
        if not len(users):
            return 0 * vectors.sum()
        users = users.to(vectors.device, vectors.dtype)
        lengths = nested(self.settings)
        return torch.stack([elsa_loss(vectors[:, :length], users) for length in lengths]).mean()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def _features(self, texts: list[str]) -> dict[str, torch.Tensor]:
        features = self.model.preprocess(texts, prompt=None)
        return {
            name: value.to(self.device) if torch.is_tensor(value) else value
            for name, value in features.items()
        }

    def _vectors(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        vectors: torch.Tensor = self.model(dict(features))["sentence_embedding"]
        return vectors


class CombinedLoss(torch.nn.Module):
    """The weighted sum of both losses, each logged by its name."""

    def __init__(self, model: Any, taste: TasteLoss, settings: TextModelSettings) -> None:
        super().__init__()
        self.model, self.taste, self.settings = model, taste, settings
        self.pairs = pairs_loss(model, settings)

    def forward(self, features: Any, labels: Any) -> dict[str, torch.Tensor]:
        """The parts of a step's loss."""
        parts = {"taste": self.settings.interactions_weight * self.taste()}
        if self.settings.pairs_weight:
            parts["pairs"] = self.settings.pairs_weight * self.pairs(features, labels)
        return parts
