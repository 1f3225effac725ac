"""Signing in by password and by invitation, and the sessions that this gives."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from cloister.errors import BadRequestError, NotFoundError
from cloister.hub.accounts import (
    add_user,
    disable_user,
    enable_user,
    invite_user,
    remove_user,
    revoke_user_tokens,
    set_password,
    unlink_user,
)
from cloister.hub.settings import HubSettings

from .peers import PATIENCE, RunningEnclave, RunningHub

ALICE, BOB = "alice@example.com", "bob@example.com"
PASSWORD, OTHER = "correct horse battery", "staple correct horse"
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    settings = HubSettings(
        data=tmp_path_factory.mktemp("sign-in"),
        attempts_burst=1000,
        address_attempts_burst=1000,
        revocation_seconds=0.1,
    )
    set_password(settings, ALICE, PASSWORD)
    set_password(settings, BOB, PASSWORD)
    with RunningHub(settings) as running:
        yield running


def browser(hub: RunningHub) -> httpx.Client:
    """With a jar for cookies, on a page of the hub's own."""
    return httpx.Client(base_url=hub.url, headers=OWN, timeout=PATIENCE, trust_env=False)


def sign_in(client: httpx.Client, email: str = ALICE, password: str = PASSWORD) -> httpx.Response:
    return client.post("/auth/password", json={"email": email, "password": password})


def test_a_password_gives_a_session_that_does_what_a_token_does(hub: RunningHub) -> None:
    with browser(hub) as alice:
        assert alice.get("/v1/me").status_code == 401
        welcome = sign_in(alice, " Alice@Example.com ")
        assert welcome.status_code == 200, welcome.text
        assert welcome.json()["email"] == ALICE
        cookie = welcome.headers["set-cookie"]
        assert re.fullmatch(r"cloister-\d+=[\w-]{43}=; Path=/; HttpOnly; SameSite=Strict", cookie)
        assert alice.get("/v1/me").json() == {"email": ALICE}
        assert alice.post("/v1/identity", json={"device_key": "00" * 32}).status_code == 200
        made = alice.post("/v1/tokens", json={"description": "from the browser"}).json()
        with hub.client(made["token"]) as program:
            assert program.get("/v1/session").status_code == 404
            (listed,) = [each for each in program.get("/v1/tokens").json() if each["id"] == made["id"]]
        assert listed["last_used_at"] is not None
        assert alice.delete(f"/v1/tokens/{made['id']}").status_code == 204
        session = alice.get("/v1/session").json()
        assert (session["current"], session["means"], session["email"]) == (True, "password", ALICE)
        out = alice.delete("/v1/session")
        assert (out.status_code, "Max-Age=0" in out.headers["set-cookie"]) == (204, True)
        assert alice.get("/v1/me", headers={"Cookie": cookie.partition(";")[0]}).status_code == 401


def test_what_is_wrong_is_not_told(hub: RunningHub) -> None:
    settings = hub.settings
    add_user(settings, "token-only@example.com")
    set_password(settings, "gone@example.com", PASSWORD)
    disable_user(settings, "gone@example.com")
    with browser(hub) as client:
        answers = [
            sign_in(client, email, password)
            for email, password in (
                (ALICE, "wrong"),
                (ALICE, ""),
                (ALICE, "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")),
                ("nobody@example.com", PASSWORD),
                ("no email", PASSWORD),
                ("token-only@example.com", PASSWORD),
                ("gone@example.com", PASSWORD),
            )
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)
    enable_user(settings, "gone@example.com")


