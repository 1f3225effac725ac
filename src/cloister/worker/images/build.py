"""Make the tree of a worker image out of a recipe, the same one every time.

mmdebstrap makes a Debian tree without a package manager, uv adds the locked Python packages, and then
everything that tells this build from the next one is taken out: names and logs of this machine, caches,
times, owners, modes beyond "may be executed". Byte code is compiled inside the tree, by its own Python.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cloister.worker.images.packages import add_modules, build_wheels, change, install, leave_out
from cloister.worker.images.programs import Progress, remove, run
from cloister.worker.images.recipe import Debian, Recipe, source_digest

MOUNT_POINTS = ("dev", "input", "output", "proc", "run", "scratch", "sys", "tmp")
"""Empty folders that a container mounts something over."""

USER_LINE = "user:x:1000:1000:user:/tmp:/usr/sbin/nologin\n"
"""The account that scripts run as, so that looking up one's own name works."""

_LEFT_OUT = (
    # of this machine, or of this build
    "etc/hostname", "etc/machine-id", "etc/resolv.conf", "etc/fstab", "dev/*", "run/*", "tmp/*", "var/tmp",
    "var/cache/*", "var/log/*", "var/lib/apt", "var/lib/systemd", "var/lib/misc/*", "etc/.pwd.lock",
    # passwords and their back-ups
    "etc/*shadow*", "etc/passwd-", "etc/group-",
    # for managing packages (var/lib/dpkg/status stays: it says what is installed, in which version)
    "etc/apt", "var/lib/dpkg/[!s]*", "var/lib/dpkg/status-old", "var/lib/dpkg/statoverride",
    # for people
    "usr/share/doc/*/[!c]*", "usr/share/info", "usr/share/locale", "usr/share/man",
)  # fmt: skip

_MERGE_USR = 'for name in bin lib lib64 sbin; do mkdir -p "$1/usr/$name"; ln -s "usr/$name" "$1/$name"; done'
"""/bin is /usr/bin, as on every Debian 12. (mmdebstrap's own hook makes other trees in other versions.)"""

_NEVER_UNPACKED = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*")


def build_tree(recipe: Recipe, tree: Path, kept: Path, *, mirror: str | None, progress: Progress) -> None:
    """Fill the empty folder ``tree`` with what ``recipe`` says.

    ``kept``: a folder on the same file system for what the next build may find again.
    ``mirror``: a URL or lines in the format of sources.list, newline-separated; None for mmdebstrap's
    own choice. Raises `ImageUnavailable` with the tool's own last words where a step fails.
    """
    with ThreadPoolExecutor(1) as pool:
        # Beside it, as both take their time.
        wheels = pool.submit(_wheels, recipe, tree, kept, mirror=mirror, progress=progress)
        _debian(recipe.debian, recipe.keys, tree, mirror=mirror, progress=progress)
        built = wheels.result()
    for pattern in [*_LEFT_OUT, *recipe.debian.leave_out]:
        for path in list(tree.glob(pattern)):
            remove(path)
    _neutralise(tree)
    if recipe.python:
        progress("installing the Python packages")
        install(recipe.place / recipe.python.lock, recipe.python.version, tree, wheels=built)
        change([recipe.place / name for name in recipe.python.patches], recipe.python.version, tree)
        add_modules(recipe.python.modules, recipe.place.parent / "modules", recipe.python.version, tree)
        leave_out(recipe.python.leave_out, recipe.python.version, tree)
    if (tree / "usr/bin/python3").exists():
        progress("compiling byte code")
        _compile(tree)
    _settle(tree)


def pack_erofs(tree: Path, file: Path, *, measurement: str) -> None:
    """Write ``tree`` as a compressed erofs file system that is the same file every time."""
    run([
        "mkfs.erofs", "--quiet", "-zlz4", "-T0", "-x-1", "--all-root",
        "-U", f"{measurement[:8]}-{measurement[8:12]}-{measurement[12:16]}-{measurement[16:20]}-{measurement[20:32]}",
        str(file), str(tree),
    ])  # fmt: skip


