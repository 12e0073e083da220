"""``cascade rules draft``: first rules for a task, from labelled documents."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from gateway.cli.main import current_home
from training.cli.data import as_json_option, fields_option


@click.command()
@click.argument("task")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled documents, JSON Lines.")
@click.option(
    "--part", default="train", show_default=True, help="The part of the task's split that rules are made from."
)
@fields_option
@click.option(
    "--precision",
    type=click.FloatRange(0.5, 0.999),
    help="The share of right answers that each rule must have. Default: the field's quality in task.yaml.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.9999),
    default=0.95,
    show_default=True,
    help="How sure that must be, on documents that the rule was not made from.",
)
@click.option("--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Parts for scoring.")
@click.option(
    "--most-rules", type=click.IntRange(1, 100), default=12, show_default=True, help="The most rules a field."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides the folds.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the files go. Default: rules/TASK of the home.")
@click.option("--force", is_flag=True, help="Replace rule files that are there already.")
@as_json_option
def draft(
    task: str,
    data: Path,
    part: str,
    fields: tuple[str, ...],
    precision: float | None,
    confidence: float,
    folds: int,
    most_rules: int,
    seed: int,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Propose rules for TASK from labelled documents, keep those that are precise on documents they were not made
    from, and write them with examples. docs/drafting.md says how; edit the files from there.

    Only documents of the part train are read. A task without a split gets one first.
    """
    from training.drafting.run import DraftSettings, draft_rules, training_documents, write_rules

    home = current_home()
    spec = home.task(task)
    directory = out or home.rules / task
    names = spec.check_fields(list(fields) or None)
    write_refusal = [directory / f"{name}.yaml" for name in names if (directory / f"{name}.yaml").exists()]
    if write_refusal and not force:
        # Said before minutes of work rather than behind them.
        from training.cli.data import refuse_to_overwrite

        refuse_to_overwrite(write_refusal, force)
    split = home.models / task / "split.json"
    made = not split.is_file()
    documents = training_documents(home, spec, data, part)
    if made:
        click.echo(f"{split}: written; documents keep their part from now on", err=True)
    settings = DraftSettings(precision, confidence, folds, most_rules, seed)
    written = draft_rules(home.rules, spec, documents, names, settings, progress=not as_json)
    paths = write_rules(directory, written, force=force)
    if out is not None and paths and not (directory / "task.yaml").exists():
        shutil.copy(home.rules / task / "task.yaml", directory / "task.yaml")
    if as_json:
        report = {name: item.as_json() for name, item in written.items()}
        click.echo(
            json.dumps({"fields": report, "written": [str(path) for path in paths]}, indent=2, ensure_ascii=False)
        )
        return
    click.echo(f"{len(documents)} documents of the part {part}, {folds} folds")
    click.echo(
        f"  {'field':24} {'rules':>5} {'values':>7} {'answered':>9} {'right':>7} {'precision':>10}   on unseen folds"
    )
    for name, item in written.items():
        unseen = item.draft.unseen
        share = f"{unseen.right / unseen.answered:10.3f}" if unseen.answered else f"{'-':>10}"
        click.echo(f"  {name:24} {len(item.rules):5} {unseen.expected:7} {unseen.answered:9} {unseen.right:7} {share}")
    without = [name for name, item in written.items() if not item.rules]
    if without:
        asked = sorted({settings.demand(spec, name).precision for name in without})
        shares = " or ".join(f"{100 * share:g} %" for share in asked)
        click.echo(
            f"no rule for {', '.join(without)}: none was right in {shares} of its answers with"
            f" {100 * confidence:g} % confidence. Label more, ask for less (--precision), or write rules by hand"
        )
    for path in paths:
        click.echo(f"wrote {path}")
    if paths:
        click.echo(f"next: read them, then: cascade rules check {task}; cascade rules test {task}")
