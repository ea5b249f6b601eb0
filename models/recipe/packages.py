"""The packages that the pictures come from: fetched once, checked, read without being installed."""

import csv
import hashlib
import io
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120


class RecipeError(Exception):
    """What went wrong, with which file, and what to do, for the person who runs the recipe."""


@dataclass(frozen=True)
class Package:
    """One package, pinned: `file` is its name in the cache, `sha256` that of the whole file."""

    package: str
    version: str
    file: str
    sha256: str
    url: str


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated table with a header; no quoting, as names of pictures may hold any sign."""
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_packages(path: Path) -> dict[str, Package]:
    """The pinned packages by name."""
    return {row["package"]: Package(**row) for row in read_table(path)}


def obtain(package: Package, cache: Path) -> Path:
    """The package's file in the cache, fetched if it is not there yet."""
    path = cache / package.file
    if path.exists():
        check(package, path)
        return path
    cache.mkdir(parents=True, exist_ok=True)
    complaints = []
    for fetch in (fetch_with_client, fetch_from_url):
        complaint = fetch(package, path)
        if complaint is None:
            check(package, path)
            return path
        complaints.append(complaint)
    raise RecipeError(
        f"{package.package} {package.version} could not be fetched:\n  "
        + "\n  ".join(complaints)
        + f"\nAn archive such as snapshot.debian.org keeps old versions: put the file into {cache} as {package.file}."
    )


def fetch_with_client(package: Package, path: Path) -> str | None:
    """Fetches with the registry's own client, which knows this machine's mirrors and proxies; says why it could not."""
    is_debian = package.file.endswith(".deb")
    tool = "apt-get" if is_debian else "npm"
    program = shutil.which(tool)
    if program is None:
        return f"{tool} is not installed"
    if is_debian:
        command = [program, "download", f"{package.package}={package.version}"]
    else:
        command = [program, "pack", f"{package.package}@{package.version}"]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    if path.exists():
        return None
    return f"{tool}: {(done.stderr.strip() or 'no file came').splitlines()[-1]}"


def fetch_from_url(package: Package, path: Path) -> str | None:
    """Fetches the file by its address; says why it could not. One cut short never gets the final name."""
    part = path.with_name(path.name + ".part")
    try:
        with urllib.request.urlopen(package.url, timeout=TIMEOUT_S) as answer, part.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (urllib.error.URLError, OSError) as error:
        part.unlink(missing_ok=True)
        return f"{package.url}: {error}"
    part.rename(path)
    return None


def check(package: Package, path: Path) -> None:
    """Refuses a file that is not the pinned one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != package.sha256:
        raise RecipeError(
            f"{path} is not {package.package} {package.version}: its SHA-256 is {found}, expected {package.sha256}. "
            "Remove it and run again."
        )


def members(archive: Path, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of the wanted files of a .deb or .tgz, in its order."""
    stream = io.BytesIO(deb_data(archive)) if archive.suffix == ".deb" else archive.open("rb")
    with stream, tarfile.open(fileobj=stream, mode="r:*") as tar:
        for entry in tar:
            name = entry.name.removeprefix("./")
            content = tar.extractfile(entry) if entry.isfile() and is_wanted(name) else None
            if content is not None:
                yield name, content.read()


def deb_data(archive: Path) -> bytes:
    """The tar of a .deb's files: the member `data.tar.*` of an `ar` archive, whose headers take 60 bytes each."""
    with archive.open("rb") as file:
        if file.read(8) != b"!<arch>\n":
            raise RecipeError(f"{archive} is no Debian package.")
        while len(header := file.read(60)) == 60:
            name, size = header[:16].decode("ascii").rstrip(" /"), int(header[48:58])
            if name.startswith("data.tar"):
                return file.read(size)
            file.seek(size + size % 2, io.SEEK_CUR)
    raise RecipeError(f"{archive} holds no data.tar; it is cut short. Remove it and run again.")
