"""A stream is kept whole where it fits, else its head and its tail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloister.worker.sandbox.capture import Capture


@given(st.lists(st.binary(max_size=400), max_size=12), st.integers(0, 600))
def test_head_and_tail(chunks: list[bytes], limit: int) -> None:
    capture, stream = Capture(limit), b"".join(chunks)
    for chunk in chunks:
        capture.feed(chunk)
    kept = capture.value()
    assert len(kept) <= limit
    assert capture.total == len(stream)
    if len(stream) <= limit:
        assert kept == stream
    elif limit >= 200:
        head, mark, tail = kept.partition(b"\n... ")
        number, _, tail = tail.partition(b" bytes left out ...\n")
        assert mark
        assert stream.startswith(head)
        assert stream.endswith(tail)
        assert len(head) + int(number) + len(tail) == len(stream)
        assert min(len(head), len(tail)) > limit // 4


def test_a_flood_is_not_kept() -> None:
    capture = Capture(1000)
    for _ in range(1000):
        capture.feed(bytes(100_000))
    assert len(capture._tail) < 4000
    assert len(capture._start) <= 1000
