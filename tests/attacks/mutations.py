"""Damage to a folder, drawn at random: flipped bits, lost, cut, swapped, linked files."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

Pick = Callable[[Path], bool]


def flip(data: bytes, choose: random.Random) -> bytes:
    """The same bytes but for one bit."""
    changed = bytearray(data)
    changed[choose.randrange(len(changed))] ^= 1 << choose.randrange(8)
    return bytes(changed)


def mutate(
    folder: Path,
    choose: random.Random,
    *,
    donor: Path | None = None,
    spare: Pick = lambda file: file.name == ".lock",
) -> str:
    """Damage one file of a folder, or two.

    Args:
        folder: The folder; changed in place.
        choose: Draws the kind and the position.
        donor: A folder of the same kind and other content, from which files are put in as well.
        spare: Files that are left alone.

    Returns:
        What was done, for the message of a test.
    """
    files = sorted(f for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
    files = [file for file in files if not spare(file)]
    file = choose.choice(files)
    where = file.relative_to(folder)
    kind = choose.choice(KINDS if donor is None else [*KINDS, *FOREIGN])
    data = file.read_bytes()
    if kind == "flip" and data:
        file.write_bytes(flip(data, choose))
    elif kind == "truncate" and data:
        file.write_bytes(data[: choose.randrange(len(data))])
    elif kind == "zero" and data:
        start = choose.randrange(len(data))
        stop = min(len(data), start + choose.randrange(1, 512))
        file.write_bytes(data[:start] + bytes(stop - start) + data[stop:])
    elif kind == "extend":
        file.write_bytes(data + choose.randbytes(choose.randrange(1, 100)))
    elif kind == "copy":
        shutil.copyfile(file, file.with_name(f"{file.stem} (copy){file.suffix}"))
    elif kind == "link":
        other = folder.with_name(folder.name + "-elsewhere")
        other.mkdir(exist_ok=True)
        file.rename(other / file.name)
        file.symlink_to(other / file.name)
    elif kind == "folder":
        file.unlink()
        file.mkdir()
    elif kind in ("swap", "overwrite"):
        other = choose.choice(files)
        content = other.read_bytes()
        if kind == "swap":
            other.write_bytes(data)
        file.write_bytes(content)
        return f"{kind} {where} and {other.relative_to(folder)}"
    elif kind in FOREIGN and donor is not None:
        theirs = sorted(f for f in donor.rglob("*") if f.is_file())
        others = [other for other in theirs if other.suffix == file.suffix] or theirs
        if kind == "insert":
            other = choose.choice(others)
            target = folder / other.relative_to(donor)
            target.parent.mkdir(exist_ok=True, parents=True)
            shutil.copyfile(other, target)
            return f"insert {other.relative_to(donor)} of another"
        same = [other for other in others if other.relative_to(donor) == where]
        shutil.copyfile((same or others)[0], file)
    else:
        file.unlink()
        kind = "delete"
    return f"{kind} {where}"


KINDS = (
    ["flip"] * 6
    + ["truncate", "zero", "extend", "copy", "link", "folder", "delete"]
    + [
        "swap",
        "overwrite",
    ]
)
FOREIGN = ["insert", "replace"]
