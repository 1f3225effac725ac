"""Accounts in a browser: coming in, sessions, devices, tokens, and what an enclave without protection means."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from cloister.cli.operators.layout import Layout
from cloister.hub import accounts
from cloister.hub.provider import CALLBACK
from tests.installation import Installation
from tests.pages import NODE
from tests.ports import free_port

from .people import PASSWORD, Person

pytestmark = pytest.mark.slow

NASTY = "<img src=x onerror=alert(1)>"
PROVIDER = Path(__file__).parents[1] / "hub" / "provider"
PHONE = {"width": 390, "height": 800}


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.get_by_role("textbox", name="Email").fill(email)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def is_of(page: Page, email: str) -> None:
    """The side bar says whose page it is."""
    expect(page.get_by_role("banner").get_by_text(email)).to_be_visible()


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def test_an_invitation_sets_a_password_once(person: Callable[..., Person], installation: Installation) -> None:
    email = "invited@accounts.example"
    guest = person(email, signed_in=False)
    link = accounts.invite_user(Layout(installation.data).hub_settings(), email)
    _, fragment = link.split("#")
    # A link that names somebody else sets nobody's password: whoever was sent it would type theirs for another account.
    token = fragment.partition("&")[0]
    page = guest.goes_to(f"/invitation#{token}&email=victim%40accounts.example")
    expect(page.get_by_role("textbox", name="Email")).to_have_value("victim@accounts.example")
    for label in ("New password", "Once more"):
        page.get_by_label(label).fill("a better battery staple")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("alert")).to_contain_text("link")

    page.goto(f"{guest.url}/sign-in")
    page.goto(f"{guest.url}/invitation#{fragment}")
    # Nobody who looks at the address, or at the history, finds the link.
    expect(page).to_have_url(f"{guest.url}/invitation")
    expect(page.get_by_role("textbox", name="Email")).to_have_value(email)
    guest.finds_it_accessible()
    page.get_by_label("New password").fill("short")
    page.get_by_label("Once more").fill("other")
    expect(page.get_by_text("This is not the same.")).to_be_visible()
    page.get_by_label("Once more").fill("short")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("alert")).to_contain_text("12 characters or more")
    for label in ("New password", "Once more"):
        page.get_by_label(label).fill("a better battery staple")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text(email)).to_be_visible()

    # It is used up, and so is what was typed into the address without one.
    page.goto(f"{guest.url}/invitation#{fragment}")
    for label in ("New password", "Once more"):
        page.get_by_label(label).fill("yet another battery")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("alert")).to_contain_text("link")
    page.goto(f"{guest.url}/invitation")
    expect(page.get_by_text("This link is not whole")).to_be_visible()


def test_one_comes_back_to_where_one_wanted_to_go(person: Callable[..., Person]) -> None:
    visitor = person("visitor@accounts.example", signed_in=False)
    page = visitor.goes_to("/settings")
    sign_in(page, visitor.email)
    expect(page).to_have_url(f"{visitor.url}/settings")
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
    page.get_by_role("button", name="Log out", exact=True).first.click()
    expect(page).to_have_url(f"{visitor.url}/sign-in")
    # What went wrong at a provider is told in words of the page's own, whatever the link says.
    for word, told in (("unknown", "There is no account"), (NASTY, "has failed. Try again.")):
        page.goto(f"{visitor.url}/sign-in?problem={word}")
        expect(page.get_by_role("alert")).to_contain_text(told)
    expect(page.get_by_text("onerror")).to_have_count(0)


@pytest.fixture
def with_provider(own_installation: Installation, tmp_path: Path) -> Iterator[Installation]:
    """An installation whose users sign in at a provider: npm's oidc-provider, as a process."""
    own_installation.port = free_port()
    (tmp_path / "secret").write_text("a secret of thirty-two characters\n")
    callback = f"http://127.0.0.1:{own_installation.port}{CALLBACK}"
    command = [str(NODE), "provider.js", callback, "a secret of thirty-two characters"]
    process = subprocess.Popen(command, cwd=PROVIDER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        issuer = next(line.strip() for line in process.stdout if line.startswith("http"))
        with (tmp_path / "cloister.toml").open("a") as settings:
            settings.write(f'''
public_url = "http://127.0.0.1:{own_installation.port}"
oidc_issuer = "{issuer}"
oidc_name = "{NASTY}"
oidc_client_id = "hub"
oidc_client_secret_file = "{tmp_path / "secret"}"
''')
        yield own_installation.start()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def is_known_at_the_provider(somebody: Person, subject: str) -> None:
    """They have signed in there before, for this hub: their browser has the provider's cookie."""
    url = f"{somebody.url}/auth/provider"
    while not url.startswith(f"{somebody.url}{CALLBACK}"):
        answer = somebody.context.request.get(url, max_redirects=0)
        assert answer.status in (302, 303), answer.text()
        url = urljoin(url, answer.headers["location"])
        if "/interaction/" in url:
            url += f"?as={subject}:{somebody.email}"


def test_one_signs_in_at_a_provider_and_comes_back(person: Callable[..., Person], with_provider: Installation) -> None:
    member = person("member@accounts.example", signed_in=False, at=with_provider)
    member.expects("asks elsewhere: http://127.0.0.1:")
    is_known_at_the_provider(member, "one")
    page = member.goes_to("/settings")
    link = page.get_by_role("link", name=f"Sign in with {NASTY}")
    expect(link).to_be_visible()
    member.finds_it_accessible()
    link.click()
    expect(page).to_have_url(f"{member.url}/settings")
    expect(section(page, "Sessions").get_by_role("row").filter(has_text="This one")).to_contain_text("at the provider")

    # Somebody without an account is told so.
    stranger = person("known@accounts.example", signed_in=False, at=with_provider)
    stranger.expects("asks elsewhere: http://127.0.0.1:")
    stranger.email = "stranger@accounts.example"
    is_known_at_the_provider(stranger, "two")
    page = stranger.goes_to("/")
    page.get_by_role("link", name="Sign in with").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no account with your email address here.")
    stranger.finds_it_accessible()


def test_an_enclave_without_protection_gets_nothing_unasked(person: Callable[..., Person]) -> None:
    careful = person("careful@accounts.example", color_scheme="dark", viewport=PHONE)
    page = careful.goes_to("/")
    warning = page.get_by_role("alert").filter(has_text="Nothing would protect your data")
    expect(warning).to_be_visible()
    careful.finds_it_accessible()
    careful.takes_picture("software-enclave")
    assert not [each for each in careful.requests if "/v1/enclave/messages" in each.url]
    allow = page.get_by_role("button", name="Allow software enclaves")
    expect(allow).to_be_disabled()
    page.get_by_role("checkbox", name=re.compile("I want this in this browser")).check()
    allow.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Clean rooms")
    # On a phone the places are behind a button.
    expect(page.get_by_role("link", name="Datasets")).to_be_hidden()
    page.get_by_role("button", name="Open the menu").click()
    expect(page.get_by_text("Software enclave", exact=True)).to_be_visible()
    careful.finds_it_accessible()
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("link", name="Datasets")).to_be_hidden()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("button", name="Allow software enclaves")).to_be_visible()
    # It is not forgotten over a reload, either.
    careful.goes_to("/datasets")
    expect(warning).to_be_visible()


