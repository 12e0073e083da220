"""``cascade data``: bring labelled documents into the project's form, and look at them before training."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, cast, get_args

import click

from gateway.cli.main import current_home
from gateway.errors import InvalidRequest
from gateway.evaluation.split import Split
from training.data.check import check_file
from training.data.importing import FORMATS, ImportOptions, import_data
from training.data.importing.tags import Scheme

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_PATH = click.Path(path_type=Path)


@click.group()
def data() -> None:
    """Import labelled documents and check them."""


def _renames(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if any(not old or not new for old, _, new in pairs):
        raise click.BadParameter(f"give {parameter.metavar}", context, parameter)
    return {old: new for old, _, new in pairs}


def _forms(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    forms: dict[str, re.Pattern[str]] = {}
    for value in values:
        name, _, pattern = value.partition("=")
        if not name or not pattern:
            raise click.BadParameter("give FIELD=REGEX", context, parameter)
        try:
            forms[name] = re.compile(pattern)
        except re.error as error:
            raise click.BadParameter(f"{pattern!r} is no regular expression: {error}", context, parameter) from error
    return forms


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    del context, parameter
    return tuple(name.strip() for name in (value or "").split(",") if name.strip())


fields_option = click.option(
    "--fields", callback=_names, metavar="A,B,…", help="Only these fields. Default: all there are."
)


@data.command("import", epilog="Formats: " + "; ".join(f"{name}: {item.about}" for name, item in FORMATS.items()))
@click.argument("format_name", metavar="FORMAT", type=click.Choice(sorted(FORMATS)))
@click.argument("source", type=_PATH)
@click.argument("out", type=_PATH, metavar="OUT.jsonl")
@click.option("--encoding", help="The source's character encoding, such as utf-16 or windows-1252. Default: UTF-8.")
@click.option("--rename", multiple=True, callback=_renames, metavar="OLD=NEW", help="Call a field something else.")
@click.option(
    "--values",
    multiple=True,
    callback=_renames,
    metavar="FIELD=SOURCE",
    help="Take a field's values from another one, which says the same in a better form; its places stay.",
)
@click.option(
    "--only",
    multiple=True,
    callback=_forms,
    metavar="FIELD=REGEX",
    help="Values of a field that are not of this form are taken as not annotated.",
)
@fields_option
@click.option("--scheme", type=click.Choice(get_args(Scheme)), help="conll: refuse tags of any other scheme.")
@click.option("--token-column", type=int, default=0, show_default=True, help="conll: the column of tokens, from 0.")
@click.option("--tag-column", type=int, default=-1, show_default=True, help="conll: that of tags; -1 is the last.")
@click.option(
    "--unit",
    type=click.Choice(["sentence", "document"]),
    default="sentence",
    show_default=True,
    help="conll: what becomes a document.",
)
@click.option("--spaced", is_flag=True, help="conll: put a space between any two tokens.")
@click.option("--text-column", default="text", show_default=True, help="csv: the column of texts.")
@click.option("--id-column", default="id", show_default=True, help="csv: the column of ids, if there is one.")
@click.option("--delimiter", help="csv: what parts columns. Default: a comma, in .tsv files a tab.")
@click.option("--separator", default="", help="csv: what parts several values in a cell. Default: there is one.")
@click.option(
    "--empty",
    type=click.Choice(["absent", "unannotated"]),
    default="absent",
    show_default=True,
    help="csv: what an empty cell says of its field.",
)
@click.option("--force", is_flag=True, help="Replace OUT.jsonl where it is there already.")
@as_json_option
def import_command(
    format_name: str,
    source: Path,
    out: Path,
    encoding: str | None,
    rename: dict[str, str],
    values: dict[str, str],
    only: dict[str, re.Pattern[str]],
    fields: tuple[str, ...],
    scheme: str | None,
    token_column: int,
    tag_column: int,
    unit: str,
    spaced: bool,
    text_column: str,
    id_column: str,
    delimiter: str | None,
    separator: str,
    empty: str,
    force: bool,
    as_json: bool,
) -> None:
    """Write the documents of SOURCE, which is in FORMAT, to OUT.jsonl, all of them or nothing.

    What is left out is listed with the reason. docs/data.md describes the formats.
    """
    refuse_to_overwrite([out], force)
    options = ImportOptions(
        encoding=encoding,
        rename=rename,
        values=values,
        only=only,
        fields=fields,
        scheme=cast(Scheme | None, scheme),
        token_column=token_column,
        tag_column=tag_column,
        unit=cast(Literal["sentence", "document"], unit),
        spaced=spaced,
        text_column=text_column,
        id_column=id_column,
        delimiter=None if delimiter is None else delimiter.replace("\\t", "\t"),
        separator=separator,
        empty=cast(Literal["absent", "unannotated"], empty),
    )
    if options.delimiter is not None and len(options.delimiter) != 1:
        raise InvalidRequest("--delimiter must be one character (a tab is \\t)")
    report = import_data(format_name, source, out, options)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
        return
    click.echo(report.render())
    click.echo(f"next: cascade data check {out}")


def refuse_to_overwrite(paths: list[Path], force: bool) -> None:
    """Refuse to replace files that are there.

    Raises:
        AlreadyThere: naming the first of them; nothing was written.
    """
    from gateway.errors import AlreadyThere

    there = [path for path in paths if path.exists()]
    if there and not force:
        raise AlreadyThere(f"{there[0]} is there already; nothing was written. --force replaces it")


@data.command("check")
@click.argument("path", metavar="DATA.jsonl", type=_PATH)
@click.option("--task", help="Check the labels against this task's fields and types, and use its split.")
@click.option("--split", "split_path", type=_PATH, help="Look for documents that parts of this split.json share.")
@click.option(
    "--window", type=click.IntRange(min=16), default=512, show_default=True, help="Tokens models read at once."
)
@click.option("--strict", is_flag=True, help="Exit code 1 on warnings too.")
@as_json_option
@click.pass_context
def check_command(
    ctx: click.Context, path: Path, task: str | None, split_path: Path | None, window: int, strict: bool, as_json: bool
) -> None:
    """Look at labelled documents before anything is made of them: counts, lengths, duplicates, leakage between parts,
    labels that cannot be right, and the types that fields seem to have.

    Exit code 1 when something must be put right; docs/data.md explains the codes.
    """
    spec = None
    if task is not None:
        home = current_home()
        spec = home.task(task)
        kept = home.models / task / "split.json"
        if split_path is None and kept.is_file():
            split_path = kept
    split = None if split_path is None else Split.load(split_path)
    report = check_file(path, task=spec, split=split, window=window, progress=not as_json)
    if as_json:
        shown: dict[str, Any] = report.as_json()
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        click.echo(report.render())
    severities = {finding.severity for finding in report.findings}
    if "error" in severities or (strict and "warning" in severities):
        ctx.exit(1)
