"""Which images a worker offers."""

from __future__ import annotations

import pytest

from cloister.errors import ImageUnavailable
from cloister.worker.images.offer import STANDS_FOR, Offer
from cloister.worker.images.store import current_images, list_images


def test_all_that_are_here_with_todays_first() -> None:
    offered = [(each.name, each.measurement) for each in Offer().references]
    current = current_images()
    standing = [(STANDS_FOR[name], measurement) for name, measurement in current.items() if name in STANDS_FOR]
    assert offered[: len(standing)] == standing
    assert dict(offered[len(standing) : len(standing) + len(current)]) == current
    assert {measurement for _, measurement in offered} == {image.measurement for image in list_images()}


def test_those_of_the_names_that_are_given_and_their_older_ones() -> None:
    offered = Offer(["python"]).references
    assert offered[0].measurement == current_images()["python"]
    assert {each.name for each in offered} == {"python"}
    assert len(offered) == sum(image.name == "python" for image in list_images())


def test_a_name_that_is_not_here_is_refused_whatever_else_is() -> None:
    with pytest.raises(ImageUnavailable, match=r"no image nowhere of today's recipe.*cloister image build NAME"):
        Offer(["python", "nowhere"])


def test_the_full_python_image_is_what_rooms_get_that_ask_for_python() -> None:
    """Where it is there; rooms may still name the small one by its measurement."""
    offered = [(each.name, each.measurement) for each in Offer().references]
    current = current_images()
    if "python-ml" in current:
        assert offered[0] == ("python", current["python-ml"])
        assert ("python", current["python"]) in offered
        assert ("python-ml", current["python-ml"]) in offered
    else:
        assert offered[0] == ("python", current["python"])
