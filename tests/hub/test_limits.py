"""How often one account may ask the hub, and that another one isn't held up by it."""

from __future__ import annotations

from pathlib import Path

from cloister.hub.accounts import add_user, add_worker
from cloister.hub.settings import HubSettings

from .peers import RunningEnclave, RunningHub

NONCE = {"nonce": "ab" * 32}


def test_each_account_has_bounds_of_its_own_and_is_told_when_to_try_again(tmp_path: Path) -> None:
    with RunningEnclave() as enclave:
        settings = HubSettings(
            data=tmp_path,
            enclave_url=enclave.url,
            messages_per_second=0.01,
            messages_burst=3,
            evidence_per_second=0.0,
            evidence_burst=2,
        )
        tokens = [add_user(settings, "greedy@example.com"), add_user(settings, "modest@example.com")]
        with (
            RunningHub(settings) as hub,
            hub.client(tokens[0]) as greedy,
            hub.client(tokens[1]) as modest,
            hub.client(add_worker(settings, "one")) as worker,
        ):
            said = [greedy.post("/v1/enclave/messages", content=b"echo") for _ in range(5)]
            assert [answer.status_code for answer in said] == [200, 200, 200, 429, 429]
            seconds = int(said[3].headers["retry-after"])
            assert 90 <= seconds <= 100
            assert f"Try again in {seconds} seconds." in said[3].json()["error"]["message"]
            proofs = [greedy.get("/v1/enclave/evidence", params=NONCE) for _ in range(3)]
            assert [answer.status_code for answer in proofs] == [200, 200, 429]
            # Others, and workers, have as much as ever.
            assert modest.post("/v1/enclave/messages", content=b"echo").is_success
            assert modest.get("/v1/enclave/evidence", params=NONCE).is_success
            assert all(worker.post("/v1/enclave/messages", content=b"echo").is_success for _ in range(6))
            # What isn't relayed is not counted.
            assert greedy.get("/v1/me").is_success
