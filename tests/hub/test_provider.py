"""Signing in at a provider of OpenID Connect: npm's oidc-provider as a process, and one that lies."""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from cloister.errors import CloisterError
from cloister.hub.accounts import add_user, disable_user
from cloister.hub.provider import CALLBACK, Provider
from cloister.hub.settings import HubSettings
from tests.pages import NODE
from tests.ports import free_port

from .peers import PATIENCE, RunningHub

HERE = Path(__file__).parent / "provider"
ALICE = "alice@example.com"


def settings_for(folder: Path, issuer: str, port: int, **more: Any) -> HubSettings:
    secret = folder / "secret"
    secret.write_text("a secret of thirty-two characters\n")
    return HubSettings(
        data=folder / "hub",
        public_url=f"http://127.0.0.1:{port}",
        oidc_issuer=issuer,
        oidc_name="Example",
        oidc_client_id="hub",
        oidc_client_secret_file=secret,
        **({"address_attempts_burst": 10_000} | more),
    )


def browser() -> httpx.Client:
    return httpx.Client(timeout=PATIENCE, trust_env=False)


def problem(answer: httpx.Response) -> str:
    assert answer.status_code == 303
    assert "cloister-flow-" in answer.headers["set-cookie"]
    return parse_qs(urlsplit(answer.headers["location"]).query).get("problem", [answer.headers["location"]])[0]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    folder, port = tmp_path_factory.mktemp("provider"), free_port()
    command = [str(NODE), "provider.js", f"http://127.0.0.1:{port}{CALLBACK}", "a secret of thirty-two characters"]
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        issuer = next(line.strip() for line in process.stdout if line.startswith("http"))
        settings = settings_for(folder, issuer, port, oidc_accounts=True, oidc_email_domains="example.com")
        with RunningHub(settings, port=port) as hub:
            yield hub
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


class TestARealOne:
    """npm's oidc-provider, certified by the OpenID Foundation."""

    def walk(self, client: httpx.Client, hub: RunningHub, who: str) -> str:
        """Through the provider, as a browser goes; the callback's URL, not called yet."""
        url = f"{hub.url}/auth/provider"
        for _ in range(12):
            answer = client.get(url)
            assert answer.status_code in (302, 303), answer.text
            url = str(answer.url.join(answer.headers["location"]))
            if url.startswith(f"{hub.url}{CALLBACK}"):
                return url
            assert not url.startswith(hub.url), url
            if "/interaction/" in url:
                url += f"?{who}"
        raise AssertionError(url)

    def test_who_is_vouched_for_is_signed_in_and_a_code_serves_once(self, hub: RunningHub) -> None:
        with browser() as client, browser() as other:
            assert client.get(f"{hub.url}/auth").json() == {"password": True, "provider": "Example"}
            url = self.walk(client, hub, f"as=one:{ALICE}")
            # Somebody else's browser gets nowhere with it.
            assert problem(other.get(url)) == "expired"
            assert problem(client.get(url)) == "/"
            own = {"Sec-Fetch-Site": "same-origin"}
            assert client.get(f"{hub.url}/v1/session", headers=own).json()["means"] == "provider"
            assert client.get(f"{hub.url}/v1/me", headers=own).json() == {"email": ALICE}
            assert problem(client.get(url)) == "expired"
            # The same code for another attempt: the provider says no.
            code = parse_qs(urlsplit(url).query)["code"][0]
            fresh = httpx.URL(self.walk(other, hub, f"as=one:{ALICE}"))
            assert problem(other.get(fresh.copy_set_param("code", code))) == "unverified"

    def test_mixed_up_answers_are_refused(self, hub: RunningHub) -> None:
        for name, value in (("state", "x" * 43), ("state", ""), ("iss", "https://evil.example")):
            with browser() as client:
                url = httpx.URL(self.walk(client, hub, f"as=one:{ALICE}"))
                assert problem(client.get(url.copy_set_param(name, value))) == (
                    "unverified" if name == "iss" else "expired"
                )
                assert client.get(f"{hub.url}/v1/me").status_code == 401

    @pytest.mark.parametrize(
        ("who", "word"),
        [
            ("as=two:bob@example.com:no", "unverified"),
            ("as=three:carol@elsewhere.org", "unverified"),
            ("as=four:no-email", "unverified"),
            (f"as=five:{ALICE}", "elsewhere"),
            ("refuse=1", "refused"),
        ],
    )
    def test_others_are_not(self, hub: RunningHub, who: str, word: str) -> None:
        with browser() as first:
            first.get(self.walk(first, hub, f"as=one:{ALICE}"))
        with browser() as client:
            assert problem(client.get(self.walk(client, hub, who))) == word
            assert client.get(f"{hub.url}/v1/me").status_code == 401


