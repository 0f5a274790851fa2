"""Mel filters, and the windows of sound that they are applied to, for log-mel features and the speaker network alike."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.video.decode import SAMPLE_RATE

# 25 ms every 10 ms at 16 kHz, as speech recognition has it; the speaker network was trained with these
WINDOW_SAMPLES, HOP_SAMPLES = 400, 160


def mel_filters(bands: int, scale: Literal["htk", "slaney"]) -> NDArray[np.float32]:
    """Return triangular filters (bands, frequencies) that are evenly spaced on a mel scale.

    Slaney's have equal areas, HTK's equal heights.
    """
    # Slow to import, and needed once a process
    from transformers.audio_utils import mel_filter_bank

    filters: NDArray[Any] = mel_filter_bank(
        num_frequency_bins=WINDOW_SAMPLES // 2 + 1,
        num_mel_filters=bands,
        min_frequency=0.0,
        max_frequency=SAMPLE_RATE / 2,
        sampling_rate=SAMPLE_RATE,
        norm="slaney" if scale == "slaney" else None,
        mel_scale=scale,
    )
    return filters.T.astype(np.float32)
