"""Signing in by password, on the pages that the hub serves."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from .people import PASSWORD, Person

ALICE = "alice@pages.example"


def test_somebody_signs_in(person: Callable[..., Person]) -> None:
    alice = person(ALICE, signed_in=False)
    page = alice.goes_to("/")
    expect(page).to_have_url(f"{alice.url}/sign-in")
    alice.finds_it_accessible()
    alice.takes_picture("sign-in")
    page.get_by_role("textbox", name="Email").fill(ALICE)
    page.get_by_role("textbox", name="Password").fill("wrong battery staple")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{alice.url}/")
    # All that was asked for came from the hub.
    assert {request.url.split("/")[2] for request in alice.requests} == {alice.url.split("/")[2]}
