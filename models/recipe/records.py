#!/usr/bin/env python3
"""Holds licence and author of every photograph of the manifest against the record in the package it comes from.

    python3 records.py --cache CACHE

CACHE is the one that pictures.py filled.
"""

import argparse
import fnmatch
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from manifest import FREE_LICENCES, INSIDE, Photograph, inner_files, read_photographs
from packages import RecipeError, members, obtain, read_packages

HERE = Path(__file__).parent

# Records name files by their place in the source package: package, folder as installed, folder in the source.
SOURCE_FOLDERS = {
    "endless-sky-data": ("usr/share/games/endless-sky/", ""),
    "endless-sky-high-dpi": ("usr/share/games/endless-sky/plugins/endless-sky-high-dpi/", ""),
    "libjxl-testdata": ("usr/share/libjxl-testdata/", ""),
    "lomiri-wallpapers-16.04": ("usr/share/backgrounds/", "16.04/"),
    "plasma-workspace-data": ("usr/share/plasma/avatars/", "kcms/users/avatars/"),
}
# Its record is prose for all pictures at once.
PROSE_PACKAGE = "krank"
PROSE = re.compile(r"Author of new images: (?P<holder>[^\n]+)\n\s*License: (?P<licence>[^\n]+)")
# Its debian/copyright still names pictures that were replaced since; the READMEs beside the pictures are up to date.
README_PACKAGE = "gcompris-qt-data"
# A record that gives this as the holder leaves the author to the manifest.
NO_HOLDER = "none"
# Names of one licence.
SAME_LICENCE = {"CC0": "CC0-1.0"}


@dataclass(frozen=True)
class Record:
    """What a package says of a set of files: patterns of their paths, licence, holder of the copyright, any address."""

    patterns: tuple[str, ...]
    licence: str
    holder: str
    source: str


Judged = tuple[Photograph, Record | None]


def read_records(text: str) -> list[Record]:
    """Paragraphs of `Key: value` lines, as in debian/copyright and in the READMEs of gcompris; others are skipped."""
    records = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields = read_fields(paragraph)
        if "Files" in fields:
            licence = fields.get("License", "").split("\n")[0]
            patterns = tuple(fields["Files"].split())
            records.append(Record(patterns, licence, fields.get("Copyright", ""), fields.get("Source", "")))
    return records


def read_fields(paragraph: str) -> dict[str, str]:
    """The fields of a paragraph; lines without a key go on with the field before."""
    fields: dict[str, str] = {}
    key = None
    for line in paragraph.split("\n"):
        start = re.match(r"([A-Z][A-Za-z-]*):(.*)", line)
        if start:
            key = start[1]
            fields[key] = start[2].strip()
        elif key:
            fields[key] += "\n" + line.strip()
    return fields


def last_match(records: list[Record], path: str) -> Record | None:
    """The record that holds for a path: by the format of debian/copyright the last that matches."""
    for record in reversed(records):
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in record.patterns):
            return record
    return None


def disagreement(photograph: Photograph, record: Record | None) -> str | None:
    """How manifest and record differ, in words."""
    if record is None:
        return "the package has no record of it"
    if plain(SAME_LICENCE.get(record.licence, record.licence)) != plain(photograph.licence):
        return f"the record says {record.licence}, the manifest {photograph.licence}"
    if record.source and record.source != photograph.source:
        return f"the record gives {record.source} as the source, the manifest {photograph.source}"
    is_named = all(plain(name) in plain(record.holder) for name in photograph.author.split("/"))
    if not is_named and record.holder != NO_HOLDER:
        return f"the record names {record.holder!r}, the manifest {photograph.author!r}"
    return None


def plain(text: str) -> str:
    """Letters and digits alone: records differ in spaces, hyphens and case."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def records_of(archive: Path, package: str, photographs: list[Photograph]) -> Iterator[Judged]:
    """Each photograph of a package with the record that holds for it."""
    if package == README_PACKAGE:
        yield from readme_records(archive, photographs)
        return
    path = f"usr/share/doc/{package}/copyright"
    text = dict(members(archive, path.__eq__))[path].decode()
    if package == PROSE_PACKAGE:
        prose = PROSE.search(text)
        record = Record(("*",), prose["licence"], prose["holder"], "") if prose else None
        yield from ((photograph, record) for photograph in photographs)
        return
    installed, source = SOURCE_FOLDERS[package]
    records = read_records(text)
    for photograph in photographs:
        yield photograph, last_match(records, source + photograph.path.removeprefix(installed))


def readme_records(archive: Path, photographs: list[Photograph]) -> Iterator[Judged]:
    """The same for pictures in resource files: a README in their folder or above it names them."""
    containers = dict(members(archive, {one.container for one in photographs}.__contains__))
    for photograph in photographs:
        container, inner = photograph.path.split(INSIDE)
        folders = [str(folder) for folder in PurePosixPath(inner).parents]
        wanted = {f"{folder}/README" for folder in folders}
        readmes = inner_files(archive, container, containers[container], wanted)
        record = None
        for folder in folders:
            records = read_records(readmes.get(f"{folder}/README", b"").decode())
            record = record or last_match(records, inner.removeprefix(folder + "/"))
        yield photograph, record


def main() -> None:
    """Checks every row; the exit code is 1 where one does not hold."""
    parser = argparse.ArgumentParser(description="Holds the manifest against the records of the packages.")
    parser.add_argument("--cache", type=Path, required=True, metavar="CACHE", help="folder with the packages")
    cache = parser.parse_args().cache
    try:
        complaints = list(complaints_of(cache))
    except (RecipeError, OSError) as error:
        sys.exit(f"error: {error}")
    if complaints:
        sys.exit("\n".join(complaints))
    print(f"every row agrees with its package; licences: {', '.join(sorted(FREE_LICENCES))}")


def complaints_of(cache: Path) -> Iterator[str]:
    """A line for each row that its package's record does not bear out."""
    packages = read_packages(HERE / "packages.tsv")
    photographs = read_photographs(HERE / "photographs.tsv", packages)
    for name in sorted({one.package for one in photographs}):
        archive = obtain(packages[name], cache)
        for photograph, record in records_of(archive, name, [one for one in photographs if one.package == name]):
            complaint = disagreement(photograph, record)
            if complaint:
                yield f"{photograph.file}: {complaint}"


if __name__ == "__main__":
    main()
