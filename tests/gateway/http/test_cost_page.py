from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

from gateway.report.words import money

BILL = "Shop: MUTIARA LTD\nTOTAL 9.00\n"


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_the_page_shows_what_the_answers_cost(serve: Any) -> None:
    service = serve()
    answers = [service.client.post("/v1/extract", json={"task": "bills", "text": BILL}).json() for _ in range(4)]
    response = service.client.get("/cost")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    page = Page()
    page.feed(response.text)
    shown = dict(reversed(list(pairwise(page.words))))  # the first of each word: the headline
    assert shown["requests answered"] == "4"
    cost = sum(answer["cost"]["amount"] for answer in answers)
    assert shown["cost of a million requests"] == money(10**6 * cost / 4, answers[0]["cost"]["currency"])
    large = sum(answer["cost"]["always_large"] for answer in answers)
    assert shown["saved (marginal)"].startswith(f"{100 * (1 - cost / large):.1f} %")


def test_the_page_loads_nothing_and_runs_nothing(serve: Any) -> None:
    response = serve().client.get("/cost")
    page = Page()
    page.feed(response.text)
    tags = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert not any(name in ("src", "style") or name.startswith("on") for _, found in page.tags for name in found)
    assert {found["href"] for _, found in page.tags if "href" in found} == {"#words"}
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "url(" not in response.text


def test_the_page_can_be_read_by_machines_that_read_aloud(serve: Any) -> None:
    page = Page()
    page.feed(serve().client.get("/cost").text)
    assert ("html", {"lang": "en"}) in page.tags
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == tags.count("main") == tags.count("title") == 1
    assert tags.count("caption") == tags.count("table") > 0
    assert all("scope" in found for tag, found in page.tags if tag == "th")
    assert re.search(r"color-scheme: light dark", "".join(page.words))


def test_the_page_says_since_when_and_what_its_words_mean(serve: Any) -> None:
    page = Page()
    page.feed(serve(instance_price_per_hour=1.0).client.get("/cost").text)
    text = " ".join(page.words)
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC", text)
    assert {"s", "p", "the machine", "utilisation"} <= set(page.words)
    assert ("h2", {"id": "words"}) in page.tags
    assert "@media (max-width" in text


def test_rejected_requests_are_shown(serve: Any) -> None:
    service = serve()
    service.client.post("/v1/extract", json={"task": "bills", "text": " "})
    assert "1 rejected" in service.client.get("/cost").text
