"""Users, workers and their API tokens, from the command line's side and over HTTP."""

from __future__ import annotations

import base64
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import BadRequestError, NotFoundError
from cloister.hub.accounts import add_user, add_worker, checked_email, revoke_user_tokens, revoke_worker_tokens
from cloister.hub.settings import HubSettings

from .conftest import World
from .peers import PATIENCE, RunningHub


def test_a_token_is_32_bytes_in_padded_base64url_and_never_the_same(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path / "new" / "folder")
    tokens = {add_user(settings, "a@example.com") for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(base64.b64decode(token, altchars="-_", validate=True)) == 32 for token in tokens)


def test_what_is_kept_is_no_token_and_nobody_elses_to_read(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path / "data")
    token = add_user(settings, "a@example.com")
    assert stat.S_IMODE(settings.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.sqlite_file.stat().st_mode) == 0o600
    for file in settings.data.iterdir():
        assert token.encode() not in file.read_bytes()
        assert token[:-4].encode() not in file.read_bytes()


def test_users_can_be_added_and_revoked_while_the_hub_runs(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    with RunningHub(settings) as hub:
        token = add_user(settings, "late@example.com")
        with hub.client(token) as client:
            assert client.get("/v1/me").json() == {"email": "late@example.com"}
            assert revoke_user_tokens(settings, "Late@Example.com") == 1
            assert client.get("/v1/me").status_code == 401
    assert revoke_user_tokens(settings, "late@example.com") == 0


def test_revoking_whom_nobody_knows_is_an_error(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    add_user(settings, "worker-1@example.com")
    with pytest.raises(NotFoundError, match=r"no account 'b@example.com'"):
        revoke_user_tokens(settings, "b@example.com")
    with pytest.raises(NotFoundError, match="no worker"):
        revoke_worker_tokens(settings, "worker-1@example.com")


def test_an_account_and_a_worker_of_one_name_are_two(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    worker = add_worker(settings, "worker")
    user = add_user(settings, "worker@x")
    with RunningHub(settings) as hub, hub.client(worker) as one, hub.client(user) as other:
        assert one.get("/v1/me").status_code == 403
        assert other.get("/v1/me").status_code == 200


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a" * 65, "a/b", "a\n"])
def test_a_workers_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequestError, match="worker's name"):
        add_worker(HubSettings(data=tmp_path), name)


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("alice@example.com", "alice@example.com"),
        ("  Alice.B+c@Example.COM ", "alice.b+c@example.com"),
        ("o'neil@mail.xn--bcher-kva.example", "o'neil@mail.xn--bcher-kva.example"),
        ("root@localhost", "root@localhost"),
        ("a" * 64 + "@b.c", "a" * 64 + "@b.c"),
    ],
)
def test_emails_have_one_spelling(text: str, email: str) -> None:
    assert checked_email(text) == email
    assert checked_email(email) == email


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "@example.com",
        "alice@",
        "a@b@c",
        "a b@example.com",
        "a@exam ple.com",
        "a@b\nc@d",
        "a,b@example.com",
        "alice@-example.com",
        "alice@example..com",
        ".alice@example.com",
        "alice@example.com.",
        "alic\u0435@example.com",
        "\u212a@example.com",
        "a" * 65 + "@b.c",
        "a@" + "b" * 64 + ".com",
        "a@" + ".".join(["b" * 50] * 5),
        "--data",
    ],
)
def test_what_is_no_email_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequestError, match="not an email address"):
        add_user(HubSettings(data=tmp_path / "data"), text)
    assert not (tmp_path / "data").exists()


@given(st.text(max_size=40) | st.emails())
def test_normalising_emails_is_idempotent_and_forgets_case(text: str) -> None:
    try:
        email = checked_email(text)
    except BadRequestError:
        return
    assert checked_email(email) == email == checked_email(text.upper()) == checked_email(f" {text}\n")


def test_processes_that_start_together_on_an_empty_folder_agree(tmp_path: Path) -> None:
    data = tmp_path / "data"
    program = (
        "import sys; from pathlib import Path; from cloister.hub.accounts import add_user;"
        "from cloister.hub.settings import HubSettings;"
        "print(add_user(HubSettings(data=Path(sys.argv[1])), 'a@example.com'))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, str(data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    tokens = set()
    for process in processes:
        out, err = process.communicate(timeout=PATIENCE * 2)
        assert (process.returncode, err) == (0, b"")
        tokens.add(out.decode().strip())
    assert len(tokens) == 4
    with sqlite3.connect(data / "hub.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM principals").fetchall() == [(1,)]
        assert database.execute("SELECT count(*) FROM tokens").fetchall() == [(4,)]
    database.close()
    with RunningHub(HubSettings(data=data)) as hub:
        for token in tokens:
            with hub.client(token) as client:
                assert client.get("/v1/me").status_code == 200


def test_an_account_sees_makes_and_revokes_its_tokens(world: World) -> None:
    before = world.alice.get("/v1/tokens").json()
    made = world.alice.post("/v1/tokens", json={"description": "laptop"})
    assert made.status_code == 201
    token = made.json()["token"]
    listed = world.alice.get("/v1/tokens").json()
    assert listed[:-1] == before
    assert listed[-1]["description"] == "laptop"
    assert listed[-1]["last_four"] == token[-4:]
    assert listed[-1]["created_at"].endswith("Z")
    assert set(listed[-1]) == {"id", "created_at", "last_used_at", "last_four", "description"}
    with world.hub.client(token) as laptop:
        assert laptop.get("/v1/me").json() == {"email": "alice@example.com"}
        # A token may end itself.
        assert laptop.delete(f"/v1/tokens/{made.json()['id']}").status_code == 204
        assert laptop.get("/v1/me").status_code == 401
    assert world.alice.get("/v1/tokens").json() == before
    assert world.alice.delete(f"/v1/tokens/{made.json()['id']}").status_code == 404


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"description": 1}', b'{"x": ""}', b'{"description": "%s"}' % (b"a" * 201)]
)
def test_a_token_request_that_is_none_is_refused(world: World, body: bytes) -> None:
    answer = world.alice.post("/v1/tokens", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


def test_what_was_sent_is_not_repeated_in_errors(world: World) -> None:
    answer = world.alice.post("/v1/identity", json={"device_key": "canary-canary"})
    assert answer.status_code == 400
    assert "device_key" in answer.text
    assert "canary" not in answer.text


def test_an_accounts_tokens_are_bounded(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, tokens_per_account=3)
    with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as client:
        made = [client.post("/v1/tokens") for _ in range(3)]
        assert [answer.status_code for answer in made] == [201, 201, 409]
        assert client.delete(f"/v1/tokens/{made[0].json()['id']}").status_code == 204
        assert client.post("/v1/tokens").status_code == 201
