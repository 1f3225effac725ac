"""Images: recipes are checked, stores survive what may happen, and building twice gives the same image."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloister.errors import ImageUnavailable, VerificationError
from cloister.worker.images.recipe import Recipe, load_recipe, recipe_names, recipes_folder
from cloister.worker.images.store import (
    Image,
    add_tree,
    build_image,
    current_images,
    find_image,
    list_images,
    open_image,
    remove_image,
)

RECIPE = """
format = 1
summary = "a shell and little else"
[debian]
suite = "bookworm"
packages = ["base-files", "base-passwd", "coreutils", "dash", "diffutils", "libc-bin", "sed", "tini", "usr-is-merged"]
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    folder = tmp_path / "recipes"
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny/recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture
def recipe(recipes: Path) -> Recipe:
    return load_recipe("tiny", recipes)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


def small_tree(store: Path) -> Path:
    """A tree that no other test has."""
    tree = store / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/name").write_text(secrets.token_hex())
    return tree


@pytest.fixture
def image(store: Path, recipe: Recipe) -> Image:
    return add_tree(small_tree(store), recipe, store=store)


# Recipes


@pytest.mark.parametrize("name", recipe_names())
def test_the_shipped_recipes_are_valid_and_locked(name: str) -> None:
    recipe = load_recipe(name)
    if recipe.python:
        sources = recipe.python.sources
        for lock in [recipe.python.lock, *([sources.lock] if sources else [])]:
            lines = (recipe.place / lock).read_text().splitlines()
            requirements = [line for line in lines if line and not line.startswith((" ", "#"))]
            assert requirements
            assert all("==" in line for line in requirements)


@pytest.mark.parametrize("name", ["absent", "", ".", "..", "../tiny", "Tiny", "tiny/"])
def test_an_unknown_recipe_is_named_with_those_there_are(recipes: Path, name: str) -> None:
    with pytest.raises(ImageUnavailable, match="there are: tiny"):
        load_recipe(name, recipes)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("format = 1", "missing required field `summary`"),
        (RECIPE + "network = true", "unknown field `network`"),
        (RECIPE.replace("format = 1", "format = 2"), "format 2 is not known"),
        (RECIPE.replace('"dash"', '"--dash"'), "not a name of a Debian package"),
        (RECIPE.replace('"dash"', '"dash,sed"'), "not a name of a Debian package"),
        (RECIPE.replace('"bookworm"', '"-x"'), "not a name of a Debian package or suite"),
        (RECIPE + '[python]\nversion = "3.11"\nlock = "absent.txt"', "must be a file beside the recipe"),
        (RECIPE + '[python]\nversion = "3.11"\nlock = "../lock.txt"', "must be a file beside the recipe"),
        (
            RECIPE + '[python]\nversion = "3.11"\nlock = "recipe.toml"\nleave_out = ["../../etc"]',
            "must stay in its folder",
        ),
        ("format = ", "recipe tiny: "),
    ],
)
def test_a_recipe_that_breaks_a_rule_is_refused(recipes: Path, text: str, complaint: str) -> None:
    (recipes / "tiny/recipe.toml").write_text(text)
    (recipes / "lock.txt").touch()
    with pytest.raises(ImageUnavailable) as error:
        load_recipe("tiny", recipes)
    assert complaint in str(error.value)


def test_a_changed_lock_is_another_recipe(recipes: Path) -> None:
    (recipes / "tiny/recipe.toml").write_text(RECIPE + '[python]\nversion = "3.11"\nlock = "lock.txt"')
    (recipes / "tiny/lock.txt").write_text("a==1")
    before = load_recipe("tiny", recipes).digest
    (recipes / "tiny/lock.txt").write_text("a==2")
    assert load_recipe("tiny", recipes).digest != before


# Stores


