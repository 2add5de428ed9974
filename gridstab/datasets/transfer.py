"""Between run folders and the published layouts: export and import."""

from pathlib import Path

from gnncore.storage import (
    MANIFEST_NAME,
    exclusive_lock,
    make_folder,
    remove_leftovers,
    write_folder_with,
)
from gridstab.arguments import as_path
from gridstab.datasets.grid_file import encode_imported
from gridstab.datasets.labelled_grid import label_arrays
from gridstab.datasets.layouts import find_layout, get_layout
from gridstab.datasets.layouts.place import require_export
from gridstab.datasets.run_folder import Imported, RunConfig, RunFolder
from gridstab.errors import RunFolderError

PUBLISHED_SAMPLES = 10_000
"""Trajectories a node behind the published labels."""


def export_run(run: str | Path, out: str | Path, layout: str = "v2") -> Path:
    """Write a complete run in a published layout, all of it or nothing.

    Args:
        run: The run folder.
        out: A new or empty folder, not within that of the run.
        layout: ``v0``, ``v1`` or ``v2``; see :data:`gridstab.datasets.layouts.LAYOUTS`.

    Raises:
        InvalidParameterError: No such layout.
        RunFolderError: The run is unfinished, or the folder is not empty or within it.
        StorageError: A file cannot be read or written.
    """
    writer = get_layout(layout)
    folder, out = RunFolder.open(run), as_path("out", out)
    if not folder.is_complete:
        raise RunFolderError(f"{str(run)!r} is unfinished; continue it with --resume first")
    require_export(out, folder.path)
    name = _dataset_name(folder)
    write_folder_with(out, lambda part: writer.write(part, folder.labels(), name))
    return out


def import_labels(
    directory: str | Path,
    out: str | Path,
    *,
    layout: str | None = None,
    samples: int | None = None,
) -> RunFolder:
    """Make a run folder of published files, so that they are verified and read like any run.

    Args:
        directory: The folder of published files.
        out: The new run folder.
        layout: Name of the layout; recognised unless given.
        samples: Trajectories a node behind each label, which the files do not say; unless given,
            10,000 as in the published data are assumed, and the run folder says so.

    Raises:
        RunFolderError: No published layout, a label that is no share of ``samples``, or something
            else at ``out``.
        StorageError: A file is damaged, or cannot be read or written.
    """
    directory, out = as_path("directory", directory), as_path("out", out)
    if not directory.is_dir():
        raise RunFolderError(f"{str(directory)!r} is no folder; give a folder of published files")
    assumed = samples is None
    samples = PUBLISHED_SAMPLES if samples is None else samples
    if samples < 1:
        raise RunFolderError(f"samples must be at least 1, got {samples}")
    reader = find_layout(directory) if layout is None else get_layout(layout)
    if not reader.recognises(directory):
        raise RunFolderError(f"{str(directory)!r} holds no files of layout {layout!r}")
    # Everything is read once before anything is written, so a bad file leaves no half import.
    grids = 0
    for labelled in reader.read(directory):
        label_arrays(labelled, samples)
        grids += 1
    config = RunConfig(
        imported=Imported(layout=reader.name, samples=samples, grids=grids, samples_assumed=assumed)
    )
    _check_import(out, config)
    make_folder(out)
    with exclusive_lock(out):
        _check_import(out, config)
        remove_leftovers(out)
        folder = RunFolder.create(out, config)
        for grid_id in folder.listing()[0]:  # of an import that was killed; all are written anew
            folder.grid_path(grid_id).unlink()
        for labelled in reader.read(directory):
            folder.store(labelled.grid_id, encode_imported(labelled, samples))
        folder.finish()
    return folder


def _check_import(out: Path, config: RunConfig) -> None:
    """An import that was killed may start again; a complete one, or something else, stays."""
    RunFolder.check(out, config, resume=not (out / MANIFEST_NAME).exists())


def _dataset_name(folder: RunFolder) -> str:
    """The folder name that the published layouts give to such grids."""
    campaign = folder.config.campaign
    if campaign is not None and campaign.case is not None:
        return Path(campaign.case).stem
    first = next(folder.labels())
    return f"ds{first.grid.num_nodes}"
