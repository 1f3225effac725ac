"""The tests of the web pages notice what they are there to notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page, Worker, expect

from .people import Person

MALLORY = "mallory@pages.example"
# What a complaint comes with, by its first word, where that isn't the console.
_EVENTS: dict[str, Literal["weberror", "request"]] = {"uncaught:": "weberror", "asks": "request"}


@pytest.fixture
def mallory(person: Callable[..., Person]) -> Person:
    return person(MALLORY)


def page_and_worker(mallory: Person) -> tuple[Page, Worker]:
    with mallory.page.expect_worker() as worker:
        page = mallory.goes_to("/")
    expect(page.get_by_text(MALLORY)).to_be_visible()
    assert not mallory.complaints
    return page, worker.value


def complains(mallory: Person, *wanted: str) -> None:
    """Waits until there is a complaint with each of these words; from then on none counts."""
    for words in wanted:
        while not any(words in each for each in mallory.complaints):
            mallory.context.wait_for_event(_EVENTS.get(words.split()[0], "console"), timeout=10_000)
    mallory.expects("")


def test_errors_of_pages_and_their_workers(mallory: Person) -> None:
    page, worker = page_and_worker(mallory)
    page.evaluate("setTimeout(() => { throw new Error('thrown in the page'); })")
    page.evaluate("void Promise.reject(new Error('rejected in the page'))")
    page.evaluate("console.warn('said in the page')")
    worker.evaluate("console.error('said in the worker')")
    # The last that it hears: the page ends a worker that something was thrown in.
    worker.evaluate("setTimeout(() => { throw new Error('thrown in the worker'); })")
    complains(
        mallory,
        "uncaught: thrown in the page",
        "uncaught: rejected in the page",
        "uncaught: Uncaught Error: thrown in the worker",
        "error: said in the worker",
        "warning: said in the page",
    )


def test_what_the_policy_stops_and_requests_elsewhere(mallory: Person) -> None:
    page, worker = page_and_worker(mallory)
    page.evaluate("""() => {
        document.body.append(Object.assign(new Image(), { src: "https://elsewhere.example/pixel.png" }));
        document.body.append(Object.assign(document.createElement("style"), { textContent: "p { color: red }" }));
        try { document.body.insertAdjacentHTML("beforeend", "<p>unsafe</p>"); } catch {}
    }""")
    # A worker's requests are stopped before anybody hears of them.
    assert worker.evaluate("fetch('https://elsewhere.example/told').catch((error) => error.name)") == "TypeError"
    complains(
        mallory,
        "asks elsewhere: https://elsewhere.example/pixel.png",
        "stopped by the policy: img-src https://elsewhere.example/pixel.png",
        "stopped by the policy: style-src",
        "stopped by the policy: require-trusted-types-for",
    )


def test_what_not_everybody_can_use(mallory: Person) -> None:
    page, _ = page_and_worker(mallory)
    mallory.finds_it_accessible()
    page.evaluate("document.body.append(document.createElement('button'))")
    with pytest.raises(AssertionError, match="button-name"):
        mallory.finds_it_accessible()


def test_every_byte_that_is_sent(person: Callable[..., Person]) -> None:
    mallory = person(MALLORY, recorded=True)
    page, worker = page_and_worker(mallory)
    send = "(body) => fetch('/v1/tokens', { method: 'POST', body: new Blob([body]) }).then(() => undefined)"
    page.evaluate(send, "a secret of the page's")
    worker.evaluate(send, "a secret of the worker's")
    assert mallory.recorder is not None
    heard = b"".join(mallory.recorder.heard())
    assert b"a secret of the page's" in heard
    assert b"a secret of the worker's" in heard
