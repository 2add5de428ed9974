"""A file is there whole or not at all, whatever happens to its writer."""

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from gnncore import storage

posix = pytest.mark.skipif(os.name == "nt", reason="signals and resource limits of POSIX")


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A child that has imported the storage package when its first line is read."""
    code = "from gnncore import storage; print('ready', flush=True)\n" + textwrap.dedent(code)
    child = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


WRITERS = {
    "bytes": lambda path: storage.write_bytes(path, b"\x00\r\n\xff"),
    "text": lambda path: storage.write_text(path, "θ\n"),
    "json": lambda path: storage.write_json(path, {"a": 1}),
    "hdf5": lambda path: storage.write_hdf5(path, lambda file: None),
    "tensors": lambda path: storage.save_tensors(path, {"a": np.ones(3)}),
    "with": lambda path: storage.write_with(path, lambda part: part.touch()),
}


def test_contents_arrive_unchanged(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "a", b"\x00\r\n\xff")
    storage.write_text(tmp_path / "b", "θ\nω\r\n")
    assert (tmp_path / "a").read_bytes() == b"\x00\r\n\xff"
    assert (tmp_path / "b").read_bytes() == "θ\nω\r\n".encode()
    assert names(tmp_path) == ["a", "b"]


def test_a_library_that_goes_by_the_suffix_writes_in_its_format(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    storage.write_with(tmp_path / "snbs.svg", Figure().savefig)
    assert b"<svg" in (tmp_path / "snbs.svg").read_bytes()
    assert names(tmp_path) == ["snbs.svg"]


def test_data_reach_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        events.append(("fsync", status.st_ino, os.path.exists(tmp_path / "a")))
        if status.st_ino != tmp_path.stat().st_ino:
            assert status.st_size == 5
        fsync(descriptor)

    def record_replace(source: Path, target: Path) -> None:
        events.append(("replace", os.stat(source).st_ino, False))
        assert Path(source).parent == Path(target).parent
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    storage.write_bytes(tmp_path / "a", b"12345")
    file, folder = (tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino
    assert events == [("fsync", file, False), ("replace", file, False), ("fsync", folder, True)]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("call", "code"),
    [("fsync", errno.EIO), ("replace", errno.ENOSPC), ("replace", errno.EROFS)],
)
def test_a_failing_system_call_leaves_the_old_file(
    writer: str, call: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(storage.StorageError) as caught:
        WRITERS[writer](tmp_path / "a")
    assert str(caught.value) == f"cannot write {str(tmp_path / 'a')!r}: {os.strerror(code)}"
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ["file/a", "missing/a", "folder", "."])
def test_a_path_that_takes_no_file_is_named(writer: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(storage.StorageError, match="cannot write") as caught:
        WRITERS[writer](tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(storage.StorageError, match="Permission denied"):
            storage.write_bytes(tmp_path / "a", b"new")
    finally:
        tmp_path.chmod(0o755)
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_writer_cleans_up(error: type[BaseException], tmp_path: Path) -> None:
    def write(part: Path) -> None:
        part.write_bytes(b"half")
        raise error

    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(error):
        storage.write_with(tmp_path / "a", write)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"old")
    (tmp_path / "a").symlink_to("elsewhere")
    storage.write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "elsewhere").read_bytes() == b"old"
    assert not (tmp_path / "a").is_symlink()


@posix
def test_a_link_that_the_user_names_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"old")
    (tmp_path / "a").symlink_to("elsewhere")
    storage.write_bytes(storage.leading_to(tmp_path / "a"), b"new")
    assert (tmp_path / "elsewhere").read_bytes() == b"new"
    assert (tmp_path / "a").is_symlink()


@posix
def test_devices_and_pipes_are_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading, writing = os.pipe()
    for path in (pipe, Path(f"/proc/self/fd/{writing}")):
        with pytest.raises(storage.StorageError, match="it is a device or a pipe"):
            storage.write_bytes(storage.leading_to(path), b"new")
    assert pipe.is_fifo()
    os.close(reading)
    os.close(writing)


@posix
def test_a_full_disk_leaves_the_old_files(tmp_path: Path) -> None:
    for name in ("bytes", "json", "hdf5", "tensors", "with"):
        (tmp_path / name).write_bytes(b"old")
    child = start(
        """
        import resource, signal, sys
        from pathlib import Path
        import numpy as np
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
        folder, noise = Path(sys.argv[1]), np.random.default_rng(0).random(2**15)
        fill = lambda file: storage.create_dataset(file, "noise", noise)
        for name, write in {
            "bytes": lambda path: storage.write_bytes(path, noise.tobytes()),
            "json": lambda path: storage.write_json(path, noise),
            "hdf5": lambda path: storage.write_hdf5(path, fill),
            "tensors": lambda path: storage.save_tensors(path, {"noise": noise}),
            "with": lambda path: storage.write_with(path, lambda part: noise.tofile(part)),
        }.items():
            try:
                write(folder / name)
            except storage.StorageError as error:
                print(name, error, sep="|")
        """,
        tmp_path,
    )
    output, _ = child.communicate()
    assert child.returncode == 0
    reports = dict(line.split("|") for line in output.splitlines())
    assert sorted(reports) == names(tmp_path) == ["bytes", "hdf5", "json", "tensors", "with"]
    for name, report in reports.items():
        assert (tmp_path / name).read_bytes() == b"old"
        assert repr(str(tmp_path / name)) in report
        assert name == "with" or os.strerror(errno.EFBIG) in report


@posix
@pytest.mark.parametrize(
    ("instant", "expected"),
    [("write", b"old"), ("fsync", b"old"), ("replace", b"old"), ("after", b"new" * 1000)],
)
def test_a_writer_killed_at_any_step_leaves_a_whole_file(
    instant: str, expected: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")
    child = start(
        """
        import os, signal, sys
        die = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
        instant, path = sys.argv[1:]
        if instant in ("fsync", "replace"):
            setattr(os, instant, die)
        if instant == "after":
            replace = os.replace
            os.replace = lambda *arguments: (replace(*arguments), die())
        def write(part):
            with part.open("wb") as file:
                for number in range(1000):
                    file.write(b"new")
                    if instant == "write" and number == 500:
                        file.flush()
                        die()
        storage.write_with(path, write)
        """,
        instant,
        tmp_path / "a.txt",
    )
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert (tmp_path / "a.txt").read_bytes() == expected
    leftovers = [tmp_path / name for name in names(tmp_path) if name != "a.txt"]
    assert len(leftovers) == (0 if instant == "after" else 1)
    assert storage.remove_leftovers(tmp_path) == leftovers
    assert names(tmp_path) == ["a.txt"]


def kill_at_random(tmp_path: Path, kills: int) -> None:
    contents = {bytes([letter]) * 3_000_000 for letter in b"ab"}
    storage.write_bytes(tmp_path / "a", min(contents))
    for seed in range(kills):
        child = start(
            """
            import sys
            while True:
                for letter in b"ab":
                    storage.write_bytes(sys.argv[1], bytes([letter]) * 3_000_000)
            """,
            tmp_path / "a",
        )
        time.sleep(random.Random(seed).uniform(0.0, 0.05))
        child.kill()
        child.communicate()
        assert (tmp_path / "a").read_bytes() in contents
        storage.remove_leftovers(tmp_path)
        assert names(tmp_path) == ["a"]


@posix
def test_kills_at_random_instants_leave_a_whole_file(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 5)


@posix
@pytest.mark.slow
def test_hundreds_of_kills_leave_a_whole_file(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 200)


def test_only_leftovers_of_this_package_are_removed(tmp_path: Path) -> None:
    kept = ["a.part", ".a.part", ".a.0123456789abcdef", ".a.0123456789ABCDEF.part", "b.h5"]
    kept += ["a.0123456789abcdef.part.h5"]
    below = tmp_path / "below"
    below.mkdir()
    for name in kept:
        (below / name).touch()
    leftovers = [below / ".a.0123456789abcdef.part.h5", below / ".a.b.0123456789abcdef.part"]
    for leftover in leftovers:
        leftover.touch()
    assert storage.remove_leftovers(tmp_path) == leftovers
    assert names(below) == sorted(kept)


def test_a_missing_folder_has_no_leftovers_to_remove(tmp_path: Path) -> None:
    with pytest.raises(storage.StorageError, match="No such file"):
        storage.remove_leftovers(tmp_path / "missing")


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    with (
        storage.exclusive_lock(tmp_path),
        pytest.raises(storage.StorageError, match="another run is writing"),
        storage.exclusive_lock(tmp_path),
    ):
        pytest.fail("two holders")
    with storage.exclusive_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(storage.StorageError, match="missing"),
        storage.exclusive_lock(tmp_path / "missing"),
    ):
        pytest.fail("locked nothing")


@posix
def test_a_killed_holder_frees_the_folder(tmp_path: Path) -> None:
    child = start(
        """
        import sys, time
        with storage.exclusive_lock(sys.argv[1]):
            print("locked", flush=True)
            time.sleep(60)
        """,
        tmp_path,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "locked\n"
    with pytest.raises(storage.StorageError), storage.exclusive_lock(tmp_path):
        pytest.fail("two holders")
    child.kill()
    child.communicate()
    with storage.exclusive_lock(tmp_path):
        pass


def test_folders_are_made_with_those_above_them(tmp_path: Path) -> None:
    for _ in range(2):
        storage.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        storage.StorageError, match=r"cannot create .*file/folder': Not a directory"
    ):
        storage.make_folder(tmp_path / "file" / "folder")
