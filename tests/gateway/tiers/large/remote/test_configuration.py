"""upstreams.yaml and remote.yaml, as operators get them wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gateway.errors import ModelMissing, UpstreamFileError
from gateway.home import Home
from gateway.tiers.large.remote.client import secrets_of
from gateway.tiers.large.remote.configuration import Upstream, chosen_upstreams, load_remote_task, load_upstreams

LEAST = {"name": "a", "base_url": "https://api.example.com/v1", "model": "m"}


def upstreams(tmp_path: Path, *described: dict[str, object]):
    path = tmp_path / "upstreams.yaml"
    path.write_text(yaml.safe_dump({"upstreams": list(described)}), "utf-8")
    return load_upstreams(path)


def test_little_is_enough(tmp_path):
    [upstream] = upstreams(tmp_path, LEAST).values()
    assert (upstream.name, upstream.identity, upstream.structured, upstream.concurrency) == ("a", "m", "auto", 8)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "A B"}, "upstreams.0.name"),
        ({"base_url": "api.example.com"}, "upstreams.0.base_url"),
        ({"base_url": "https://user:geheim@api.example.com"}, "no user, password"),
        ({"base_url": "https://api.example.com/v1?key=geheim"}, "no user, password"),
        ({"model": ""}, "upstreams.0.model"),
        ({"api_key": "geheim"}, "upstreams.0.api_key: Extra inputs"),
        ({"api_key_env": "sk-geheim"}, "upstreams.0.api_key_env"),
        ({"headers_env": {"Authorization": "X"}}, "'Authorization' cannot be set"),
        ({"headers_env": {"X-A": "not a name"}}, "upstreams.0.headers_env.X-A"),
        ({"base_url": "http://10.0.0.1/v1", "api_key_env": "KEY"}, "plain http"),
        ({"concurrency": 0}, "upstreams.0.concurrency"),
        ({"concurrency": "8"}, "upstreams.0.concurrency"),
        ({"timeouts": {"read": 0}}, "upstreams.0.timeouts.read"),
        ({"timeouts": {"raed": 1}}, "upstreams.0.timeouts.raed"),
        ({"prices": {"input_per_1k": -1}}, "upstreams.0.prices.input_per_1k"),
        ({"prices": {"input_per_1k": float("nan")}}, "upstreams.0.prices.input_per_1k"),
        ({"breaker": {"failure_rate": 1.5}}, "upstreams.0.breaker.failure_rate"),
        ({"tls": {"client_key": "key.pem"}}, "client_key needs client_certificate"),
        ({"structured": "yaml"}, "upstreams.0.structured"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_shown(tmp_path, changes, said):
    with pytest.raises(UpstreamFileError) as caught:
        upstreams(tmp_path, {**LEAST, **changes})
    assert said in caught.value.message
    assert str(tmp_path / "upstreams.yaml") in caught.value.message
    assert "geheim" not in caught.value.message


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]:80", "https://x.org"]
)
def test_secrets_may_go_to_this_machine_or_encrypted(tmp_path, base_url):
    assert upstreams(tmp_path, {**LEAST, "base_url": base_url, "api_key_env": "KEY"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("upstreams: []", "upstreams: List should have at least 1 item"),
        ("upstreams:\n  - name: a\n   base", "not YAML (line 3)"),
        ("- a", "the file: Input should be"),
        ("", "the file: Input should be"),
        ("\x00", "not YAML"),
    ],
)
def test_files_that_are_none(tmp_path, content, said):
    path = tmp_path / "upstreams.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(UpstreamFileError) as caught:
        load_upstreams(path)
    assert said in caught.value.message


def test_a_missing_file_and_a_name_used_twice(tmp_path):
    with pytest.raises(UpstreamFileError, match="cannot be read"):
        load_upstreams(tmp_path / "none.yaml")
    with pytest.raises(UpstreamFileError, match="two upstreams are called 'a'"):
        upstreams(tmp_path, LEAST, LEAST)


def task_file(tmp_path: Path, **keys: object) -> Path:
    path = tmp_path / "remote.yaml"
    path.write_text(yaml.safe_dump(keys), "utf-8")
    return path


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "upstreams: Field required"),
        ({"upstreams": []}, "upstreams"),
        ({"upstreams": "a"}, "upstreams"),
        ({"upstreams": ["a"], "retrys": 1}, "retrys"),
        ({"upstreams": ["a"], "confidence": {"source": "agreement"}}, "agreement needs samples"),
        ({"upstreams": ["a"], "confidence": {"prior": 1}}, "confidence.prior"),
    ],
)
def test_a_task_s_file(tmp_path, keys, said):
    with pytest.raises(UpstreamFileError, match=said):
        load_remote_task(task_file(tmp_path, **keys))


@pytest.mark.parametrize(
    ("second", "names", "said"),
    [
        ({}, ["a", "c"], "no upstream is called 'c'; there are: a, b"),
        ({}, ["a", "a"], "named twice"),
        ({"model": "other"}, ["a", "b"], "a runs 'm' and b 'other'"),
        ({"prices": {"currency": "EUR"}}, ["a", "b"], "b bills in EUR, the task counts in USD"),
    ],
)
def test_upstreams_that_do_not_go_together(tmp_path, second, names, said):
    known = upstreams(tmp_path, LEAST, {**LEAST, "name": "b", **second})
    path = task_file(tmp_path, upstreams=names)
    with pytest.raises(UpstreamFileError, match=said):
        chosen_upstreams(load_remote_task(path), known, path, "USD")


def test_one_model_under_two_names(tmp_path):
    known = upstreams(tmp_path, {**LEAST, "weights": "w"}, {**LEAST, "name": "b", "model": "vendor/m", "weights": "w"})
    path = task_file(tmp_path, upstreams=["b", "a"])
    assert [item.name for item in chosen_upstreams(load_remote_task(path), known, path, "USD")] == ["b", "a"]


@pytest.mark.parametrize("environment", [{}, {"KEY": ""}, {"KEY": "  "}, {"KEY": "two\nlines"}, {"KEY": "schlüssel"}])
def test_a_secret_that_is_not_there_or_cannot_be_sent(environment):
    upstream = Upstream.model_validate({**LEAST, "api_key_env": "KEY"})
    with pytest.raises(ModelMissing) as caught:
        secrets_of(upstream, environment)
    assert "KEY" in caught.value.message
    assert "lines" not in caught.value.message


def test_the_example_is_one(project_root):
    known = load_upstreams(project_root / "deploy" / "upstreams.example.yaml")
    assert known


def test_the_file_is_named_by_the_environment_or_lies_in_the_home(tmp_path, monkeypatch):
    monkeypatch.delenv("CASCADE_UPSTREAMS", raising=False)
    assert Home(tmp_path).upstreams == tmp_path / "upstreams.yaml"
    monkeypatch.setenv("CASCADE_UPSTREAMS", "/etc/cascade/upstreams.yaml")
    assert Home(tmp_path).upstreams == Path("/etc/cascade/upstreams.yaml")
