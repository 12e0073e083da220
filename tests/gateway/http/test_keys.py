from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import KeyFileError, Unauthorized
from gateway.http.keyfile import KeyStore, editing, read_keys
from gateway.http.keys import Key, new_key, presented_key, verify

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def make(path: Path, **more: Any) -> str:
    """Add a key to the file; the key itself."""
    identifier, key, sha256 = new_key()
    with editing(path) as keys:
        keys[identifier] = Key(identifier, "test", sha256, **{"roles": ("extract",), "created": NOW, **more})
    return key


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


# --- the key and the file ---


def test_a_key_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = make(path, rate=2.0, daily_budget=0.5, expires=NOW + datetime.timedelta(days=1))
    assert key.split("_")[2] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    keys = read_keys(path)
    found = verify(keys, key, NOW)
    assert (found.id, found.rate, found.daily_budget, found.bucket) == (key.split("_")[1], 2.0, 0.5, 2.0)
    with pytest.raises(Unauthorized):
        verify(keys, key, NOW + datetime.timedelta(days=1))
    with pytest.raises(Unauthorized):
        verify(keys, key[:-1] + ("A" if key[-1] != "A" else "B"), NOW)
    with pytest.raises(Unauthorized):
        verify(keys, None, NOW)


@given(st.text() | st.from_regex(r"cg_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", fullmatch=True))
def test_what_is_no_key_is_refused(presented: str) -> None:
    identifier, _, sha256 = new_key()
    with pytest.raises(Unauthorized):
        verify({identifier: Key(identifier, "test", sha256, ("extract",), NOW)}, presented, NOW)


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key", b"host"]), st.binary(max_size=30))))
def test_any_header_can_be_looked_at(headers: list[tuple[bytes, bytes]]) -> None:
    found = presented_key(headers)
    assert found is None or isinstance(found, str)


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"authorization", b"Bearer the-key"), (b"authorization", b"bearer  the-key "), (b"x-api-key", b" the-key ")],
)
def test_a_key_may_come_in_either_header(name: bytes, value: bytes) -> None:
    assert presented_key([(b"host", b"x"), (name, value)]) == "the-key"
    assert presented_key([(b"authorization", b"Basic dXNlcg==")]) is None


@pytest.mark.parametrize("mode", [0o604, 0o640 | 0o002, 0o660, 0o644])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    make(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_keys(path)
    path.chmod(0o640)
    make(path)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "keys": []}',
        '{"version": 1, "keys": [{"id": "x"}]}',
        '{"version": 1, "keys": [], "more": 1}',
    ],
)
def test_a_wrong_file_is_refused_and_never_overwritten(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError):
        make(path)
    assert path.read_text() == content
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_keys(tmp_path / "none.json")


def test_changes_are_noticed_and_mistakes_leave_the_keys_as_they_were(tmp_path: Path) -> None:
    path, clock = tmp_path / "keys.json", Clock()
    make(path)
    store = KeyStore(path, monotonic=clock)
    make(path)
    assert len(store.current()) == 1  # not looked at again yet
    clock.now += 1
    assert len(store.current()) == 2
    path.write_text("not JSON")
    clock.now += 1
    assert len(store.current()) == 2
    path.unlink()
    clock.now += 1
    assert len(store.current()) == 2
    make(path)
    clock.now += 1
    assert len(store.current()) == 1


# --- a service with keys ---


@pytest.fixture
def guarded(serve: Callable[..., Any], tmp_path: Path) -> Any:
    """A service with keys, and the keys by name."""
    path = tmp_path / "keys.json"
    keys = {
        "extract": make(path),
        "admin": make(path, roles=("admin",)),
        "slow": make(path, rate=0.001, burst=2.0),
        "poor": make(path, daily_budget=1e-9),
        "revoked": make(path, revoked=NOW),
    }
    return serve(keys=path), keys, path


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


BILL = {"task": "bills", "text": "Shop: MUTIARA LTD\nTOTAL 9.00\n"}


