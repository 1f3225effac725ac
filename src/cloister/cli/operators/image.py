"""`cloister image`: build worker images and list what is there."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import click

from cloister.worker.images.recipe import recipe_names
from cloister.worker.images.store import Image, build_image, current_images, list_images, remove_image
from cloister.worker.linux import enter_private_mounts


@click.group()
def image() -> None:
    """The images that computations run in: small Debian systems with Python or R and their libraries."""


@image.command(short_help="Build images, unless they are there.")
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--all", "everything", is_flag=True, help="Build all that there are recipes for.")
@click.option("--rebuild", is_flag=True, help="Build even if it is there, with today's Debian packages.")
def build(names: tuple[str, ...], everything: bool, rebuild: bool) -> None:
    """Build the images NAME..., several at once, unless they are there. Needs root.

    Prints a line for each: its name and its measurement, which rooms name. `cloister image list` tells which there are.
    """
    wanted = dict.fromkeys(recipe_names() if everything else names)
    if not wanted:
        raise click.UsageError(f"Name the images to build, or --all. There are: {', '.join(recipe_names())}.")
    if os.geteuid() == 0:
        enter_private_mounts()  # what a tool has mounted is gone with it, even if it is killed
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        building = [pool.submit(_build, name, rebuild) for name in wanted]
        for each in as_completed(building):
            built = each.result()
            click.echo(f"{built.name} {built.measurement}")


def _build(name: str, rebuild: bool) -> Image:
    start = time.monotonic()

    def report(news: str) -> None:
        click.echo(f"image {name}: {news} ({time.monotonic() - start:.0f} s)", err=True)

    return build_image(name, progress=report, rebuild=rebuild)


@image.command(name="list", short_help="List the images on this machine.")
def list_() -> None:
    """List the images on this machine, and the recipes that none was built from."""
    current = current_images()
    for found in list_images():
        note = "" if current.get(found.name) == found.measurement else " (older recipe)"
        click.echo(f"{found.name} {found.measurement} {found.size / 1e6:.0f} MB, built {found.built_at}{note}")
    for name in recipe_names():
        if name not in current:
            click.echo(f"{name} not built; build it: cloister image build {name}")


@image.command(short_help="Delete images that no room needs any more.")
@click.argument("measurements", nargs=-1, required=True, metavar="MEASUREMENT...")
def remove(measurements: tuple[str, ...]) -> None:
    """Delete the images MEASUREMENT... from this machine.

    Published rooms name the images that they were published for, and can't use others: delete an old image only when
    no room needs it any more. `cloister image list` shows the measurements.
    """
    for measurement in measurements:
        remove_image(measurement)
        click.echo(f"removed {measurement}")
