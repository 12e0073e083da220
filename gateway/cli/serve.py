"""``cascade serve``: answer extraction requests over HTTP."""

from __future__ import annotations

import contextlib
from typing import Any, get_args

import click

from gateway import __version__
from gateway.cli.main import current_home
from gateway.engine import Engine, LoadedTask
from gateway.home import Home
from gateway.http.describe import tier_description
from gateway.http.serving import listen
from gateway.http.serving import serve as serve_http
from gateway.settings import LargeMode, LogLevel, Settings
from gateway.versions import finish_swaps

_DIGEST_SHOWN = 12


@click.command()
@click.option("--host", help="Address to listen on (CASCADE_HOST; 127.0.0.1).")
@click.option("--port", type=int, help="Port to listen on; 0 takes any free one (CASCADE_PORT; 8000).")
@click.option("--workers", type=int, help="HTTP worker processes (CASCADE_WORKERS; 1).")
@click.option("--reload/--no-reload", default=None, help="Whether edited rules take effect (CASCADE_RELOAD; true).")
@click.option("--threads", type=int, help="CPU threads a model may use; 0: all cores (CASCADE_THREADS; 0).")
@click.option(
    "--large", type=click.Choice(get_args(LargeMode)), help="How the large tier computes (CASCADE_LARGE; int8)."
)
@click.option(
    "--log-level", type=click.Choice(get_args(LogLevel)), help="Least severe log lines (CASCADE_LOG_LEVEL; info)."
)
def serve(**flags: Any) -> None:
    """Answer extraction requests over HTTP until interrupted.

    Every setting is also an environment variable with the prefix CASCADE_; docs/settings.md lists them all.
    """
    settings = Settings.read(**flags)
    home = current_home()
    finish_swaps(home)
    with contextlib.closing(listen(settings.host, settings.port)) as listening:
        port = listening.getsockname()[1]

        def announce(engine: Engine) -> None:
            click.echo(announcement(home, engine, settings, port))

        click.echo(f"cascade {__version__}: loading {', '.join(home.tasks()) or 'nothing'} from {home.path}")
        click.echo(f"alive   {_address(settings.host, port)}/healthz")
        serve_http(home, settings, listening, announce)


def announcement(home: Home, engine: Engine, settings: Settings, port: int) -> str:
    """What is served, with what, and where."""
    lines = [line for task in engine.tasks.values() for line in _task_lines(task)]
    if not engine.tasks:
        lines.append(f"no tasks: {home.rules} holds no <task>/task.yaml")
    address = _address(settings.host, port)
    workers = "1 worker" if settings.workers == 1 else f"{settings.workers} workers"
    lines += [f"serving {address} with {workers}", f"docs    {address}/docs", f"metrics {address}/metrics"]
    return "\n".join(lines)


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _task_lines(task: LoadedTask) -> list[str]:
    spec = task.spec
    lines = [f"task {spec.name}: {', '.join(spec.fields)} (quality {spec.quality:g})"]
    told: list[str] = []
    for tier in spec.tiers:
        described = tier_description(task, tier)
        if described["available"]:
            digest = str(described["version"]).removeprefix("sha256:")[:_DIGEST_SHOWN]
            state = f"ready    {digest} {described.get('mode', '')}".rstrip()
        else:
            state = f"missing  {described['problem']}"
            told.append(f"{tier}: {described['problem']}")
        lines.append(f"  {tier:8}{state}")
    lines += [f"  note    {problem}" for problem in (*task.problems, *task.notes) if problem not in told]
    return lines
