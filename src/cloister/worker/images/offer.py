"""The images that a worker offers, opened when a task first needs them."""

from __future__ import annotations

from collections.abc import Iterable

from cloister.errors import ImageUnavailable, VerificationError
from cloister.rooms.definition import ImageReference
from cloister.worker.images.store import OpenImage, current_images, list_images, open_image

STANDS_FOR = {"python-ml": "python"}
"""An image that has all that another has, and more: where it is there, it is what rooms get that ask for the other."""


class Offer:
    """All images on this machine: those of today's recipes first, then older ones, which published rooms still name."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """
        Args:
            names: offers images of these names alone; all where none is given.

        Raises:
            ImageUnavailable: there is none of today's recipes, or none of a name that was given.
        """
        wanted = frozenset(names)
        current = {name: made for name, made in current_images().items() if not wanted or name in wanted}
        if missing := ", ".join(sorted(wanted - current.keys())):
            raise ImageUnavailable(
                f"There is no image {missing} of today's recipe on this machine. `cloister image list` tells which "
                "there are; `cloister image build NAME` builds one."
            )
        if not current:
            raise ImageUnavailable("There is no worker image on this machine. Build one: cloister image build python")
        older = [(image.name, image.measurement) for image in list_images() if not wanted or image.name in wanted]
        today = sorted(current.items())
        listed = dict.fromkeys([*_standing(today), *today, *older, *_standing(older)])
        self.references = tuple(ImageReference(name=name, measurement=measurement) for name, measurement in listed)
        self._open: dict[str, OpenImage] = {}

    def open(self, image: ImageReference) -> OpenImage:
        """The image, verified and there until `close`.

        Raises:
            ImageUnavailable: it is not on this machine, or not what it was when it was measured.
        """
        if image.measurement not in self._open:
            try:
                self._open[image.measurement] = open_image(image.measurement)
            except VerificationError as error:
                raise ImageUnavailable(str(error)) from None
        return self._open[image.measurement]

    def close(self) -> None:
        """Lets go of all of them."""
        while self._open:
            self._open.popitem()[1].close()


def _standing(images: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Images under the names that they stand for."""
    return [(STANDS_FOR[name], measurement) for name, measurement in images if name in STANDS_FOR]
