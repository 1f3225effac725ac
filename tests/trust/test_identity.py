"""Identity tokens: from a pinned issuer, for enclaves, now, about this device key. Made here by hand, so that nothing
of what makes the real ones hides a mistake of what reads them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from cloister.errors import IdentityRejected
from cloister.rooms.definition import Issuer
from cloister.trust.identity import MAX_AGE, MAX_BYTES, MAX_TRIED, verify_identity

KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
OLD_KEY = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"\x03" * 32)
DEVICE, OTHER_DEVICE = b"\x04" * 32, b"\x05" * 32
NOW = 1_700_000_000


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


HUB = Issuer(name="hub", keys=(public(OLD_KEY), public(KEY)))
OTHER = Issuer(name="other", keys=(public(STRANGER),))


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": "hub",
        "aud": "cloister-enclave",
        "sub": "user@example.org",
        "email": "user@example.org",
        "iat": NOW,
        "exp": NOW + 300,
        "jti": "1",
        "cnf": {"jwk": jwk()},
        **changes,
    }


def jwk(**changes: Any) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "x": encode(DEVICE), **changes}


def without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in claims().items() if name != claim}


def sign(header: bytes, payload: bytes, key: Ed25519PrivateKey = KEY) -> str:
    signed = f"{encode(header)}.{encode(payload)}"
    return f"{signed}.{encode(key.sign(signed.encode()))}"


def token(payload: dict[str, Any] | None = None, key: Ed25519PrivateKey = KEY, **header: Any) -> str:
    head = {"alg": "Ed25519", "typ": "JWT", "kid": "x", **header}
    return sign(json.dumps(head).encode(), json.dumps(payload or claims()).encode(), key)


def verify(text: str, *issuers: Issuer, now: int = NOW, device: bytes = DEVICE) -> tuple[str, str]:
    return verify_identity(text, device, issuers or (HUB,), now=now)


# --- what holds ---


def test_a_token_binds_a_key_to_an_address() -> None:
    assert verify(token()) == ("user@example.org", "hub")


def test_any_key_of_the_issuer_will_do() -> None:
    assert verify(token(key=OLD_KEY)) == ("user@example.org", "hub")


def test_any_pinned_issuer_will_do_under_its_own_name() -> None:
    foreign = token(claims(iss="other"), key=STRANGER)
    for issuers in ((HUB, OTHER), (OTHER, HUB)):
        assert verify(foreign, *issuers) == ("user@example.org", "other")
        assert verify(token(), *issuers) == ("user@example.org", "hub")


def thumbprint(key: Ed25519PrivateKey) -> str:
    x = encode(key.public_key().public_bytes_raw())
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x}).thumbprint()


def test_of_many_keys_the_one_that_the_token_names_is_tried() -> None:
    # A definition may name a thousand, to keep the enclave busy with tokens that nobody has signed.
    others = tuple(hashlib.sha256(number.to_bytes(2)).hexdigest() for number in range(MAX_TRIED))
    crowded = Issuer(name="hub", keys=(*others, public(KEY)))
    assert verify_identity(token(kid=thumbprint(KEY)), DEVICE, [OTHER, crowded], now=NOW)
    for kid in ("x", thumbprint(OLD_KEY)):
        with pytest.raises(IdentityRejected, match="not from an issuer"):
            verify_identity(token(kid=kid), DEVICE, [OTHER, crowded], now=NOW)
    # Whom it names first is not believed.
    with pytest.raises(IdentityRejected, match="not from an issuer"):
        verify_identity(token(key=STRANGER, kid=thumbprint(KEY)), DEVICE, [crowded], now=NOW)
    assert verify_identity(token(kid="x"), DEVICE, [Issuer(name="other", keys=others), HUB], now=NOW)


def test_the_address_is_normalised() -> None:
    assert verify(token(claims(email="User@Example.ORG")))[0] == "user@example.org"


@pytest.mark.parametrize("now", [NOW - 60, NOW, NOW + 299, NOW + 359])
def test_clocks_may_differ_by_a_minute(now: int) -> None:
    assert verify(token(), now=now)


# --- what does not ---


@pytest.mark.parametrize("now", [NOW - 61, NOW + 360, 0, NOW + 10**9])
def test_tokens_of_another_time_are_refused(now: int) -> None:
    with pytest.raises(IdentityRejected, match="not valid now"):
        verify(token(), now=now)


@pytest.mark.parametrize(
    "changes", [{"exp": NOW + MAX_AGE + 1}, {"exp": NOW + 10**9}, {"iat": NOW - MAX_AGE}, {"iat": 0}]
)
def test_tokens_that_live_too_long_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(IdentityRejected, match="not valid now"):
        verify(token(claims(**changes)))


@pytest.mark.parametrize("audience", ["hub", "cloister-enclave2"])
def test_tokens_for_others_are_refused(audience: str) -> None:
    with pytest.raises(IdentityRejected, match="made by or for somebody else"):
        verify(token(claims(aud=audience)))


@pytest.mark.parametrize("name", ["other", "Hub", ""])
def test_tokens_by_others_are_refused(name: str) -> None:
    with pytest.raises(IdentityRejected, match="not from an issuer"):
        verify(token(claims(iss=name)))


def test_one_issuer_can_not_speak_in_the_name_of_another() -> None:
    with pytest.raises(IdentityRejected, match="not from an issuer"):
        verify(token(claims(iss="hub"), key=STRANGER), HUB, OTHER)


def test_of_two_names_the_last_counts_everywhere() -> None:
    payload = json.dumps(claims(iss="other"))[:-1].encode()
    with pytest.raises(IdentityRejected):
        verify(sign(b'{"alg":"Ed25519"}', payload + b',"iss":"hub"}', STRANGER), HUB, OTHER)
    with pytest.raises(IdentityRejected):
        verify(sign(b'{"alg":"Ed25519"}', payload.replace(b'"iss": "other"', b'"iss":"hub"') + b',"iss":"other"}'), HUB)


def test_strangers_are_refused() -> None:
    with pytest.raises(IdentityRejected, match="not from an issuer that the room trusts"):
        verify(token(key=STRANGER))
    with pytest.raises(IdentityRejected, match="not from an issuer that the room trusts"):
        verify_identity(token(), DEVICE, (), now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"x": encode(OTHER_DEVICE)},
        {"x": encode(DEVICE) + "="},
        {"x": encode(DEVICE)[:-1]},
        {"x": encode(DEVICE)[:-1] + "R"},
        {"crv": "X25519"},
        {"kty": "EC"},
    ],
)
def test_tokens_about_another_key_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(IdentityRejected, match="another device key"):
        verify(token(claims(cnf={"jwk": jwk(**changes)})))
    with pytest.raises(IdentityRejected, match="another device key"):
        verify(token(), device=OTHER_DEVICE)


@pytest.mark.parametrize("claim", ["iss", "aud", "email", "iat", "exp", "cnf"])
def test_every_claim_that_is_read_must_be_there(claim: str) -> None:
    with pytest.raises(IdentityRejected):
        verify(token(without(claim)))


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "no address"},
        {"email": "a@b\n"},
        {"email": "\u212aelvin@example.org"},
        {"email": ["user@example.org"]},
        {"aud": ["cloister-enclave"]},
        {"aud": ["cloister-enclave", "hub"]},
        {"iat": str(NOW)},
        {"iat": NOW + 0.5},
        {"exp": None},
        {"exp": True},
        {"cnf": {}},
        {"cnf": {"kid": "x"}},
        {"cnf": None},
        {"cnf": {"jwk": []}},
    ],
)
def test_claims_of_another_shape_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(IdentityRejected):
        verify(token(claims(**changes)))


# --- algorithms ---


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_unsigned_tokens_are_refused(algorithm: str) -> None:
    head, body, _ = token(alg=algorithm).split(".")
    for text in (f"{head}.{body}.", f"{head}.{body}", token(alg=algorithm)):
        with pytest.raises(IdentityRejected, match="not from an issuer"):
            verify(text)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_not_a_shared_secret(algorithm: str) -> None:
    raw = KEY.public_key().public_bytes_raw()
    for secret in (raw, raw.hex().encode(), pem(KEY), encode(raw).encode()):
        signed = token(alg=algorithm).rpartition(".")[0]
        digest = hmac.digest(secret, signed.encode(), {"HS256": "sha256", "HS384": "sha384"}.get(algorithm, "sha512"))
        with pytest.raises(IdentityRejected, match="not from an issuer"):
            verify(f"{signed}.{encode(digest)}")


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed448", "ed25519", "ES256", "RS256", 1, None, ["Ed25519"], {}])
def test_other_algorithms_are_refused(algorithm: Any) -> None:
    with pytest.raises(IdentityRejected, match="not from an issuer"):
        verify(token(alg=algorithm))


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"jwk": jwk(x=encode(STRANGER.public_key().public_bytes_raw()))},
        {"jku": "https://example.org/keys", "x5u": "https://example.org/cert"},
    ],
)
def test_a_header_brings_no_keys_and_no_rules(header: dict[str, Any]) -> None:
    with pytest.raises(IdentityRejected, match="not from an issuer"):
        verify(token(key=STRANGER, **header))
    if "crit" in header:
        with pytest.raises(IdentityRejected, match="not from an issuer"):
            verify(token(**header))


# --- forms ---


def test_giant_tokens_are_refused_unread() -> None:
    with pytest.raises(IdentityRejected, match="too long"):
        verify("x" * (MAX_BYTES + 1))
    with pytest.raises(IdentityRejected, match="too long"):
        verify(token(claims(padding="x" * MAX_BYTES)))


HEADER = b'{"alg":"Ed25519"}'


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (b"", b""),
        (b"[]", b"{}"),
        (b"1", b"{}"),
        (b"null", b"{}"),
        (b'"alg"', b"{}"),
        (b"\xff", b"{}"),
        (b"[" * 3000, b"{}"),
        (b'{"alg":' + b"[" * 2500, b"{}"),
        (b'{"alg":' + b"9" * 3000 + b"}", b"{}"),
        (HEADER, b""),
        (HEADER, b"[]"),
        (HEADER, b'"x"'),
        (HEADER, b"1"),
        (HEADER, b"null"),
        (HEADER, b"\xff"),
        (HEADER, b"[" * 5000),
        (HEADER, b'{"iat":' + b"[" * 5000),
        (HEADER, b'{"iat":' + b"9" * 5000 + b"}"),
        (HEADER, b"NaN"),
    ],
)
def test_json_of_any_shape_is_refused_even_well_signed(header: bytes, payload: bytes) -> None:
    with pytest.raises(IdentityRejected, match="not from an issuer"):
        verify(sign(header, payload))


@given(st.text(max_size=60) | st.builds(".".join, st.lists(st.text(max_size=30), min_size=2, max_size=6)))
def test_noise_is_refused(text: str) -> None:
    with pytest.raises(IdentityRejected):
        verify(text)


GOOD = token()


@given(st.data())
def test_any_changed_character_is_noticed(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD) - 2))  # the last character of base64 has bits to spare
    other = data.draw(st.sampled_from("AZaz09-_.").filter(lambda character: character != GOOD[at]))
    with pytest.raises(IdentityRejected):
        verify(GOOD[:at] + other + GOOD[at + 1 :])


def test_a_token_is_bound_to_the_signature_not_to_its_digest() -> None:
    head, body, signature = GOOD.split(".")
    other = encode(hashlib.sha512(b"x").digest())
    for text in (f"{head}.{body}.{other}", f"{body}.{head}.{signature}", f"{head}.{body}.{signature}.{signature}"):
        with pytest.raises(IdentityRejected):
            verify(text)
