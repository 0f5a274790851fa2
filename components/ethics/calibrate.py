"""Set the filter's threshold to the chosen share of false blocks, every sentence judged without itself."""

import json

import numpy as np

from components.catalogue.tables import read_items
from components.ethics.filter import EthicsFilter, score
from components.ethics.sentences import read_banned, read_benign
from components.ethics.settings import EthicsSettings
from components.language.encoder import Encoder, Vectors
from components.stage import Counts, Input, Output, stage


def nearest(texts: Vectors, sentences: Vectors, alone: bool) -> Vectors:
    """Likeness of each text (t, d) to its nearest sentence; `alone` leaves out the sentence of the same row."""
    near = texts @ sentences.T
    if alone:
        np.fill_diagonal(near, -1)
    best: Vectors = near.max(axis=1)
    return best


def threshold_at(scores: Vectors, rate: float) -> float:
    """The score that the given share of benign texts exceeds."""
    return round(float(np.quantile(scores, 1 - rate)), 6)


@stage(EthicsSettings)
def main(
    banned: Input,
    benign: Input,
    catalogue: Input,
    model: Input,
    ethics: Output,
    metrics: Output,
    settings: EthicsSettings,
) -> Counts:
    """Calibrate on half of the benign sentences and the titles; report on the other half."""
    lists, fine = read_banned(banned), read_benign(benign)
    encoder = Encoder.load(model)
    bad = encoder.encode(lists["sentence"].tolist(), progress=True)
    good = encoder.encode(fine["sentence"].tolist(), progress=True)
    titles = read_items(catalogue)["title"]
    titles = titles.sample(min(settings.maximum_titles, len(titles)), random_state=settings.seed)
    named = encoder.encode(titles.tolist(), progress=True)
    order = np.random.default_rng(settings.seed).permutation(len(good))
    choosing, reporting = order[::2], order[1::2]
    found: list[tuple[float, float, float, float]] = []
    for contrast in settings.contrasts:
        of_good = score(nearest(good, bad, False), nearest(good, good, True), contrast)
        of_titles = score(nearest(named, bad, False), nearest(named, good, False), contrast)
        of_bad = score(nearest(bad, bad, True), nearest(bad, good, False), contrast)
        threshold = threshold_at(np.concatenate([of_good[choosing], of_titles]), settings.false_block_rate)
        found.append(
            (
                float((of_bad > threshold).mean()),
                contrast,
                threshold,
                float((of_good[reporting] > threshold).mean()),
            )
        )
    recall, contrast, threshold, false_blocks = max(found, key=lambda entry: entry[0])
    EthicsFilter(
        bad,
        good,
        lists["sentence"].tolist(),
        lists["category"].tolist(),
        contrast,
        threshold,
        settings.window_words,
        settings.maximum_windows,
    ).save(ethics)
    figures = {
        "held_out_recall": round(recall, 6),
        "held_out_false_block_rate": round(false_blocks, 6),
        "plain_rule_recall": round(found[0][0], 6),
        "threshold": threshold,
        "contrast": contrast,
        "banned_sentences": len(lists),
        "benign_sentences": len(fine),
    }
    metrics.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    main.cli()
