"""Packing is injective, canonical JSON is RFC 8785, and reading it is strict."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloister.errors import VerificationError
from cloister.formats.encoding import (
    Email,
    Hex32,
    Record,
    Size,
    canonical,
    decode,
    decode_canonical,
    normal_email,
    number,
    pack,
)


class Sample(Record, frozen=True, kw_only=True):
    version: Literal[1] = 1
    text: str = ""
    identifier: Hex32 = "00" * 32
    email: Email = "a@b"
    size: Size = 0
    count: int = 0
    share: float = 0.0
    nested: tuple[tuple[int, ...], ...] = ()


def sample(**fields: Any) -> bytes:
    return canonical({**json.loads(canonical(Sample())), **fields})


# --- packing ---


@given(st.lists(st.binary(max_size=12), max_size=5), st.lists(st.binary(max_size=12), max_size=5), st.text(max_size=3))
@example([b"ab"], [b"a", b"b"], "")
@example([b""], [], "")
def test_different_lists_are_packed_differently(one: list[bytes], other: list[bytes], label: str) -> None:
    assert (pack(label, *one) == pack(label, *other)) == (one == other)


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=40), st.binary(max_size=40))
def test_a_label_is_not_the_start_of_another(one: str, other: str, tail: bytes, tail2: bytes) -> None:
    if one != other:
        assert not pack(one, tail).startswith(pack(other))
        assert pack(one, tail) != pack(other, tail2)


def test_numbers_take_eight_bytes() -> None:
    assert number(0) == bytes(8)
    assert number(2**64 - 1) == b"\xff" * 8
    for bad in (-1, 2**64):
        with pytest.raises(OverflowError):
            number(bad)


# --- canonical JSON ---


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=10,
    )
)
def test_canonical_json_is_sorted_by_utf16_and_compact(value: Any) -> None:
    def ordered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: ordered(value[key]) for key in sorted(value, key=lambda text: text.encode("utf-16-be"))}
        return [ordered(each) for each in value] if isinstance(value, list) else value

    expected = json.dumps(ordered(value), ensure_ascii=False, separators=(",", ":")).encode()
    assert canonical(value) == expected


@pytest.mark.parametrize("value", [2**53, -(2**53), float("inf")])
def test_numbers_that_json_does_not_carry_have_no_canonical_form(value: float) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical({"value": value} if value != float("inf") else Sample(share=value))


# --- strict reading ---


def test_the_canonical_bytes_are_accepted() -> None:
    value = Sample(text="ü\u2028\U0001f512", share=2.0, nested=((1,), ()))
    assert decode_canonical(canonical(value), Sample, what="a sample") == value


@pytest.mark.parametrize(
    "data",
    [
        b" " + sample(),
        sample() + b"\n",
        sample().replace(b":", b": ", 1),
        sample()[:-1] + b',"count":0}',
        sample().replace(b'"text":""', b'"text":"\\u0041"'),
        sample().replace(b'"count":0', b'"count":-0'),
        sample().replace(b'"share":0', b'"share":0.0'),
        sample().replace(b'"count":0', b'"count":9007199254740993'),
        sample().replace(b'"count":0', b'"count":' + b"9" * 400),
        b"\xef\xbb\xbf" + sample(),
        b"{}",
    ],
    ids=["space", "newline", "colon", "twice", "escape", "minus", "float", "2^53", "giant", "bom", "defaults"],
)
def test_any_other_bytes_for_the_same_value_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationError, match="This is not a sample"):
        decode_canonical(data, Sample, what="a sample")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"text":"\xff"}',
        b'{"text":"\\ud800"}',
        b'{"text":"\xed\xa0\x80"}',
        b'{"text":"\\udc00\\ud800"}',
        b'{"unknown":1}',
        b'{"version":2}',
        b'{"version":1.0}',
        b'{"count":1.0}',
        b'{"count":true}',
        b'{"count":"1"}',
        b'{"share":NaN}',
        b'{"share":1e400}',
        b'{"size":-1}',
        b'{"size":9007199254740992}',
        b"[" * 200_000,
        b'{"nested":' + b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"identifier":"%s\\n"}' % (b"0" * 64),
        b'{"identifier":"%s"}' % (b"A" * 64),
        b'{"identifier":"%s"}' % (b"0" * 63),
        b'{"identifier":"%s"}' % ("\u0660" * 64).encode(),
    ],
)
def test_what_is_not_such_a_record_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError, match="This is not a sample") as caught:
        decode(data, Sample, what="a sample")
    assert len(str(caught.value)) < 500


def test_the_content_of_a_field_is_not_in_the_message() -> None:
    with pytest.raises(VerificationError) as caught:
        decode(b'{"identifier":"secret-secret","count":1}', Sample, what="a sample")
    assert "secret" not in str(caught.value)


@given(st.binary(max_size=200))
def test_reading_noise_raises_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(VerificationError):
        decode_canonical(data, Sample, what="a sample")


# --- addresses ---


@pytest.mark.parametrize("email", ["a@b", "first.last+tag@example.org", "Q'x@[1.2.3.4]"])
def test_addresses(email: str) -> None:
    assert decode(canonical({"email": email}), Sample, what="a sample").email == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "@",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        "a,b@c",
        "a@b\n",
        "\na@b",
        "a\x7f@b",
        "a@b\u2028",
        "stra\u00dfe@example.org",
        "\u212aelvin@example.org",
        "a" * 129 + "@b",
        "a@" + "b" * 127,
    ],
)
def test_other_addresses_are_refused(email: str) -> None:
    with pytest.raises(VerificationError):
        decode(canonical({"email": email}), Sample, what="a sample")


@given(st.from_regex(r"\A[!-+\--?A-~]{1,20}@[!-+\--?A-~]{1,20}\Z"))
def test_normal_addresses_are_lower_case_and_stay_so(email: str) -> None:
    assert normal_email(email) == email.lower() == normal_email(normal_email(f" {email.upper()} "))