@dataclass
class Liar:
    """A provider whose ID tokens say what the test wants."""

    url: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1"}))
    foreign: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1"}))
    lie: Callable[[dict[str, Any]], object] = lambda _claims: None
    signed_by: str = "key"
    nonce: str = ""
    issuer: str = ""
    email_at_userinfo: dict[str, Any] | None = None

    def answer(self, path: str) -> object:
        now = int(time.time())
        match path:
            case "/.well-known/openid-configuration":
                return {
                    "issuer": self.issuer or self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "jwks_uri": f"{self.url}/keys",
                    "userinfo_endpoint": f"{self.url}/userinfo",
                }
            case "/keys":
                return {"keys": [self.key.as_dict(private=False)]}
            case "/token":
                claims: dict[str, Any] = {
                    "iss": self.url,
                    "aud": "hub",
                    "sub": "one",
                    "iat": now,
                    "exp": now + 300,
                    "nonce": self.nonce,
                    "email": ALICE,
                    "email_verified": True,
                }
                self.lie(claims)
                if self.signed_by == "nobody":
                    return {"id_token": unsigned(claims), "access_token": "x", "token_type": "Bearer"}
                signing = self.key if self.signed_by == "key" else self.foreign
                token = jwt.encode({"alg": "ES256", "kid": "1"}, claims, signing)
                return {"id_token": token, "access_token": "x", "token_type": "Bearer"}
            case _:
                return self.email_at_userinfo


def unsigned(claims: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in ({"alg": "none"}, claims))
    return b".".join([*parts, b""]).decode()


@pytest.fixture
def liar() -> Iterator[Liar]:
    lying = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(lying.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # as the library calls it

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        lying.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield lying
        server.shutdown()
        thread.join(PATIENCE)


def come_back(hub: RunningHub, liar: Liar) -> str:
    with browser() as client:
        sent = parse_qs(urlsplit(client.get(f"{hub.url}/auth/provider").headers["location"]).query)
        assert sent["code_challenge_method"] == ["S256"]
        liar.nonce = sent["nonce"][0]
        return problem(client.get(f"{hub.url}{CALLBACK}", params={"code": "c", "state": sent["state"][0]}))


def shift(by: int) -> Callable[[dict[str, Any]], object]:
    return lambda claims: claims.update(iat=claims["iat"] + by, exp=claims["exp"] + by)


def test_what_does_not_hold_is_refused(tmp_path: Path, liar: Liar) -> None:
    port = free_port()
    settings = settings_for(tmp_path, liar.url, port)
    with RunningHub(settings, port=port) as hub:
        assert come_back(hub, liar) == "unknown", "accounts are not made unless a setting says so"
        add_user(settings, ALICE)
        assert come_back(hub, liar) == "/"
        lies: list[Callable[[dict[str, Any]], object]] = [
            lambda claims: claims.update(aud="another"),
            lambda claims: claims.update(aud=["hub", "another"], azp="another"),
            lambda claims: claims.update(iss="https://evil.example"),
            lambda claims: claims.update(nonce="another"),
            lambda claims: claims.pop("nonce"),
            lambda claims: claims.pop("exp"),
            lambda claims: claims.update(email_verified=False),
            lambda claims: claims.pop("email_verified"),
            lambda claims: claims.update(email="al\u0456ce@example.com"),
            lambda claims: claims.update(sub=""),
            lambda claims: claims.update(email=["a"]),
            lambda claims: claims.update(exp="soon"),
            shift(-400),
            shift(120),
        ]
        for lie in lies:
            liar.lie = lie
            assert come_back(hub, liar) == "unverified"
        liar.lie = lambda claims: claims.update(email="renamed@example.com")
        assert come_back(hub, liar) == "elsewhere"
        # Clocks may differ by less than a minute, either way.
        for by in (-320, 30):
            liar.lie = shift(by)
            assert come_back(hub, liar) == "/"
        liar.lie = lambda _claims: None
        for liar.signed_by in ("foreign", "nobody"):
            assert come_back(hub, liar) == "unverified"
        liar.signed_by = "key"
        liar.lie = lambda claims: claims.pop("email")
        for said, word in (
            ({"sub": "one", "email": ALICE, "email_verified": True}, "/"),
            ({"sub": "two", "email": ALICE, "email_verified": True}, "unverified"),
            ({"sub": "one", "email": ALICE}, "unverified"),
            (None, "away"),
        ):
            liar.email_at_userinfo = said
            assert come_back(hub, liar) == word
        liar.lie = lambda _claims: None
        disable_user(settings, ALICE)
        assert come_back(hub, liar) == "unknown"


def test_a_provider_that_is_away_or_another_is_said_to_be(tmp_path: Path, liar: Liar) -> None:
    port = free_port()
    liar.issuer = "http://127.0.0.1:1"
    with RunningHub(settings_for(tmp_path, liar.url, port), port=port) as hub, browser() as client:
        assert client.get(f"{hub.url}/auth/provider").headers["location"] == "/sign-in?problem=away"
        assert client.get(f"{hub.url}{CALLBACK}?code=x&state=y").headers["location"] == "/sign-in?problem=expired"


def test_half_a_provider_is_none(tmp_path: Path) -> None:
    whole = settings_for(tmp_path, "https://login.example.org", 1)
    lacking: tuple[dict[str, Any], ...] = (
        {"public_url": None},
        {"oidc_client_id": None},
        {"oidc_issuer": "http://login.example.org"},
    )
    for missing in lacking:
        with pytest.raises(CloisterError, match="oidc_issuer"):
            Provider.of(dataclasses.replace(whole, **missing))
