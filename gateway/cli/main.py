"""The ``cascade`` command: finds its subcommands, and turns errors into messages and exit codes.

Exit codes: 0 good, 1 a check failed, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple

import click

from gateway import __version__
from gateway.errors import CascadeError, ConfigurationError, ModelMissing
from gateway.home import HOME_VARIABLE, Home, find_home

PLUGIN_GROUP = "cascade.commands"
INTERRUPTED = 130


class Builtin(NamedTuple):
    """Where a command's code lies (``module:attribute``) and the line ``cascade --help`` shows for it."""

    target: str
    help: str


BUILTINS = {
    "init": Builtin("gateway.cli.init:init", "Write a starter home: rules, models and their settings."),
    "serve": Builtin("gateway.cli.serve:serve", "Answer extraction requests over HTTP."),
    "extract": Builtin("gateway.cli.extract:extract", "Extract fields from files or standard input."),
    "eval": Builtin("gateway.cli.evaluate:evaluate", "Measure tiers and cascade on labelled data."),
    "keys": Builtin("gateway.cli.keys:keys", "Make, list and revoke API keys."),
    "rules": Builtin("gateway.cli.rules:rules", "Check, test, measure and explain rules."),
    "cost": Builtin("gateway.cli.cost:cost", "Show what requests cost and what was saved."),
    "audit": Builtin("gateway.cli.audit:audit", "Look at audits and feedback, and use them."),
    "models": Builtin("gateway.cli.models:models", "List, fetch, verify and promote models."),
}

# What --help says about the commands this distribution itself adds as plug-ins, without importing them.
PLUGIN_HELP = {
    "calibrate": "Choose accept thresholds on a calibration part.",
    "data": "Import labelled documents and check them.",
    "scaling": "Fit scaling laws and allocate a training budget.",
    "task": "Begin a task from labelled documents.",
    "train": "Train a task's large tier and student.",
}


# Packages that only an extra installs; whatever needs them names this extra.
EXTRA_PACKAGES = frozenset(
    {
        "matplotlib",
        "onnx",
        "onnxscript",
        "peft",
        "pycrfsuite",
        "safetensors",
        "scipy",
        "sklearn",
        "torch",
        "transformers",
    }
)


class CascadeGroup(click.Group):
    """A group that imports a subcommand only when it is called, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*BUILTINS, *sorted(name for name in _plugins() if name not in BUILTINS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in BUILTINS:
            return _load(cmd_name, BUILTINS[cmd_name].target)
        plugin = _plugins().get(cmd_name)
        return _load(cmd_name, plugin.value) if plugin else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, _short_help(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return _invoke(super().invoke, ctx)
        except CascadeError as error:
            click.echo(f"error[{error.code}]: {error.message}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("\ninterrupted", err=True)
            ctx.exit(INTERRUPTED)


def _invoke(invoke: Callable[[click.Context], Any], ctx: click.Context) -> Any:
    try:
        return invoke(ctx)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_PACKAGES:
            raise
        raise ModelMissing(
            f"this needs the package {package}, which the core installation does not have:"
            " pip install 'cascade-gateway[train]'"
        ) from error


class PluginGroup(click.Group):
    """A group whose subcommands other packages add to: as entry points ``cascade.commands.GROUP``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        own = super().list_commands(ctx)
        return [*own, *sorted(name for name in _plugins(self.name) if name not in own)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        plugin = None if own else _plugins(self.name).get(cmd_name)
        return _load(f"{self.name} {cmd_name}", plugin.value) if plugin else own


def _plugins(group: str | None = None) -> dict[str, EntryPoint]:
    name = f"{PLUGIN_GROUP}.{group}" if group else PLUGIN_GROUP
    return {point.name: point for point in entry_points(group=name)}


def _short_help(name: str) -> str:
    if name in BUILTINS:
        return BUILTINS[name].help
    return PLUGIN_HELP.get(name, f"(from {_plugins()[name].value.split('.')[0]})")


def _load(name: str, target: str) -> click.Command:
    """Import a command.

    Raises:
        ConfigurationError: it is not there.
        ModuleNotFoundError: it needs a package that is not installed.
    """
    module, _, attribute = target.partition(":")
    try:
        command = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(f"`cascade {name}` cannot be loaded: there is no module {error.name}") from error
    if not isinstance(command, click.Command):
        raise ConfigurationError(f"`cascade {name}` cannot be loaded: {target} is not a command")
    return command


def current_home() -> Home:
    """The home of the running command: ``--home``, else ``CASCADE_HOME``, else the working directory.

    Raises:
        HomeNotFound: none of them holds ``rules/``.
    """
    context = click.get_current_context(silent=True)
    flag = context.find_root().params.get("home") if context else None
    return find_home(flag)


@click.group(cls=CascadeGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help=f"Directory with rules/ and models/. Default: {HOME_VARIABLE}, else the working directory.",
)
@click.version_option(__version__, prog_name="cascade")
def main(home: Path | None) -> None:
    """Extract fields from text with the cheapest tier that can be trusted: rules, a small model, a large one."""
    del home  # read by current_home()


__all__ = ["BUILTINS", "PLUGIN_GROUP", "current_home", "main"]
