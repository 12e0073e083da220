"""``cascade keys``: make, list and revoke API keys."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import click

from gateway.errors import InvalidRequest, KeyFileError
from gateway.http.keyfile import editing, read_keys
from gateway.http.keys import ROLES, Key, new_key

_FILE = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="CASCADE_KEYS",
    required=True,
    show_envvar=True,
    help="The file of keys.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@click.group()
def keys() -> None:
    """Make, list and revoke API keys.

    The service asks for keys where CASCADE_KEYS names a file of them; it notices changes within a second.
    """


@keys.command()
@click.argument("name")
@_FILE
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, help="May be given again. Default: extract.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Requests a second. Default: no limit.")
@click.option("--burst", type=click.FloatRange(1), help="Requests at once. Default: those of a second.")
@click.option("--daily-budget", type=click.FloatRange(0), help="Money a day (UTC). Default: no limit.")
@click.option("--days", type=click.FloatRange(0, min_open=True), help="Days until it expires. Default: never.")
@_JSON
def add(
    name: str,
    path: Path,
    roles: tuple[Any, ...],
    rate: float | None,
    burst: float | None,
    daily_budget: float | None,
    days: float | None,
    as_json: bool,
) -> None:
    """Make a key for NAME and print it, this once: the file keeps only its hash."""
    if not name.strip() or len(name) > 100:
        raise InvalidRequest("a key's name has 1 to 100 characters")
    if burst is not None and rate is None:
        raise InvalidRequest("--burst needs --rate")
    identifier, key, sha256 = new_key()
    created = _now()
    try:
        expires = None if days is None else created + datetime.timedelta(days=days)
    except OverflowError as error:
        raise InvalidRequest("--days is too many") from error
    with editing(path) as known:
        while identifier in known:
            identifier, key, sha256 = new_key()
        known[identifier] = Key(
            identifier,
            name,
            sha256,
            tuple(dict.fromkeys(roles)) or ("extract",),
            created,
            rate=rate,
            burst=burst,
            daily_budget=daily_budget,
            expires=expires,
        )
    if as_json:
        click.echo(json.dumps({"id": identifier, "name": name, "key": key}))
    else:
        click.echo(key)
        click.echo(f"key {identifier} for {name} is in {path}; it is not shown again", err=True)


@keys.command("list")
@_FILE
@_JSON
def list_keys(path: Path, as_json: bool) -> None:
    """List keys: id, name, roles, limits and whether each is good."""
    known = read_keys(path)
    if as_json:
        for key in known.values():
            click.echo(json.dumps(_described(key)))
        return
    for key in known.values():
        limits = [
            f"{key.rate:g}/s" if key.rate is not None else "",
            f"{key.daily_budget:g} a day" if key.daily_budget is not None else "",
        ]
        words = [key.id, f"{_state(key):8}", ",".join(key.roles), *filter(None, limits), key.name]
        click.echo("  ".join(words))


@keys.command()
@click.argument("identifier", metavar="ID")
@_FILE
def revoke(identifier: str, path: Path) -> None:
    """Revoke the key with this ID. It stays listed, so that logs can be read later."""
    if not path.exists():
        raise KeyFileError(f"{path}: there is no such file")
    with editing(path) as known:
        # The whole key is taken as well: that is what is at hand when one has leaked.
        wanted = identifier.split("_")[1] if identifier.startswith("cg_") else identifier
        key = known.get(wanted)
        if key is None:
            raise InvalidRequest(f"no key has the id {wanted[:12]!r}")
        if key.revoked is None:
            known[wanted] = Key(**{**vars(key), "revoked": _now()})
    click.echo(f"revoked {wanted} ({key.name})")


def _state(key: Key) -> str:
    if key.revoked is not None:
        return "revoked"
    return "good" if key.good(datetime.datetime.now(datetime.UTC)) else "expired"


def _described(key: Key) -> dict[str, Any]:
    described = {name: value for name, value in vars(key).items() if name != "sha256"}
    moments = {name: value.isoformat() for name, value in described.items() if isinstance(value, datetime.datetime)}
    return {**described, **moments, "roles": list(key.roles), "state": _state(key)}