def test_a_new_browser_is_linked_by_an_old_one(person: Callable[..., Person]) -> None:
    email = "traveller@accounts.example"
    # Setting their password, which both begin with, ends sessions.
    old, new = (person(email, signed_in=False) for _ in range(2))
    for each in (old, new):
        each.signs_in()
        each.trusts_software()
    at_old = old.goes_to("/settings")
    devices = section(at_old, "Devices")
    vault = devices.get_by_text("Id of your vault").locator("xpath=ancestor::div[2]/p").inner_text()
    at_old.get_by_role("link", name="Clean rooms").click()
    at_old.get_by_role("button", name="New clean room").click()
    at_old.get_by_role("textbox", name="Name").fill("A secret plan")
    at_old.get_by_role("button", name="Create the draft").click()
    expect(at_old.get_by_role("heading", level=1)).to_have_text("A secret plan")

    # The new one sees no drafts, and is told why.
    at_new = new.goes_to("/")
    expect(at_new.get_by_text("This browser is new here")).to_be_visible()
    expect(at_new.get_by_text("Drafts from your other devices are not shown")).to_be_visible()
    expect(at_new.get_by_text("A secret plan")).to_have_count(0)
    new.finds_it_accessible()
    at_new.get_by_role("link", name="How to link it").first.click()
    key = section(at_new, "Devices").get_by_text("Key of this browser").locator("xpath=ancestor::div[2]/p").inner_text()
    # The vault's id comes from the old one: here it can't be copied from.
    expect(section(at_new, "Devices").get_by_text(vault)).to_have_count(0)
    named = at_new.get_by_label("Id of your vault, as your other device shows it")
    named.fill("0" * 64)
    at_new.get_by_role("button", name="It is my vault").click()
    expect(at_new.get_by_role("alert").filter(has_text="not the one that you have compared")).to_be_visible()
    named.fill(vault)
    at_new.get_by_role("button", name="It is my vault").click()
    expect(at_new.get_by_text("This vault is surely yours.")).to_be_visible()
    new.finds_it_accessible()
    new.takes_picture("link-a-browser")

    # The old one points it out on every page, until something is done.
    old.goes_to("/datasets")
    old.finds_it_accessible()
    expect(at_old.get_by_text("Another device wants to open your vault")).to_be_visible()
    at_old.get_by_role("link", name="Compare it and decide").click()
    at_old.get_by_role("button", name="Compare and let in").click()
    dialog = at_old.get_by_role("dialog")
    expect(dialog).to_contain_text(key)
    expect(dialog.get_by_role("button", name="Let it in")).to_be_disabled()
    old.finds_it_accessible()
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Let it in").click()
    expect(dialog).to_be_hidden()

    new.goes_to("/")
    expect(at_new.get_by_role("link", name="A secret plan")).to_be_visible()
    expect(at_new.get_by_text("This browser is new here")).to_have_count(0)

    # Lost: it is put out for good.
    at_old.get_by_role("button", name="Put out").click()
    at_old.get_by_role("dialog").get_by_role("button", name="Put out").click()
    expect(section(at_old, "Devices").get_by_role("row")).to_have_count(2)
    at_new.reload()
    expect(at_new.get_by_role("alert").first).to_be_visible()
    expect(at_new.get_by_text("A secret plan")).to_have_count(0)