def test_an_image_is_found_by_name_and_by_measurement(store: Path, recipes: Path, image: Image) -> None:
    assert build_image("tiny", progress=pytest.fail, store=store, recipes=recipes) == image
    assert find_image("tiny", store=store, recipes=recipes) == image
    assert find_image(image.measurement, store=store) == image
    assert list_images(store=store) == [image]
    assert current_images(store=store, recipes=recipes) == {"tiny": image.measurement}
    assert sorted(path.name for path in store.iterdir()) == ["measurements", "recipes"]


def test_images_of_older_recipes_stay(store: Path, recipes: Path, image: Image) -> None:
    (recipes / "tiny/recipe.toml").write_text(RECIPE.replace("little else", "nothing else"))
    with pytest.raises(ImageUnavailable, match="build it: cloister image build tiny"):
        find_image("tiny", store=store, recipes=recipes)
    newer = add_tree(small_tree(store), load_recipe("tiny", recipes), store=store)
    assert find_image("tiny", store=store, recipes=recipes) == newer
    assert find_image(image.measurement, store=store) == image
    assert {found.measurement for found in list_images(store=store)} == {image.measurement, newer.measurement}


def test_what_is_not_there_is_said_so(store: Path, recipes: Path) -> None:
    with pytest.raises(ImageUnavailable, match="cloister image build tiny"):
        open_image("tiny", store=store, recipes=recipes)
    with pytest.raises(ImageUnavailable, match="no image with the measurement"):
        open_image("0" * 64, store=store)
    assert list_images(store=store) == []
    assert current_images(store=store, recipes=recipes) == {}


def test_a_damaged_record_is_an_error(store: Path, image: Image) -> None:
    record = store / "measurements" / image.measurement / "image.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "version": 2}))
    with pytest.raises(ImageUnavailable, match="can't be read"):
        open_image(image.measurement, store=store)


@needs_root
def test_users_share_a_mount_and_the_last_one_ends_it(store: Path, image: Image) -> None:
    first = open_image(image.measurement, store=store)
    second = open_image(image.measurement, store=store)
    assert first.root == second.root
    assert os.statvfs(first.root).f_flag & (os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV) == (
        os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV
    )
    first.close()
    first.close()
    assert len((second.root / "etc/name").read_text()) == 64
    second.close()
    assert not second.root.exists()


@needs_root
def test_where_it_lies_cannot_be_seen_from_inside(store: Path, image: Image) -> None:
    with open_image(image.measurement, store=store) as opened:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        (line,) = [line for line in lines if f" {opened.root} " in line]
    assert str(store) not in line


