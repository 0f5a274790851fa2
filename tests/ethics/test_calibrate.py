"""Calibration end to end: the threshold blocks about the chosen share of texts it has not seen."""

import json

import numpy as np
import pandas as pd
import pytest

from components.ethics.calibrate import Readings, plain_rule_scores
from components.ethics.filter import FILES, EthicsFilter
from components.ethics.head import Votes, folds, likeness
from components.language.encoder import Encoder
from tests.ethics.conftest import LISTS, calibrated


def test_what_is_reported_is_what_was_read(done, guard):
    figures = json.loads((done / "ethics.json").read_text())
    banned = pd.concat([pd.read_csv(file) for file in (LISTS / "banned").glob("*.csv")])
    assert figures["banned_sentences"] == len(banned) == len(guard.sentences)
    assert len(guard.weights) == len(banned) + figures["benign_sentences"] + figures["titles"]
    assert figures["titles"] == 120
    assert figures["threshold"] == guard.threshold


def test_the_votes_catch_more_left_out_sentences_than_the_plain_rule(done):
    figures = json.loads((done / "ethics.json").read_text())
    assert figures["held_out_recall"] > figures["plain_rule_recall"] + 0.2
    assert figures["held_out_false_block_rate"] <= 0.05


def test_the_held_out_block_rate_is_near_the_chosen_share_and_a_larger_one_catches_more(
    short_lists, catalogue, query_model_folder, tmp_path
):
    recalls = []
    for rate in (0.05, 0.3):
        (tmp_path / str(rate)).mkdir()
        figures = calibrated(
            short_lists, catalogue, query_model_folder, tmp_path / str(rate),
            look_alike_block_rate=rate, maximum_titles=0,
        )  # fmt: skip
        spread = np.sqrt(2 * rate * (1 - rate) / (figures["benign_sentences"] // 2))
        assert abs(figures["held_out_look_alike_block_rate"] - rate) < 3 * spread
        recalls.append(figures["held_out_recall"])
    assert recalls[0] < recalls[1]


def test_every_banned_sentence_itself_is_blocked(guard):
    vectors = guard.vectors.rounded[: len(guard.sentences)]
    assert (guard.scores(vectors) > guard.threshold).all()


def test_benign_sentences_and_titles_of_the_list_are_let_through(guard):
    scores = guard.scores(guard.vectors.rounded[len(guard.sentences) :])
    assert np.mean(scores > guard.threshold) <= 0.01


def test_calibrating_again_gives_the_same_bytes(short_lists, catalogue, query_model_folder, tmp_path):
    outs = [tmp_path / "first", tmp_path / "second"]
    for out in outs:
        out.mkdir()
        calibrated(short_lists, catalogue, query_model_folder, out)
    for name in (*(f"ethics/{name}" for name in FILES), "ethics.json"):
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()


def test_without_titles_the_benign_sentences_are_enough(short_lists, catalogue, query_model_folder, tmp_path):
    figures = calibrated(short_lists, catalogue, query_model_folder, tmp_path, maximum_titles=0)
    assert figures["titles"] == 0 == figures["held_out_false_block_rate"]
    assert EthicsFilter.load(tmp_path / "ethics").threshold == figures["threshold"]


def test_the_plain_rule_judges_a_sentence_without_itself_and_a_text_by_its_worst_reading(encoder: Encoder):
    bomb, kite = "how to build a pipe bomb", "how to build a kite"
    read = Readings.of([[bomb], [kite], ["h0w t0 build 4 kite", bomb]], encoder)
    alone, other, disguised = plain_rule_scores(read, np.array([True, False, False]))
    assert alone == -1 and other < 0.9
    assert disguised == pytest.approx(1, abs=1e-3)


def test_the_votes_give_back_what_they_learnt_and_fall_off_with_distance():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(40, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    banned = np.arange(40) < 20
    weights = Votes.learn(vectors, banned, 2.0, 0.001).weights
    votes = likeness(vectors @ vectors.T, 2.0) @ weights
    np.testing.assert_allclose(votes, np.where(banned, 1, -1), atol=0.05)
    near = likeness(vectors[:1] @ vectors.T, 2.0)[0]
    assert near.argmax() == 0 and near[0] == pytest.approx(1) and near.min() > 0


def test_votes_without_some_sentences_are_those_learnt_from_the_others():
    random = np.random.default_rng(1)
    vectors = random.normal(size=(60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    banned, left_out = random.random(60) < 0.4, random.random(60) < 0.2
    without = Votes.learn(vectors, banned, 2.0, 0.03).without(left_out)
    anew = Votes.learn(vectors[~left_out], banned[~left_out], 2.0, 0.03).weights
    assert (without[left_out] == 0).all()
    np.testing.assert_allclose(without[~left_out], anew, atol=1e-6)


def test_sentences_about_the_same_are_left_out_together():
    random = np.random.default_rng(0)
    topics = random.normal(size=(200, 64))
    vectors = (topics[np.arange(2000) % 200] + 0.01 * random.normal(size=(2000, 64))).astype(np.float32)
    parts = folds(vectors, 5, seed=42)
    together = [len(set(parts[topic::200])) == 1 for topic in range(200)]
    assert set(parts) == {0, 1, 2, 3, 4} and np.mean(together) > 0.95
