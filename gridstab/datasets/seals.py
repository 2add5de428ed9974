"""What is known of the grid files of an unfinished run, which no manifest covers yet.

    seals/00001.json     the configuration that the grid is of, and the SHA-256 of its file

A seal is written before its grid, so that a grid without one was not stored by this run. When the
manifest is there, which takes over the sums, the seals go.
"""

from pathlib import Path

from gnncore.storage import (
    CorruptFileError,
    make_folder,
    read_json,
    refuse_links,
    sha256,
    write_json,
)

FOLDER = "seals"


class Seals:
    """The seals in a run folder.

    Args:
        run: The run folder.
        configuration: Hash of the configuration of its run.
    """

    def __init__(self, run: Path, configuration: str) -> None:
        self.run = run
        self.path = run / FOLDER
        self.configuration = configuration

    def create(self) -> None:
        """Make the folder of the seals, whose presence says that every grid needs one.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        make_folder(self.path)

    @property
    def are_kept(self) -> bool:
        """Whether grids have seals: not in complete runs, nor in those of earlier versions."""
        return self.path.is_dir()

    def write(self, grid_id: int, digest: str) -> None:
        """Say what the file of a grid will hold.

        Args:
            grid_id: Global number of the grid.
            digest: SHA-256 of the file.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        write_json(
            self._path(grid_id),
            {"configuration": self.configuration, "grid": grid_id, "sha256": digest},
        )

    def read(self, grid_id: int) -> str:
        """SHA-256 of the file of a grid of this run.

        Raises:
            StorageError: The grid has no seal, or one that is damaged or of another run.
        """
        path = self._path(grid_id)
        refuse_links(self.run, f"{FOLDER}/{path.name}")
        if not path.exists():
            raise CorruptFileError.because("use", self._grid(grid_id), "it has no seal")
        seal = read_json(path)
        if not isinstance(seal, dict) or seal.keys() != {"configuration", "grid", "sha256"}:
            raise CorruptFileError.because("use", path, "it is no seal")
        if (seal["configuration"], seal["grid"]) != (self.configuration, grid_id):
            raise CorruptFileError.because(
                "use", self._grid(grid_id), "its seal is of another run or grid"
            )
        return str(seal["sha256"])

    def check(self, grid_id: int) -> None:
        """Check that the file of a grid is what this run stored.

        Raises:
            StorageError: It is not, or cannot be read.
        """
        path = self._grid(grid_id)
        refuse_links(self.run, f"grids/{path.name}")
        if sha256(path) != self.read(grid_id):
            raise CorruptFileError.because("use", path, "it has changed: its SHA-256 differs")

    def _path(self, grid_id: int) -> Path:
        return self.path / f"{grid_id:05d}.json"

    def _grid(self, grid_id: int) -> Path:
        return self.run / "grids" / f"{grid_id:05d}.h5"
