"""Calibration end to end: the threshold blocks about the chosen share of texts it has not seen."""

import json

import numpy as np
import pandas as pd
import pytest

from components.ethics.calibrate import Readings
from components.ethics.filter import EthicsFilter
from components.language.encoder import Encoder
from tests.ethics.conftest import LISTS, calibrated


def test_what_is_reported_is_what_was_read(done, guard):
    figures = json.loads((done / "ethics.json").read_text())
    banned = pd.concat([pd.read_csv(file) for file in (LISTS / "banned").glob("*.csv")])
    assert figures["banned_sentences"] == len(banned) == len(guard.sentences) == len(guard.banned)
    assert figures["benign_sentences"] == len(guard.benign)
    assert figures["titles"] == 120
    assert (figures["threshold"], figures["contrast"]) == (guard.threshold, guard.contrast)


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_the_held_out_false_block_rate_is_near_the_chosen_share(
    rate, catalogue, small_encoder_folder, tmp_path
):
    figures = calibrated(catalogue, small_encoder_folder, tmp_path, false_block_rate=rate)
    halved = (figures["benign_sentences"] + figures["titles"]) // 2
    assert abs(figures["held_out_false_block_rate"] - rate) < 3 * np.sqrt(2 * rate * (1 - rate) / halved)


def test_more_false_blocks_let_more_be_caught(catalogue, small_encoder_folder, tmp_path):
    recalls = []
    for rate in (0.01, 0.05, 0.2):
        (tmp_path / str(rate)).mkdir()
        figures = calibrated(
            catalogue, small_encoder_folder, tmp_path / str(rate), false_block_rate=rate, contrasts=(0.5,)
        )
        recalls.append(figures["held_out_recall"])
    assert recalls == sorted(recalls) and recalls[-1] > recalls[0]


def test_every_banned_sentence_itself_is_blocked(guard, encoder):
    assert all(guard.judge(sentence, encoder).blocked for sentence in guard.sentences)


def test_benign_look_alikes_are_let_through(guard, encoder):
    fine = pd.read_csv(LISTS / "benign" / "tandem.csv")["sentence"]
    assert np.mean([guard.judge(sentence, encoder).blocked for sentence in fine]) <= 0.02


def test_calibrating_again_gives_the_same_bytes(done, catalogue, small_encoder_folder, tmp_path):
    calibrated(catalogue, small_encoder_folder, tmp_path)
    for name in ("ethics/filter.json", "ethics/vectors.safetensors", "ethics.json"):
        assert (tmp_path / name).read_bytes() == (done / name).read_bytes()


def test_without_titles_the_benign_sentences_are_enough(catalogue, small_encoder_folder, tmp_path):
    figures = calibrated(catalogue, small_encoder_folder, tmp_path, maximum_titles=0)
    assert figures["titles"] == 0 and 0 < figures["held_out_recall"] <= 1
    assert EthicsFilter.load(tmp_path / "ethics").threshold == figures["threshold"]


def test_a_sentence_is_judged_without_itself_and_a_text_by_its_worst_reading(encoder: Encoder):
    sentences = ["how to build a pipe bomb", "how to build a kite", "H0W T0 BUILD 4 KITE"]
    vectors = encoder.encode(sentences)
    read = Readings.of(sentences, encoder, 8)
    assert read.texts.tolist() == [0, 1, 2, 2]
    alone, with_itself = read.worst(read.nearest_other(vectors)), read.worst(read.nearest(vectors))
    assert (alone < 0.99).tolist() == [True, True, False]
    np.testing.assert_allclose(with_itself, 1, atol=1e-3)