def test_sessions_are_ended_and_the_password_is_changed(person: Callable[..., Person]) -> None:
    email = "busy@accounts.example"
    here, there = (person(email, signed_in=False, user_agent=agent) for agent in (NASTY, None))
    for each in (here, there):
        each.signs_in()
    page = there.goes_to("/settings")
    sessions = section(page, "Sessions")
    # Whoever signs in chooses what the browser is called.
    other = sessions.get_by_role("row").filter(has_text=NASTY)
    expect(other).to_be_visible()
    there.finds_it_accessible()
    other.get_by_role("button", name="End").click()
    expect(other).to_have_count(0)
    expect(here.goes_to("/")).to_have_url(f"{here.url}/sign-in")

    password = section(page, "Password")
    password.get_by_label("Current password").fill("wrong battery staple")
    for label in ("New password", "New password once more"):
        password.get_by_role("textbox", name=label, exact=True).fill("a fresh battery staple")
    change = password.get_by_role("button", name="Change the password")
    change.click()
    expect(password.get_by_role("alert")).to_contain_text("The current password is wrong.")
    password.get_by_label("Current password").fill(PASSWORD)
    change.click()
    expect(password.get_by_text("The password was changed")).to_be_visible()

    page.get_by_role("button", name="Log out everywhere").click()
    page.get_by_role("dialog").get_by_role("button", name="Log out everywhere").click()
    expect(page).to_have_url(f"{there.url}/sign-in")
    sign_in(page, email)
    expect(page.get_by_role("alert")).to_contain_text("don't fit together")
    sign_in(page, email, "a fresh battery staple")
    expect(page.get_by_text(email)).to_be_visible()


