#!/usr/bin/env python3
"""Builds the folders of pictures that the models here are trained on, from packages of Debian and npm.

    python3 pictures.py --out DATA [--cache CACHE]

DATA gets photos/{train,val}, photos.tsv with licence and author of each, and emoji/{train,val}.
"""

import argparse
import hashlib
import io
import shutil
import sys
from pathlib import Path, PurePosixPath

from manifest import Photograph, contents, emoji_split, read_photographs
from packages import Package, RecipeError, members, obtain, read_packages

try:
    import resvg_py
    from PIL import Image, UnidentifiedImageError
except ImportError as error:
    sys.exit(f"{error.name} is missing: python3 -m pip install -r {Path(__file__).with_name('requirements.txt')}")

HERE = Path(__file__).parent
SHORT_SIDE = 320  # pixels, at most
JPEG_QUALITY = 92
EMOJI_SIDE = 128  # pixels
EMOJI_PACKAGE = "fluentui-emoji"
EMOJI_FOLDER = "package/icons/modern/"
SPLITS = ("train", "val")


def main() -> None:
    """Reads the arguments, builds, and says what was built."""
    parser = argparse.ArgumentParser(description="Builds the folders of pictures that the models here are trained on.")
    parser.add_argument("--out", type=Path, required=True, metavar="DATA", help="folder to make; must not exist yet")
    parser.add_argument("--cache", type=Path, metavar="CACHE", help="folder that keeps the packages (DATA-packages)")
    arguments = parser.parse_args()
    cache = arguments.cache or arguments.out.with_name(arguments.out.name + "-packages")
    try:
        build(arguments.out, cache)
    except (RecipeError, OSError) as error:
        sys.exit(f"error: {error}")


def build(out: Path, cache: Path) -> None:
    """Makes the whole folder under another name first, so that one that is there is complete."""
    if out.exists():
        raise RecipeError(f"{out} exists; remove it or name another folder.")
    packages = read_packages(HERE / "packages.tsv")
    photographs = read_photographs(HERE / "photographs.tsv", packages)
    archives = {name: fetched(package, cache) for name, package in packages.items()}
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    for folder in ("photos", "emoji"):
        for split in SPLITS:
            (part / folder / split).mkdir(parents=True)
    for name, archive in archives.items():
        write_photographs(archive, [one for one in photographs if one.package == name], part / "photos")
    write_table(photographs, part / "photos.tsv")
    write_emoji(archives[EMOJI_PACKAGE], part / "emoji")
    part.rename(out)
    report(out)


def fetched(package: Package, cache: Path) -> Path:
    """The package's file, with a word about it first: the large ones take a while."""
    print(f"{package.package} {package.version}", file=sys.stderr)
    return obtain(package, cache)


def write_photographs(archive: Path, photographs: list[Photograph], folder: Path) -> None:
    """Stores a package's photographs, scaled."""
    if not photographs:
        return
    for photograph, content in contents(archive, photographs):
        try:
            picture = scaled(Image.open(io.BytesIO(content)).convert("RGB"))
        except (UnidentifiedImageError, OSError) as error:
            raise RecipeError(f"{archive}: {photograph.path}: {error}. Pillow may lack this format.") from error
        # Without `comment` Pillow would hand on what stands in the package's file.
        path = folder / photograph.split / photograph.file
        picture.save(path, "JPEG", quality=JPEG_QUALITY, optimize=True, comment=b"")


def scaled(picture: Image.Image) -> Image.Image:
    """The picture with its shorter side at `SHORT_SIDE`; one that is smaller stays as it is."""
    scale = SHORT_SIDE / min(picture.size)
    if scale >= 1:
        return picture
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)


def write_table(photographs: list[Photograph], path: Path) -> None:
    """Licence, author, label and source of every photograph, by its place in the folder."""
    rows = ["file\tlicence\tauthor\tlabel\turl"]
    for one in sorted(photographs, key=lambda one: (one.split, one.file)):
        rows.append("\t".join((f"photos/{one.split}/{one.file}", one.licence, one.author, one.label, one.source)))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_emoji(archive: Path, folder: Path) -> None:
    """Rasterises every emoji, with its transparency."""
    for path, content in members(archive, lambda path: path.startswith(EMOJI_FOLDER) and path.endswith(".svg")):
        stem = PurePosixPath(path).stem
        try:
            # None of them holds text; without the system's fonts no machine can differ.
            png = resvg_py.svg_to_bytes(
                svg_string=content.decode(), width=EMOJI_SIDE, height=EMOJI_SIDE, skip_system_fonts=True
            )
        except ValueError as error:
            raise RecipeError(f"{archive}: {path}: {error}.") from error
        picture = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
        picture.save(folder / emoji_split(stem) / f"{stem}.png", "PNG", optimize=True)


def report(out: Path) -> None:
    """Counts, and one digest over names and bytes of all pictures, to hold against the README's."""
    for folder in ("photos", "emoji"):
        counts = (f"{len(list((out / folder / split).iterdir()))} {split}" for split in SPLITS)
        print(f"{folder}: {', '.join(counts)}")
    print(f"digest: {digest(out)}")


def digest(out: Path) -> str:
    """SHA-256 over the lines `path, tab, SHA-256 of the file` of all pictures, in the order of their paths."""
    total = hashlib.sha256()
    for path in sorted(out.glob("*/*/*"), key=lambda path: path.relative_to(out).as_posix()):
        name = path.relative_to(out).as_posix()
        total.update(f"{name}\t{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


if __name__ == "__main__":
    main()
