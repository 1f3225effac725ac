"""Where clients let a hub send them, and where not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloister.wire.direct import Direct, DirectFailed

NEAR, PLAIN, FAR = "http://127.0.0.1:8642", "http://hub.example.org", "https://hub.example.org"


@pytest.fixture
def made() -> Iterator[list[Direct]]:
    ways: list[Direct] = []
    yield ways
    for way in ways:
        way.close()


@pytest.mark.parametrize(
    ("hub", "url"),
    [
        (FAR, "https://store.example.org/bucket/key?X-Amz-Signature=1"),
        (FAR, "https://10.0.0.7:9000/bucket/key"),
        (PLAIN, "http://10.0.0.7:9000/bucket/key"),
        (PLAIN, "https://store.example.org/bucket/key"),
        (NEAR, "http://127.0.0.1:9000/bucket/key"),
        (NEAR, "https://store.example.org/bucket/key"),
    ],
)
def test_a_store_beside_the_hub_is_taken(made: list[Direct], hub: str, url: str) -> None:
    made.append(Direct(hub, 1))
    assert str(made[0]._acceptable(url)) == url


@pytest.mark.parametrize(
    ("hub", "url"),
    [
        (FAR, "http://store.example.org/bucket/key"),
        (NEAR.replace("http", "https"), "http://127.0.0.1:9000/bucket/key"),
        (FAR, "https://127.0.0.1/bucket/key"),
        (FAR, "https://127.1.2.3:631/printers"),
        (FAR, "https://[::1]/bucket/key"),
        (FAR, "https://[::ffff:127.0.0.1]/bucket/key"),
        (FAR, "https://localhost/bucket/key"),
        (FAR, "https://LOCALHOST./bucket/key"),
        (FAR, "https://169.254.169.254/latest/meta-data"),
        (PLAIN, "http://169.254.169.254/latest/meta-data"),
        (FAR, "https://0.0.0.0/bucket/key"),
        (FAR, "https://user:password@store.example.org/bucket/key"),
        (FAR, "ftp://store.example.org/bucket/key"),
        (FAR, "FILE:///etc/passwd"),
        (FAR, "https:///bucket/key"),
        (FAR, "/bucket/key"),
        (FAR, ""),
        (FAR, "https://store.example.org:99999/bucket"),
        (FAR, "https://\x00/"),
    ],
)
def test_other_places_are_not(made: list[Direct], hub: str, url: str) -> None:
    made.append(Direct(hub, 1))
    with pytest.raises(DirectFailed):
        made[0]._acceptable(url)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer x"},
        {"Cookie": "x"},
        {"Host": "elsewhere"},
        {"x-amz-checksum-sha256": "a\r\nHost: elsewhere"},
        {"x-amz-meta": "é"},
        {"x-amz-meta": "x" * 201},
        {f"x-amz-{number}": "x" for number in range(11)},
    ],
)
def test_a_hub_can_not_make_a_client_send_other_headers(made: list[Direct], headers: dict[str, str]) -> None:
    made.append(Direct(NEAR, 1))
    with pytest.raises(DirectFailed):
        made[0].put("http://127.0.0.1:1/bucket/key", headers, b"x")


def test_after_a_failure_nothing_is_tried_for_a_while(made: list[Direct]) -> None:
    made.append(Direct(NEAR, 1))
    before = made[0].of_use
    made[0].give_up(100)
    meanwhile = made[0].of_use
    made[0].give_up(0)
    assert (before, meanwhile, made[0].of_use) == (True, False, True)
