"""Image, compose file and manifests are valid by their own tools, and what they name is there."""

import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components.core.compute import ComputeSettings
from components.core.settings import Conf
from components.serving.settings import ServingSettings

INSTALL = Path(__file__).parents[1] / "install"
KUBERNETES = "1.31"
MANIFESTS = [
    file for file in sorted((INSTALL / "kubernetes").glob("*.yaml")) if file.name != "kustomization.yaml"
]


def documents() -> list[dict[str, Any]]:
    return [document for file in MANIFESTS for document in yaml.safe_load_all(file.read_text())]


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {found["metadata"]["name"]: found for found in documents() if found["kind"] == kind}


def checked(*command: object) -> None:
    told = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_image_has_no_fault_that_hadolint_finds():
    checked("hadolint", INSTALL / "Dockerfile")


def test_the_compose_file_fits_the_specification_and_its_addresses_name_its_services():
    file = INSTALL / "compose.yaml"
    checked("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)
    services = yaml.safe_load(file.read_text())["services"]
    values = [
        str(value)
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if not name.startswith("PREFECT_UI")
    ]
    hosts = {match for value in values for match in re.findall(r"(?:@|://)([a-z]+)(?=[:/]|$)", value)}
    assert hosts <= set(services) | {"tandem"} and {"postgres", "mlflow", "prefect", "store"} <= hosts


@pytest.mark.parametrize("document", documents(), ids=lambda d: f"{d['kind']}-{d['metadata']['name']}")
def test_a_manifest_is_one_that_kubernetes_knows(document):
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_manifests_are_all_listed_and_name_claims_secrets_and_pods_that_are_there():
    told = yaml.safe_load((INSTALL / "kubernetes/kustomization.yaml").read_text())
    assert sorted(told["resources"]) == [file.name for file in MANIFESTS]
    deployments, secret, settings = (
        named("Deployment"),
        named("Secret")["tandem"],
        named("ConfigMap")["tandem"],
    )
    for service in named("Service").values():
        (owner,) = [
            pod
            for pod in deployments.values()
            if pod["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"]
        ]
        (container,) = owner["spec"]["template"]["spec"]["containers"]
        (port,) = service["spec"]["ports"]
        assert {"containerPort": port.get("targetPort", port["port"])} in container["ports"]
    for deployment in deployments.values():
        pod = deployment["spec"]["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for mount in pod["containers"][0].get("volumeMounts", []):
            volume = volumes[mount["name"]]
            if "secret" in volume:
                assert mount["subPath"] in secret["stringData"]
            elif "configMap" in volume:
                assert mount["subPath"] in settings["data"]
            else:
                assert volume["persistentVolumeClaim"]["claimName"] in named("PersistentVolumeClaim")


def test_settings_in_manifests_are_ones_that_the_project_reads(tmp_path):
    secret, settings = named("Secret")["tandem"]["stringData"], named("ConfigMap")["tandem"]["data"]
    kinds: list[tuple[type[Conf], str]] = [
        (ServingSettings, secret["serving.yaml"]),
        (ComputeSettings, settings["compute.yaml"]),
    ]
    for kind, text in kinds:
        (tmp_path / "settings.yaml").write_text(text)
        kind.read(tmp_path / "settings.yaml")