@needs_root
def test_a_killed_user_leaves_nothing_behind(store: Path, image: Image) -> None:
    program = (
        "import sys; from pathlib import Path; from cloister.worker.images.store import open_image\n"
        "opened = open_image(sys.argv[1], store=Path(sys.argv[2])); print(opened.root, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, image.measurement, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout
        root = user.stdout.readline().strip()
        with open_image(image.measurement, store=store):
            pass
        assert os.path.ismount(root), "unmounted although another process uses it"
        user.send_signal(signal.SIGKILL)
    with open_image(image.measurement, store=store) as opened:
        assert str(opened.root) == root
    assert not os.path.ismount(root)


def replace_tree(store: Path, recipe: Recipe, measurement: str) -> None:
    """Put another image's file (or tree) where the one with that measurement lies."""
    other = add_tree(small_tree(store), recipe, store=store)
    places = store / "measurements"
    for name in ("rootfs.erofs", "rootfs"):
        if (places / other.measurement / name).exists():
            if (places / measurement / name).is_dir():
                shutil.rmtree(places / measurement / name)
            (places / other.measurement / name).replace(places / measurement / name)


def test_a_changed_image_is_not_opened(store: Path, recipe: Recipe, image: Image) -> None:
    replace_tree(store, recipe, image.measurement)
    with pytest.raises(VerificationError, match="was changed"):
        open_image(image.measurement, store=store)


@needs_root
def test_an_image_changed_after_its_first_use_is_not_opened(store: Path, recipe: Recipe, image: Image) -> None:
    with open_image(image.measurement, store=store) as opened:
        root = opened.root
    replace_tree(store, recipe, image.measurement)
    with pytest.raises(VerificationError, match="image build --rebuild tiny"):
        open_image(image.measurement, store=store)
    assert not os.path.ismount(root)


# Removing


def test_a_removed_image_is_gone_with_what_led_to_it(store: Path, recipes: Path, recipe: Recipe, image: Image) -> None:
    kept = add_tree(small_tree(store), recipe, store=store)
    assert find_image("tiny", store=store, recipes=recipes).measurement == kept.measurement
    remove_image(image.measurement, store=store)
    assert [each.measurement for each in list_images(store=store)] == [kept.measurement]
    remove_image(kept.measurement, store=store)
    assert list_images(store=store) == []
    with pytest.raises(ImageUnavailable, match="is not built"):
        find_image("tiny", store=store, recipes=recipes)
    with pytest.raises(ImageUnavailable, match="no image with the measurement"):
        remove_image(kept.measurement, store=store)


@pytest.mark.parametrize("measurement", ["", "..", "tiny", "../" + "a" * 61, "A" * 64])
def test_only_a_measurement_can_be_removed(store: Path, image: Image, measurement: str) -> None:
    with pytest.raises(ImageUnavailable, match="is not a measurement"):
        remove_image(measurement, store=store)
    assert list_images(store=store) == [image]


# Building


@pytest.mark.slow
def test_building_twice_gives_the_same_image(store: Path, recipes: Path) -> None:
    (store / ".build-tiny.killed").mkdir()
    waits: list[str] = []
    try:
        with ThreadPoolExecutor(2) as pool:
            builds = [
                pool.submit(build_image, "tiny", progress=waits.append, store=store, recipes=recipes) for _ in range(2)
            ]
            first, second = (build.result() for build in builds)
    except ImageUnavailable as error:
        if "Could not resolve" in str(error) or "Failed to fetch" in str(error):
            pytest.skip(f"no Debian mirror can be reached: {error}")
        raise
    assert first == second
    assert waits.count("waiting for another build to end") == 1
    assert not list(store.glob(".build-*"))

    again = build_image("tiny", progress=waits.append, rebuild=True, store=store, recipes=recipes)
    assert again.measurement == first.measurement


# The image that computations run in


def test_the_python_image_holds_what_the_launcher_needs_and_nothing_of_this_machine() -> None:
    with open_image("python") as opened:
        root = opened.root
        for name in ("usr/bin/python3.11", "usr/bin/tini", "bin/sh", "usr/lib/python3.11/os.py"):
            assert (root / name).exists(), name
        for name in ("input", "output", "scratch", "tmp", "proc", "dev"):
            assert list((root / name).iterdir()) == []
        for name in ("etc/hostname", "etc/machine-id", "etc/resolv.conf", "usr/bin/apt-get"):
            assert not (root / name).exists(), name
        modes = {path.lstat().st_mode & 0o7777 for path in root.rglob("*") if not path.is_symlink()}
        assert modes == {0o755, 0o644}


@needs_root
def test_the_python_image_runs_from_its_byte_code() -> None:
    program = (
        "import numpy, pandas, sys; "
        "print(numpy.__version__, pandas.__version__, pandas.__cached__, *sys.version_info[:2])"
    )
    with open_image("python") as opened:
        command = ["chroot", str(opened.root), "/usr/bin/tini", "-s", "--", "/usr/bin/python3", "-I", "-c", program]
        result = subprocess.run(command, env={"PATH": "/usr/bin:/usr/sbin"}, capture_output=True, text=True, check=True)
        numpy, pandas, cached, *python = result.stdout.split()
        assert (numpy, pandas, python) == ("1.26.1", "2.1.1", ["3", "11"])
        # PEP 552: an unchecked hash-based pyc is never compared with its source
        assert (opened.root / cached.lstrip("/")).read_bytes()[4:8] == b"\x01\0\0\0"


def test_no_folder_of_recipes_names_a_host() -> None:
    for path in recipes_folder().rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert "://" not in path.read_text(), path