def _debian(debian: Debian, keys: Path | None, tree: Path, *, mirror: str | None, progress: Progress) -> None:
    archive = tree.with_suffix(".tar")
    progress(f"making a Debian tree ({debian.suite}) of {len(debian.packages)} packages and what they need")
    with tempfile.TemporaryDirectory(prefix="cloister-keys-") as folder:
        command = [
            "mmdebstrap", "--variant=custom", "--format=tar", "--include=" + ",".join(debian.packages),
            f"--keyring={_keyring(Path(folder), keys)}",
            f"--setup-hook={_MERGE_USR}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _NEVER_UNPACKED),
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            debian.suite, str(archive), *(mirror.splitlines() if mirror else ()),
        ]  # fmt: skip
        run(command, environment={"SOURCE_DATE_EPOCH": "0"}, progress=progress)
    # Owners and modes are settled below; device nodes can't be made by everybody and aren't wanted.
    run(["tar", "--extract", "--no-same-owner", "--exclude=./dev/*", f"--file={archive}", f"--directory={tree}"])
    archive.unlink()


def _wheels(recipe: Recipe, tree: Path, kept: Path, *, mirror: str | None, progress: Progress) -> list[Path]:
    """Wheels of what there is as source only, built in a Debian tree of its own beside ``tree``.

    They are kept in the folder ``kept``: a recipe that changes elsewhere finds them again.
    """
    if recipe.python is None or recipe.python.sources is None:
        return []
    sources = recipe.python.sources
    place = kept / source_digest(recipe)
    if place.is_dir():
        progress("taking the packages built from source that there are")
        return sorted(place.iterdir())
    builder = tree.with_name("builder")
    builder.mkdir()
    debian = Debian(recipe.debian.suite, [*recipe.debian.packages, *sources.debian])
    progress(f"making a second tree, to build {len(sources.packages)} packages from source in")
    _debian(debian, recipe.keys, builder, mirror=mirror, progress=progress)
    install(recipe.place / sources.lock, recipe.python.version, builder)
    wheels = build_wheels(sources.packages, recipe.place, builder, progress=progress)
    place.parent.mkdir(exist_ok=True)
    wheels.rename(place)
    return sorted(place.iterdir())


def _keyring(folder: Path, keys: Path | None) -> Path:
    """Fill ``folder`` with the keys that Debian's packages may be signed with.

    Ours, because other distributions' copies are older than the suite. The machine's too, where there are any:
    mmdebstrap would prefer them to ours if it did not find them here.
    """
    for source in (keys, Path("/usr/share/keyrings/debian-archive-keyring.gpg")):
        if source and source.exists():
            shutil.copyfile(source, folder / source.name)
    folder.chmod(0o755)  # apt may read it as another user
    return folder


def _neutralise(tree: Path) -> None:
    for name in MOUNT_POINTS:
        (tree / name).mkdir(exist_ok=True)
    (tree / "var/tmp").symlink_to("../tmp")
    with (tree / "etc/passwd").open("a") as passwd:
        passwd.write(USER_LINE)
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")


def _compile(tree: Path) -> None:
    """Compile each package in a process of its own, so that its byte code depends on nothing but it.

    (What a pyc says of shared objects depends on what the process has compiled before.) The pycs are of
    the unchecked kind: Python neither looks at the source's time nor tries to write newer ones.
    """
    for cache in list(tree.glob("usr/**/__pycache__")):
        remove(cache)
    folders = [*tree.glob("usr/lib/python3*"), *tree.glob("usr/share/python3"), *tree.glob("usr/local/lib/python3*")]
    targets = []
    for folder in folders:
        for inner in [folder, *folder.glob("dist-packages")]:
            targets += [path for path in inner.iterdir() if path.is_dir() or path.suffix == ".py"]
    names = sorted("/" + str(path.relative_to(tree)) for path in targets if path.name != "dist-packages")
    # One process for all loose modules of a folder: there are hundreds in the standard library.
    loose = [name for name in names if name.endswith(".py")]
    groups = [loose, *([name] for name in names if not name.endswith(".py"))]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(lambda group: _compile_group(tree, group), groups):
            pass


def _compile_group(tree: Path, names: Sequence[str]) -> None:
    # Files that aren't valid for this Python (templates, examples) are left as they are: exit code 1.
    command = ["chroot", str(tree), "/usr/bin/python3", "-I", "-m", "compileall", "-q", "-f"]
    command += ["--invalidation-mode", "unchecked-hash", *names]
    if os.geteuid() != 0:
        command = ["unshare", "--map-root-user", *command]
    run(command, environment={"PYTHONHASHSEED": "0"}, accept=(0, 1))


def _settle(tree: Path) -> None:
    """One owner, one time, and two kinds of mode: 0755 and 0644."""
    for path in (tree, *tree.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            path.chmod(0o755 if stat.S_ISDIR(mode) or mode & 0o111 else 0o644)
        os.utime(path, (0, 0), follow_symlinks=False)
