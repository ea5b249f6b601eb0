"""Tests of what reads packages and decides on pictures; they need neither network nor Pillow.

    python3 -m unittest discover models/recipe
"""

import dataclasses
import hashlib
import io
import struct
import tarfile
import tempfile
import unittest
import zlib
from pathlib import Path

from manifest import contents, emoji_split, read_photographs, split_of
from packages import Package, RecipeError, members, obtain, read_packages
from rcc import RccError, read_files
from records import Record, disagreement, last_match, read_records

HERE = Path(__file__).parent


def tar_of(files: dict[str, bytes], mode: str) -> bytes:
    """A tar with these files, named as dpkg names them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def deb_of(files: dict[str, bytes]) -> bytes:
    """A Debian package with these files; its first member has an odd size, which `ar` fills up."""
    parts = [b"!<arch>\n"]
    for name, content in (("debian-binary", b"2.0"), ("data.tar.xz", tar_of(files, "w:xz"))):
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
        parts.append(content + b"\n" * (len(content) % 2))
    return b"".join(parts)


def rcc_of(files: dict[str, tuple[int, bytes]], version: int = 3) -> bytes:
    """A resource file with one folder `pictures`; each file has its flags."""
    names, places = b"", []
    for name in ("", "pictures", *files):
        places.append(len(names))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    payloads, nodes = b"", [struct.pack(">IHII", 0, 2, 1, 1), struct.pack(">IHII", places[1], 2, len(files), 2)]
    for place, (flags, content) in zip(places[2:], files.values(), strict=True):
        packed = struct.pack(">I", len(content)) + zlib.compress(content) if flags & 1 else content
        nodes.append(struct.pack(">IHHHI", place, flags, 0, 0, len(payloads)))
        payloads += struct.pack(">I", len(packed)) + packed
    tree = b"".join(node + (bytes(8) if version > 1 else b"") for node in nodes)
    start = 24
    header = struct.pack(
        ">4sIIIII", b"qres", version, start, start + len(tree), start + len(tree) + len(payloads), 0
    )
    return header + tree + payloads + names


class Packages(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name)

    def test_wanted_files_come_out_of_debian_packages_and_tarballs(self) -> None:
        files = {"usr/a.png": b"first", "usr/b.txt": b"second"}
        for name, content in (("x.deb", deb_of(files)), ("x.tgz", tar_of(files, "w:gz"))):
            archive = self.cache / name
            archive.write_bytes(content)
            self.assertEqual([("usr/a.png", b"first")], list(members(archive, lambda path: path.endswith(".png"))))

    def test_a_package_cut_short_is_told(self) -> None:
        archive = self.cache / "x.deb"
        archive.write_bytes(deb_of({})[:40])
        with self.assertRaisesRegex(RecipeError, "cut short"):
            list(members(archive, lambda _: True))

    def test_another_file_under_the_name_of_a_package_is_refused(self) -> None:
        package = Package("x", "1", "x.deb", hashlib.sha256(b"right").hexdigest(), "")
        (self.cache / "x.deb").write_bytes(b"right")
        self.assertEqual(self.cache / "x.deb", obtain(package, self.cache))
        (self.cache / "x.deb").write_bytes(b"wrong")
        with self.assertRaisesRegex(RecipeError, "SHA-256"):
            obtain(package, self.cache)

    def test_a_picture_that_a_package_lacks_is_named(self) -> None:
        archive = self.cache / "gcompris.deb"
        archive.write_bytes(deb_of({"a.rcc": rcc_of({"fish.webp": (1, b"fish")})}))
        one = read_photographs(HERE / "photographs.tsv", read_packages(HERE / "packages.tsv"))[0]
        inside = dataclasses.replace(one, path="a.rcc!pictures/fish.webp")
        self.assertEqual([(inside, b"fish")], list(contents(archive, [inside])))
        for path in ("a.rcc!pictures/bird.webp", "b.rcc!pictures/fish.webp"):
            with self.assertRaisesRegex(RecipeError, path.split("!")[0]):
                list(contents(archive, [dataclasses.replace(one, path=path)]))


class ResourceFiles(unittest.TestCase):
    def test_plain_and_packed_payloads_of_every_version(self) -> None:
        for version in (1, 2, 3):
            data = rcc_of({"plain.png": (0, b"plain"), "ä.png": (1, b"packed" * 50)}, version)
            found = read_files(data, {"pictures/plain.png", "pictures/ä.png", "pictures/none.png"})
            self.assertEqual({"pictures/plain.png": b"plain", "pictures/ä.png": b"packed" * 50}, found)

    def test_what_cannot_be_read_is_told(self) -> None:
        good = rcc_of({"a.png": (1, b"content")})
        zstd = rcc_of({"a.png": (4, b"content")})
        for data, words in ((b"", "header"), (b"PNG" + good, "qres"), (good[:50], "damaged"), (zstd, "zstd")):
            with self.assertRaisesRegex(RccError, words):
                read_files(data, {"pictures/a.png"})


class Manifest(unittest.TestCase):
    def setUp(self) -> None:
        self.packages = read_packages(HERE / "packages.tsv")
        self.photographs = read_photographs(HERE / "photographs.tsv", self.packages)

    def test_rows_that_are_not_free_not_pinned_or_double_are_refused(self) -> None:
        header, row, *_ = (HERE / "photographs.tsv").read_text(encoding="utf-8").splitlines()
        changes = {
            "neither": row.replace("public-domain", "CC-BY-SA-4.0"),
            "not pinned": row.replace("\tendless-sky-high-dpi\t", "\tother\t"),
            "twice": f"{row}\n{row}",
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "photographs.tsv"
            for words, rows in changes.items():
                path.write_text(f"{header}\n{rows}\n", encoding="utf-8")
                with self.assertRaisesRegex(RecipeError, words):
                    read_photographs(path, self.packages)

    def test_a_tenth_or_so_is_held_out_from_every_large_collection(self) -> None:
        for collection in ("endless-sky", "gcompris-qt-data"):
            splits = [one.split for one in self.photographs if one.file.startswith(f"{collection}__")]
            self.assertTrue(0.05 < splits.count("val") / len(splits) < 0.15)

    def test_skin_tones_of_a_concept_stay_together(self) -> None:
        for concept in ("ear", "waving-hand", "person-running"):
            for tone in ("default", "light", "medium-light", "medium", "medium-dark", "dark"):
                self.assertEqual(split_of(concept), emoji_split(f"{concept}-{tone}"))


class Records(unittest.TestCase):
    TEXT = """Files: images/*
Copyright: Somebody
License: GPL-3+
 long text

Files:
 images/land/*
 images/sea?.jpg
Copyright: Various
License: public-domain"""

    def test_the_last_record_that_matches_holds(self) -> None:
        records = read_records(self.TEXT)
        for path, licence in (("images/land/a.jpg", "public-domain"), ("images/sea1.jpg", "public-domain")):
            self.assertEqual(licence, last_match(records, path).licence)
        self.assertEqual("GPL-3+", last_match(records, "images/ship.jpg").licence)
        self.assertIsNone(last_match(records, "sounds/a.wav"))

    def test_another_licence_author_or_source_is_told(self) -> None:
        photographs = read_photographs(HERE / "photographs.tsv", read_packages(HERE / "packages.tsv"))
        one = dataclasses.replace(photographs[0], licence="CC0-1.0", author="A B/C", source="https://x")
        fitting = Record(("*",), "CC0", "2015, A. B. <a@b>\n2016, C", "https://x")
        self.assertIsNone(disagreement(one, fitting))
        for other, words in (({"licence": "GPL-3+"}, "GPL"), ({"holder": "A B"}, "names"), ({"source": "y"}, "source")):
            self.assertRegex(disagreement(one, dataclasses.replace(fitting, **other)), words)
        self.assertRegex(disagreement(one, None), "no record")


if __name__ == "__main__":
    unittest.main()
