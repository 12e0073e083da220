from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.policy import Policy
from tests.training.report.conftest import HOSTILE, make_report, write_run
from training.report import page as page_module
from training.report.material import Material
from training.report.page import render_page
from training.report.writing import write_again, write_report

VOID = {"meta", "br", "path", "use", "rect", "circle", "line", "stop"}


class Page(HTMLParser):
    """The elements of a page; complains about what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(directory: Path) -> tuple[str, Page]:
    text = render_page(Material.read(directory))
    return text, Page(text)


def test_everything_that_was_measured_is_on_the_page(directory: Path) -> None:
    _, page = read(directory)
    for shown in (
        "Training of the task bills",
        "cascade train bills --data bills.jsonl",
        "A CPU, 2 cores",
        "0.25 hours",
        "validation-seen: the cascade's F1 is 95.0 % [93.0, 97.0]; it accepts 87.5 % of the answers",
        "it costs 20.0 % of the large tier alone",
        "D040",
        "Correct them.",
        "9.0000 (undone)",
        "92.50",
        "1,234,567",
        "not run: no model",
        "2.5 % [0.1, 13.2] (1 of 40)",
        "student combined",
        "about 2,270",
        "no 0.75",
        "oracle oracle",
        "Apache-2.0",
        "forms.json",
        "Invented bills: <b>nobody's</b>.",
        "rank: 8",
        "no guarantee covers them",
    ):
        assert shown in page.text, shown


def test_it_needs_no_other_file_no_network_and_no_script(directory: Path) -> None:
    text, page = read(directory)
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("img")
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "url(" not in re.sub(r"url\(#", "", text)
    assert "@import" not in text
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_links_and_ids_fit(directory: Path) -> None:
    _, page = read(directory)
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    targets = [attributes["href"] for attributes in page.all("a")]
    assert len(targets) == 10
    named = [one.get("xlink:href") for one in page.all("use")]
    assert {str(target)[1:] for target in (*targets, *named)} <= set(ids)


def test_it_can_be_read_without_seeing_it(directory: Path) -> None:
    text, page = read(directory)
    tables = text.count("<table>")
    assert tables >= 12
    assert text.count("<caption>") == tables
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.all("th"))
    drawings = page.all("svg")
    assert len(drawings) == 5
    assert all(attributes.get("role") == "img" and attributes.get("aria-label") for attributes in drawings)
    assert text.count("<figcaption>") == 5
    assert '<html lang="en">' in text
    assert "prefers-color-scheme: dark" in text
    # Figures take the page's text colour, whichever it is.
    assert text.count("currentColor") > 50
    assert "#010203" not in text


def test_without_matplotlib_the_tables_are_there_and_it_is_said(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.report.drawing.can_draw", lambda: False)
    monkeypatch.setattr(page_module, "can_draw", lambda: False)
    text, page = read(directory)
    assert not page.all("svg")
    assert "figures are not drawn" in page.text
    assert text.count("<table>") >= 12


def test_names_and_values_are_never_markup(tmp_path: Path) -> None:
    directory = tmp_path / "bills"
    write_run(directory, ["shop"])
    # JSON can hold what UTF-8 cannot: a lone surrogate.
    changed = json.loads(json.dumps(make_report(["shop"]).as_json()).replace("shop", "X"))
    raw = json.dumps(changed).replace('"X"', json.dumps(HOSTILE)).replace("A CPU", "<img src=x onerror=1>")
    (directory / "training.json").write_text(raw, "utf-8")
    policy = json.dumps(Policy.load(directory / "policy.json").as_json()).replace('"shop"', json.dumps(HOSTILE))
    (directory / "policy.json").write_text(policy, "utf-8")
    path = write_again(directory)
    page = Page(path.read_text("utf-8"))
    assert not page.all("script")
    assert not page.all("img")
    assert "<script>alert('x')</script>|$a$&\"\ufffd?" in page.text
    card = (directory / "CARD.md").read_text("utf-8")
    assert "<script" not in card
    assert "<img" not in card


def test_a_run_of_which_little_is_known_has_a_page(tmp_path: Path) -> None:
    directory = write_run(
        tmp_path / "bills",
        ["shop"],
        check=None,
        large=None,
        student=None,
        calibration={},
        validation={},
        stage_seconds={},
        data={},
        bases={},
    )
    _, page = read(directory)
    assert "No validation part was measured." in page.text
    assert not page.all("svg")


def test_a_policy_that_was_calibrated_again_is_told(directory: Path) -> None:
    assert "was calibrated again" not in read(directory)[1].text
    raw = json.loads((directory / "policy.json").read_text())
    raw["about"]["created"] = "now"
    (directory / "policy.json").write_text(json.dumps(raw))
    assert "The policy was calibrated again (now); these figures are of the run (then)." in read(directory)[1].text


def test_the_same_run_gives_the_same_files(directory: Path) -> None:
    first = write_report(directory, make_report(["shop", "total"])).read_bytes()
    card = (directory / "CARD.md").read_bytes()
    assert write_again(directory).read_bytes() == first
    assert (directory / "CARD.md").read_bytes() == card
