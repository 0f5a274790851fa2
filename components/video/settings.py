"""Settings of the video package, read from `conf/video.yaml`."""

from typing import ClassVar

from pydantic import Field

from components.core.errors import TandemError
from components.core.settings import Settings


class VideoError(TandemError):
    """A film that cannot be read, or features that do not fit it."""


class VideoSettings(Settings):
    """How films are cut into shots, described and compared."""

    conf_file = "video.yaml"
    renamed_keys: ClassVar = {
        "scene_price": "scene_penalty",
        "scene_sound": "scene_sound_weight",
        "neighbours": "similar_films",
    }

    # The default of TransNetV2's authors; it was not tuned on the marked clips of benchmarks/shots.py
    shot_threshold: float = Field(
        0.5, gt=0, lt=1, description="Probability above which a frame is a transition"
    )
    clip_network: str = Field(
        "i3d",
        min_length=1,
        description="3D network: i3d, or a folder with network.json and model.onnx",
    )
    # I3D's strides divide time by eight, so eight frames are one step
    clip_frames: int = Field(32, ge=8, le=256, description="Frames of a clip that the 3D network sees")
    clips_per_shot: int = Field(1, ge=1, description="Clips of a shot, spread evenly over it")
    mel_bands: int = Field(64, ge=8, le=256, description="Mel bands of the audio features")
    # Chosen on the films of odd number of Open Video Scene Detection (benchmarks/scenes.py)
    scene_penalty: float = Field(
        0.85, gt=0, description="Penalty of a scene, in shots of the film's average distance"
    )
    # Small because the data set that chose the penalty publishes no sound
    scene_sound_weight: float = Field(
        0.2, ge=0, description="Weight of sound in the distance of shots; colours, clips and time have 1 each"
    )
    colour_weight: float = Field(
        0.2, ge=0, le=1, description="Weight of colours in a film's vector; its clips have 1"
    )
    audio_weight: float = Field(0.2, ge=0, le=1, description="Share of sound in a film's vector")
    similar_films: int = Field(5, ge=1, description="Similar films that are listed for each film")
    decode_seconds: float = Field(
        600, gt=0, description="Seconds without progress after which a decoding process is killed"
    )