def test_pages_of_others_can_do_nothing_with_it(hub: RunningHub) -> None:
    with browser(hub) as alice:
        sign_in(alice)
        host = alice.base_url.netloc.decode()
        for foreign in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": "", "Origin": f"http://{host}"},
        ):
            refused = alice.post("/v1/tokens", headers=foreign)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden"), foreign
        assert alice.get("/v1/me", headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
        del alice.headers["Sec-Fetch-Site"]
        for origin in ("http://evil.example", f"http://{host}.evil.example", "null", "http://127.0.0.1:1"):
            assert alice.post("/v1/tokens", headers={"Origin": origin}).status_code == 403
            assert alice.post("/auth/password", headers={"Origin": origin}, json={}).status_code == 400
            assert (
                alice.post(
                    "/auth/password", headers={"Origin": origin}, json={"email": ALICE, "password": PASSWORD}
                ).status_code
                == 403
            )
        assert alice.post("/v1/tokens").status_code == 403
        assert alice.post("/v1/tokens", headers={"Origin": f"http://{host}"}).status_code == 201
        # Whoever shows a token is no page that was lured.
        token = add_user(hub.settings, ALICE)
        assert alice.post("/v1/tokens", headers={"Authorization": f"Bearer {token}"}).status_code == 201
        assert alice.get("/v1/me", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_sessions_are_listed_and_end_one_by_one_and_all_at_once(hub: RunningHub) -> None:
    with browser(hub) as one, browser(hub) as two, browser(hub) as bob:
        one.delete("/v1/sessions")
        sign_in(one)
        two.headers["User-Agent"] = "Two <b>" + "x" * 300
        sign_in(two)
        sign_in(bob, BOB)
        listed = one.get("/v1/sessions").json()
        (theirs,) = [each for each in listed if each["browser"].startswith("Two")]
        assert len(theirs["browser"]) <= 200
        assert [each["current"] for each in listed].count(True) == 1
        assert bob.delete(f"/v1/sessions/{theirs['id']}").status_code == 404
        assert one.delete(f"/v1/sessions/{theirs['id']}").status_code == 204
        assert two.get("/v1/me").status_code == 401
        sign_in(two)
        assert two.delete("/v1/sessions").status_code == 204
        assert (one.get("/v1/me").status_code, bob.get("/v1/me").status_code) == (401, 200)


def test_another_password_ends_other_sessions(hub: RunningHub) -> None:
    with browser(hub) as one, browser(hub) as two:
        sign_in(one, BOB)
        sign_in(two, BOB)
        change = {"current": PASSWORD, "new": OTHER}
        assert one.put("/v1/password", json=change | {"current": "wrong"}).status_code == 401
        weak = one.put("/v1/password", json=change | {"new": "short"})
        assert (weak.status_code, "12 characters" in weak.json()["error"]["message"]) == (400, True)
        assert one.put("/v1/password", json=change).status_code == 204
        assert (one.get("/v1/me").status_code, two.get("/v1/me").status_code) == (200, 401)
        assert sign_in(two, BOB).status_code == 401
        assert sign_in(two, BOB, OTHER).status_code == 200
        set_password(hub.settings, BOB, PASSWORD)
        assert one.get("/v1/me").status_code == 401


def test_a_link_sets_a_password_once(hub: RunningHub) -> None:
    settings, email = hub.settings, "carol@example.com"
    earlier, link = invite_user(settings, email), invite_user(settings, email)
    assert link.startswith("/invitation#token=")
    tokens = [re.search("token=([^&]+)", each)[1].replace("%3D", "=") for each in (earlier, link)]  # type: ignore[index]
    with browser(hub) as carol, browser(hub) as thief:

        def accept(client: httpx.Client, token: str, password: str = PASSWORD) -> httpx.Response:
            return client.post("/auth/invitation", json={"token": token, "email": email, "password": password})

        assert accept(carol, tokens[0]).status_code == 401
        assert accept(carol, tokens[1], "short").status_code == 400
        token = tokens[1]
        welcome = accept(carol, token)
        assert (welcome.status_code, welcome.json()["email"]) == (200, email)
        assert carol.get("/v1/session").json()["means"] == "invitation"
        assert accept(thief, token).status_code == 401
        assert sign_in(thief, email).status_code == 200
    for file in settings.data.iterdir():
        if file.is_file():
            content = file.read_bytes()
            assert token.encode() not in content
            assert PASSWORD.encode() not in content


def test_a_link_is_of_no_use_for_another_account(hub: RunningHub) -> None:
    """Mallory sends Alice a link to an account of Mallory's, beside her email, so that she puts her data there."""
    mallory = "mallory@example.com"
    token = re.search("token=([^&]+)", invite_user(hub.settings, mallory))[1].replace("%3D", "=")  # type: ignore[index]
    with browser(hub) as alice:

        def accept(**said: str) -> httpx.Response:
            return alice.post("/auth/invitation", json={"token": token, "password": OTHER} | said)

        refused = [accept(email=email) for email in (ALICE, "nobody@example.com", "", "no email", "x" * 320)]
        unknown = alice.post("/auth/invitation", json={"token": "other", "email": mallory, "password": OTHER})
        for answer in refused:
            assert (answer.status_code, answer.json()) == (401, unknown.json())
            assert "set-cookie" not in answer.headers
        assert accept().status_code == 400
        assert sign_in(alice, mallory, OTHER).status_code == sign_in(alice, ALICE, OTHER).status_code == 401
        # It was not used up by that.
        assert accept(email=" Mallory@Example.com ").json()["email"] == mallory


def test_old_links_and_idle_and_old_sessions_are_of_no_use(hub: RunningHub) -> None:
    settings, email = hub.settings, "dora@example.com"
    set_password(settings, email, PASSWORD)
    link = invite_user(settings, email)
    token = re.search("token=([^&]+)", link)[1].replace("%3D", "=")  # type: ignore[index]

    def backdate(table: str, column: str, by: timedelta) -> None:
        with closing(sqlite3.connect(settings.sqlite_file)) as database, database:
            moment = (datetime.now(UTC) - by).strftime("%Y-%m-%d %H:%M:%S.%f")
            database.execute(
                f"UPDATE {table} SET {column} = ? WHERE principal_id = (SELECT id FROM principals WHERE name = ?)",
                (moment, email),
            )

    backdate("links", "expires_at", timedelta(seconds=1))
    with browser(hub) as dora:
        link_used = {"token": token, "email": email, "password": OTHER}
        assert dora.post("/auth/invitation", json=link_used).status_code == 401
        sign_in(dora, email)
        backdate("sessions", "used_at", timedelta(seconds=settings.session_idle_seconds - 60))
        assert dora.get("/v1/me").status_code == 200
        backdate("sessions", "used_at", timedelta(seconds=settings.session_idle_seconds + 1))
        assert dora.get("/v1/me").status_code == 401
        sign_in(dora, email)
        assert dora.get("/v1/me").status_code == 200
        backdate("sessions", "expires_at", timedelta(seconds=1))
        assert dora.get("/v1/me").status_code == 401


def test_operators_end_sessions_with_tokens_and_accounts(hub: RunningHub) -> None:
    settings, email = hub.settings, "erin@example.com"
    set_password(settings, email, PASSWORD)
    with browser(hub) as erin:
        for end in (revoke_user_tokens, unlink_user, disable_user):
            sign_in(erin, email)
            assert erin.get("/v1/me").status_code == 200
            end(settings, email)
            assert erin.get("/v1/me").status_code == 401
        enable_user(settings, email)
        remove_user(settings, email)
        enable_user(settings, email)
        assert sign_in(erin, email).status_code == 401, "the password is gone"
    with pytest.raises(NotFoundError):
        unlink_user(settings, "nobody@example.com")


@pytest.mark.parametrize("password", ["", "eleven char", "aaaaaaaaaaaaaaaa", "frank.the.long@example.com", "x" * 1025])
def test_weak_passwords_are_refused(tmp_path: Path, password: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        set_password(HubSettings(data=tmp_path), "frank.the.long@example.com", password)
    assert not password or password not in str(refused.value)


def test_attempts_are_counted_by_account_and_by_address(tmp_path: Path) -> None:
    settings = HubSettings(
        data=tmp_path,
        attempts_burst=2,
        attempts_per_hour=36,
        address_attempts_burst=5,
        address_attempts_per_hour=36,
        trusted_proxies="127.0.0.1",
    )
    set_password(settings, ALICE, PASSWORD)
    with RunningHub(settings) as hub, browser(hub) as client:

        def tried(email: str, address: str, password: str = "wrong") -> httpx.Response:
            client.headers["X-Forwarded-For"] = f"10.9.9.9, {address}"
            return sign_in(client, email, password)

        for email in (ALICE, "nobody@example.com"):
            # Alike for accounts that aren't there; and the right password doesn't help either.
            assert [tried(email, "10.0.0.1").status_code for _ in range(2)] == [401, 401]
            refused = tried(email, "10.0.0.2", PASSWORD)
            seconds = int(refused.headers["retry-after"])
            assert (refused.status_code, 50 < seconds <= 100) == (429, True)
            assert f"Try again in {seconds} seconds" in refused.json()["error"]["message"]
        assert [tried(f"{name}@example.com", "10.0.0.1").status_code for name in "abc"] == [401, 429, 429]
        assert tried("b@example.com", "10.0.0.3").status_code == 401
        answers = [tried(f"{name}@example.com", f"2001:db8::{name}").status_code for name in "cdefab"]
        assert answers == [401, 401, 401, 401, 401, 429], "a whole network counts as one"


def test_behind_tls_the_cookie_is_the_hubs_alone(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, public_url="https://hub.example.org")
    set_password(settings, ALICE, PASSWORD)
    assert invite_user(settings, ALICE).startswith("https://hub.example.org/invitation#token=")
    with RunningHub(settings) as hub, hub.client() as client:
        wrong = {"Origin": hub.url}
        right = {"Origin": "https://hub.example.org"}
        body = {"email": ALICE, "password": PASSWORD}
        assert client.post("/auth/password", json=body, headers=wrong).status_code == 403
        welcome = client.post("/auth/password", json=body, headers=right)
        assert welcome.headers["set-cookie"].startswith("__Host-cloister=")
        assert welcome.headers["set-cookie"].endswith("; SameSite=Strict; Secure")
        cookie = welcome.headers["set-cookie"].partition(";")[0]
        assert client.get("/v1/me", headers={"Cookie": cookie}).status_code == 200
        insecure = cookie.removeprefix("__Host-")
        assert client.get("/v1/me", headers={"Cookie": insecure}).status_code == 401


def test_what_is_open_in_a_session_ends_with_it(tmp_path: Path) -> None:
    with RunningEnclave() as enclave:
        settings = HubSettings(data=tmp_path, enclave_url=enclave.url, revocation_seconds=0.02)
        set_password(settings, ALICE, PASSWORD)
        with RunningHub(settings) as hub, browser(hub) as alice:
            sign_in(alice)
            with alice.stream("POST", "/v1/enclave/messages", content=b"hang-after") as answer:
                frames = answer.iter_raw()
                assert next(frames) == b"first"
                assert alice.delete("/v1/session").status_code == 204
                with pytest.raises(httpx.RemoteProtocolError):
                    next(frames)
            assert enclave.peer.meeting.asker_left.wait(PATIENCE)