def test_a_session_that_ends_takes_nothing_with_it(person: Callable[..., Person], installation: Installation) -> None:
    email = "slow@accounts.example"
    slow = person(email)
    slow.trusts_software()
    page = slow.goes_to("/tokens")
    page.get_by_role("button", name="New token").click()
    page.get_by_label("What it is for").fill("A laptop")
    accounts.revoke_user_tokens(Layout(installation.data).hub_settings(), email)
    page.get_by_role("button", name="Make the token").click()
    ended = page.get_by_role("alert").filter(has_text="Your session has ended")
    expect(ended).to_be_visible()
    expect(page).to_have_url(f"{slow.url}/tokens")
    expect(page.get_by_label("What it is for")).to_have_value("A laptop")
    slow.signs_in()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    ended.get_by_role("button", name="Go on").click()
    expect(ended).to_have_count(0)
    slow.finds_it_accessible()


def test_a_draft_whose_author_signs_in_again_is_kept_by_itself(
    person: Callable[..., Person], installation: Installation
) -> None:
    email = "drafting@accounts.example"
    author = person(email)
    author.trusts_software()
    page = author.goes_to("/")
    page.get_by_role("button", name="New clean room").click()
    page.get_by_role("textbox", name="Name").fill("A plan")
    page.get_by_role("button", name="Create the draft").click()
    expect(page.get_by_text("Kept in your vault")).to_be_visible()
    accounts.revoke_user_tokens(Layout(installation.data).hub_settings(), email)
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Rename and describe").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Name").fill("A better plan")
    page.get_by_role("button", name="Keep").click()
    ended = page.get_by_role("alert", name="Your session has ended")
    expect(ended).to_be_visible()
    expect(page.get_by_role("alert", name="Your last changes are not kept yet")).to_contain_text("sign in again")
    author.finds_it_accessible()
    author.signs_in()
    ended.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("Kept in your vault")).to_be_visible()
    expect(ended).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("A better plan")


def test_whoever_leaves_in_one_tab_has_left_in_all(person: Callable[..., Person]) -> None:
    first, second = "first@accounts.example", "second@accounts.example"
    person(second, signed_in=False)
    user = person(first)
    user.trusts_software()
    page = user.goes_to("/")
    page.get_by_role("button", name="New clean room").click()
    page.get_by_role("textbox", name="Name").fill("A secret plan")
    page.get_by_role("button", name="Create the draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A secret plan")
    # Something on it can't be kept: whoever comes isn't asked all the same whether it is to stay.
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", accept)
    user.expects("net::ERR_FAILED")
    page.route("**/v1/enclave/messages", lambda route: route.abort())
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Rename and describe").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Name").fill("A plan that is more secret still")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Keeping …")).to_be_visible()

    # 1. By logging out.
    other = user.context.new_page()
    other.goto(f"{user.url}/tokens")
    other.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{user.url}/sign-in")
    assert asked == []
    page.unroute("**/v1/enclave/messages")

    # 2. By somebody else's coming.
    sign_in(page, first)
    is_of(page, first)
    sign_in(other, second)
    is_of(other, second)
    is_of(page, second)
    expect(page.get_by_text(first)).to_have_count(0)

    # 3. By coming where no page could tell of it: it is seen when somebody looks at the tab again.
    user.signs_in()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    for each in (page, other):
        is_of(each, first)
        expect(each.get_by_text(second)).to_have_count(0)


@pytest.mark.parametrize("colors", ["light", "dark"])
def test_api_tokens_are_shown_once_and_end(
    person: Callable[..., Person], installation: Installation, colors: str
) -> None:
    maker = person(f"{colors}@accounts.example", color_scheme=colors)
    page = maker.goes_to("/tokens")
    expect(page.get_by_text("You have none.")).to_be_visible()
    maker.finds_it_accessible()
    page.get_by_role("button", name="New token").click()
    page.get_by_label("What it is for").fill(NASTY)
    page.get_by_role("button", name="Make the token").click()
    token = page.get_by_label("The token", exact=True).inner_text()
    assert installation.client(maker.email, token=token).get_data_room_descriptions() == []
    maker.finds_it_accessible()
    # Not even the wrong key loses it.
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Done").click()
    row = page.get_by_role("row").filter(has_text=NASTY)
    expect(row).to_contain_text(f"…{token[-4:]}")
    maker.finds_it_accessible()
    page.reload()
    expect(row).to_be_visible()
    assert token not in page.content()
    row.get_by_role("button", name="End").click()
    page.get_by_role("dialog").get_by_role("button", name="End it").click()
    expect(page.get_by_text("You have none.")).to_be_visible()
