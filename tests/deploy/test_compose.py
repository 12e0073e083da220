"""``deploy/compose.yaml``: what the compose specification allows, and what it must not forget."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest
import yaml

from gateway.settings import PREFIX, Settings
from tests.deploy.stage import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
#: Read where the compose file is, not by the gateway.
OF_THE_COMPOSE_FILE = {"CASCADE_EXTRAS"}


def mounts() -> list[tuple[str, str, str]]:
    return [(name, *volume.split(":")[:2]) for name, service in SERVICES.items() for volume in service["volumes"]]


def test_the_compose_specification_allows_it() -> None:
    pytest.importorskip("check_jsonschema", reason="needs check-jsonschema: pip install 'cascade-gateway[dev]'")
    import jsonschema

    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text("utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(COMPOSE)


def test_three_services_each_watched_restarted_and_on_the_loopback_only() -> None:
    assert set(SERVICES) == {"gateway", "prometheus", "grafana"}
    for name, service in SERVICES.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name
        assert service["cap_drop"] == ["ALL"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        if name != "gateway":
            assert re.fullmatch(r"\S+:v?\d+\.\d+\.\d+", service["image"]), name


def test_what_is_mounted_is_there() -> None:
    for name, source, _ in mounts():
        if source.startswith("."):
            assert (DEPLOY / source).exists(), (name, source)
        else:
            assert source in COMPOSE["volumes"], (name, source)
    assert set(COMPOSE["volumes"]) <= {source for _, source, _ in mounts()}


def test_prometheus_gets_every_file_its_configuration_names_and_finds_the_gateway() -> None:
    inside = {target: source for name, source, target in mounts() if name == "prometheus"}
    config = yaml.safe_load((DEPLOY / inside["/etc/prometheus/prometheus.yml"]).read_text("utf-8"))
    [job] = config["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    [discovered] = job["file_sd_configs"]
    for named in (*config["rule_files"], *discovered["files"]):
        assert f"/etc/prometheus/{named}" in inside
    [group] = yaml.safe_load((DEPLOY / inside["/etc/prometheus/targets.yml"]).read_text("utf-8"))
    assert group["targets"] == ["gateway:8000"]


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    inside = {target: source for name, source, target in mounts() if name == "grafana"}
    provisioning = DEPLOY / inside["/etc/grafana/provisioning"]
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text("utf-8"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((provisioning / "dashboards" / "cascade.yml").read_text("utf-8"))["providers"]
    assert list((DEPLOY / inside[provider["options"]["path"]]).glob("*.json"))
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    directory, _, name = home.rpartition("/")
    assert (DEPLOY / inside[directory] / name).exists()


def test_the_gateway_s_settings_exist_and_its_directories_are_in_the_image() -> None:
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OF_THE_COMPOSE_FILE
    written = set(re.findall(r"\bCASCADE_[A-Z_]+", (DEPLOY / "compose.yaml").read_text("utf-8")))
    assert written <= names
    image = (ROOT / "Dockerfile").read_text("utf-8")
    [made] = re.findall(
        r"install -d -o cascade -g cascade (.+) \\?$|install -d -o cascade -g cascade (.+)$", image, re.M
    )
    directories = "".join(made).split()
    state = SERVICES["gateway"]["environment"]["CASCADE_STATE"]
    assert {state, "/var/cache/cascade"} <= set(directories)
    home = re.search(r"CASCADE_HOME=(\S+)", image)
    assert home is not None
    targets = {target for name, _, target in mounts() if name == "gateway"}
    assert targets == {f"{home[1]}/rules", f"{home[1]}/models", state, "/var/cache/cascade"}
