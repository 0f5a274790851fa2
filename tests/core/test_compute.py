"""Where work runs is one file, which no stage's result depends on."""

from pathlib import Path

import pytest
import yaml

from components.core.compute import LAPTOP, ComputeSettings
from components.core.errors import SettingsError

ROOT = Path(__file__).parents[2]


def test_the_file_says_what_holds_without_it_and_no_stage_runs_again_for_it():
    assert ComputeSettings.read(ROOT / "conf/compute.yaml") == LAPTOP
    for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values():
        named = [name for param in stage.get("params", []) for name in param] + stage.get("deps", [])
        assert "conf/compute.yaml" not in named


@pytest.mark.parametrize(
    ("kind", "machines", "devices", "spread"),
    [("laptop", 1, 1, False), ("gpus", 1, 4, False), ("cluster", 3, 4, True)],
)
def test_a_kind_takes_only_the_settings_that_are_its_own(kind, machines, devices, spread):
    compute = ComputeSettings(kind=kind, nodes=3, devices=4)
    assert (compute.training_nodes, compute.training_devices, compute.on_cluster) == (
        machines,
        devices,
        spread,
    )


def test_an_unknown_kind_is_named_with_the_file(tmp_path):
    (tmp_path / "compute.yaml").write_text("kind: clusters\n")
    with pytest.raises(SettingsError, match=r"compute.yaml, kind: .*'laptop', 'gpus' or 'cluster'"):
        ComputeSettings.read(tmp_path / "compute.yaml")
