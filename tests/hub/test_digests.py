"""The ``Content-Digest`` header."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.hub.digests import header_of, sha256_of
from cloister.hub.problems import Problem

# RFC 9530, appendix B.1: the content {"hello": "world"} and a line feed.
EXAMPLE = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
EXAMPLE_HEX = hashlib.sha256(b'{"hello": "world"}\n').hexdigest()


def test_the_example_of_the_rfc() -> None:
    assert sha256_of(EXAMPLE) == EXAMPLE_HEX
    assert header_of(EXAMPLE_HEX) == EXAMPLE


@pytest.mark.parametrize(
    "header",
    [
        f"sha-512=:AAAA:, {EXAMPLE}",
        f"{EXAMPLE},md5=::",
        f" {EXAMPLE}\t",
        # The last of two members with one name counts.
        f"sha-256=:{'A' * 43}=:, {EXAMPLE}",
    ],
)
def test_other_members_are_left_alone(header: str) -> None:
    assert sha256_of(header) == EXAMPLE_HEX


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha-256",
        "sha-256=",
        "sha-256=::",
        EXAMPLE.replace(":", ""),
        EXAMPLE[:-1],
        EXAMPLE.upper(),
        EXAMPLE.replace("sha-256=", "sha-256 = "),
        EXAMPLE.replace("=:", ":"),
        EXAMPLE + ";a=1",
        EXAMPLE + ",",
        "," + EXAMPLE,
        f"{EXAMPLE}, sha-256=:AAAA:",
        "sha-512=:AAAA:",
        "sha-256=:" + "A" * 42 + "==:",
        "sha-256=:" + "_" * 43 + "=:",
        EXAMPLE + ", x=:" + "A" * 1024 + ":",
    ],
)
def test_anything_else_is_refused(header: str | None) -> None:
    with pytest.raises(Problem) as caught:
        sha256_of(header)
    assert caught.value.status_code == 400


@given(st.binary(min_size=32, max_size=32))
def test_what_is_written_is_read(digest: bytes) -> None:
    assert sha256_of(header_of(digest.hex())) == digest.hex()


@given(st.text(max_size=80) | st.from_regex(r"sha-256=:[A-Za-z0-9+/=]{40,48}:", fullmatch=True))
def test_whatever_comes_is_a_digest_or_a_refusal(header: str) -> None:
    try:
        found = sha256_of(header)
    except Problem:
        return
    assert len(bytes.fromhex(found)) == 32