@pytest.mark.parametrize(
    ("method", "path", "nobody", "extract", "admin"),
    [
        ("GET", "/healthz", 200, 200, 200),
        ("GET", "/readyz", 200, 200, 200),
        ("GET", "/docs", 200, 200, 200),
        ("GET", "/v1/tasks", 401, 200, 200),
        ("GET", "/metrics", 401, 403, 200),
        ("GET", "/cost", 401, 403, 200),
        ("POST", "/v1/extract", 401, 200, 403),
        ("POST", "/v1/extract/batch", 401, 422, 403),
        ("GET", "/v1/extract", 401, 405, 403),
        ("POST", "/v1/admin/anything", 401, 403, 404),
        ("GET", "/nowhere", 404, 404, 404),
    ],
)
def test_each_path_needs_its_role(guarded: Any, method: str, path: str, nobody: int, extract: int, admin: int) -> None:
    service, keys, _ = guarded
    body = BILL if method == "POST" else None
    found = [
        service.client.request(method, path, json=body, headers=headers).status_code
        for headers in ({}, bearer(keys["extract"]), {"X-API-Key": keys["admin"]})
    ]
    assert found == [nobody, extract, admin]


def test_a_refusal_names_its_reason_and_not_the_key(guarded: Any) -> None:
    service, keys, _ = guarded
    missing = service.client.post("/v1/extract", json=BILL)
    assert (missing.json()["error"]["code"], missing.headers["www-authenticate"]) == ("unauthorized", "Bearer")
    wrong = service.client.post("/v1/extract", json=BILL, headers=bearer(keys["revoked"]))
    assert wrong.status_code == 401
    assert keys["revoked"][20:] not in wrong.text
    forbidden = service.client.get("/metrics", headers=bearer(keys["extract"]))
    assert forbidden.json()["error"]["detail"] == {"role": "admin"}


def test_beyond_its_rate_a_key_is_told_when_to_come_again(guarded: Any) -> None:
    service, keys, _ = guarded
    found = [service.client.post("/v1/extract", json=BILL, headers=bearer(keys["slow"])) for _ in range(3)]
    assert [response.status_code for response in found] == [200, 200, 429]
    assert found[2].json()["error"]["code"] == "rate-limited"
    assert 900 < int(found[2].headers["retry-after"]) <= 1000
    assert service.client.post("/v1/extract", json=BILL, headers=bearer(keys["extract"])).status_code == 200


def test_a_request_the_budget_does_not_cover_is_refused_before_any_work(guarded: Any) -> None:
    service, keys, _ = guarded
    refused = service.client.post("/v1/extract", json=BILL, headers=bearer(keys["poor"]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget-exhausted")
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert refused.json()["error"]["detail"]["estimate"] > 1e-9
    assert not service.tiers["student"].calls


def test_what_a_request_did_cost_is_what_is_spent(serve: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    # An estimate is twice what three tiers are expected to cost, above all a second of the large tier's.
    key = make(path, daily_budget=2.65e-5)
    service = serve(keys=path, state=tmp_path / "state")
    costs = []
    for _ in range(20):
        response = service.client.post("/v1/extract", json=BILL, headers=bearer(key))
        if response.status_code != 200:
            break
        costs.append(response.json()["cost"]["amount"])
    assert response.json()["error"]["code"] == "budget-exhausted"
    assert response.json()["error"]["detail"]["left"] == pytest.approx(2.65e-5 - sum(costs))
    assert len(costs) > 1
    cheap = service.client.post("/v1/extract", json={**BILL, "max_tier": "rules"}, headers=bearer(key))
    assert cheap.status_code == 200
    wrong = service.client.post("/v1/extract", json={**BILL, "fields": ["x"], "max_tier": "rules"}, headers=bearer(key))
    assert wrong.status_code == 422
    again = service.client.post("/v1/extract", json=BILL, headers=bearer(key)).json()["error"]["detail"]["left"]
    assert again == pytest.approx(2.65e-5 - sum(costs) - cheap.json()["cost"]["amount"])


def test_a_new_key_is_good_and_a_revoked_one_is_not_within_two_seconds(guarded: Any, eventually: Any) -> None:
    service, _, path = guarded
    fresh = make(path)
    eventually(lambda: service.client.get("/v1/tasks", headers=bearer(fresh)).status_code == 200, 5)
    with editing(path) as known:
        old = known[fresh.split("_")[1]]
        known[old.id] = Key(**{**vars(old), "revoked": NOW})
    eventually(lambda: service.client.get("/v1/tasks", headers=bearer(fresh)).status_code == 401, 5)
    assert json.loads(path.read_text())["version"] == 1
