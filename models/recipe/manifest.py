"""Which pictures are taken, from where, and which of them are held out of training."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packages import Package, RecipeError, members, read_table
from rcc import RccError, read_files

# As the records of the packages write it. Nothing else is taken: no share-alike, no GPL, nothing unclear.
FREE_LICENCES = {"CC0-1.0", "Public Domain", "public-domain"}
# Longest first, as some end with others.
SKIN_TONES = ("medium-light", "medium-dark", "default", "light", "medium", "dark")
INSIDE = "!"  # between a resource file and the path within


@dataclass(frozen=True)
class Photograph:
    """A row of the manifest: `file` is the name it gets, `path` where it lies in the package (or in a .rcc of it)."""

    file: str
    package: str
    path: str
    licence: str
    author: str
    label: str
    source: str

    @property
    def container(self) -> str:
        """The package's file that holds the picture: itself, or a resource file."""
        return self.path.split(INSIDE)[0]

    @property
    def inner_path(self) -> str | None:
        """The path inside the resource file."""
        return self.path.split(INSIDE)[1] if INSIDE in self.path else None

    @property
    def split(self) -> str:
        """`train` or `val`, by the name before the picture was stored as JPEG: what was none counts as PNG."""
        collection, name = self.file.removesuffix(".jpg").split("__", 1)
        suffix = ".jpg" if self.path.endswith(".jpg") else ".png"
        return split_of(f"{collection}/{name}{suffix}")


def split_of(name: str) -> str:
    """`val` for every tenth name by its SHA-256, so that a picture stays on its side whatever else is added."""
    return "val" if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 == 0 else "train"


def emoji_split(stem: str) -> str:
    """The side of an emoji by its concept: no skin tone of a concept that is held out is trained on."""
    for tone in SKIN_TONES:
        if stem.endswith(f"-{tone}"):
            return split_of(stem.removesuffix(f"-{tone}"))
    return split_of(stem)


def read_photographs(path: Path, packages: dict[str, Package]) -> list[Photograph]:
    """The manifest, checked: every name once, every package pinned, every licence a free one."""
    photographs = [Photograph(**row) for row in read_table(path)]
    names = set()
    for photograph in photographs:
        if photograph.package not in packages:
            raise RecipeError(f"{path}: the package {photograph.package} of {photograph.file} is not pinned.")
        if photograph.licence not in FREE_LICENCES:
            raise RecipeError(f"{path}: {photograph.file}: {photograph.licence} is neither CC0 nor public domain.")
        if photograph.file in names:
            raise RecipeError(f"{path}: {photograph.file} stands there twice.")
        names.add(photograph.file)
    return photographs


def contents(archive: Path, photographs: list[Photograph]) -> Iterator[tuple[Photograph, bytes]]:
    """Each of a package's photographs with the bytes of its picture file."""
    by_container: dict[str, list[Photograph]] = {}
    for photograph in photographs:
        by_container.setdefault(photograph.container, []).append(photograph)
    for path, data in members(archive, by_container.__contains__):
        wanted = by_container.pop(path)
        found = inner_files(archive, path, data, {one.inner_path for one in wanted if one.inner_path})
        for photograph in wanted:
            content = found.get(photograph.inner_path) if photograph.inner_path else data
            if content is None:
                raise RecipeError(f"{archive}: {photograph.path} is not inside.")
            yield photograph, content
    if by_container:
        raise RecipeError(f"{archive}: not inside: {', '.join(sorted(by_container))}.")


def inner_files(archive: Path, path: str, data: bytes, wanted: set[str]) -> dict[str, bytes]:
    """The wanted files of a resource file; nothing of any other file."""
    if PurePosixPath(path).suffix != ".rcc":
        return {}
    try:
        return read_files(data, wanted)
    except RccError as error:
        raise RecipeError(f"{archive}: {path}: {error}.") from error
