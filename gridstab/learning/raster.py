"""The raster of stability landscapes that a model has learnt, which its images keep."""

from pydantic import Field

from gnncore.configuration import Configuration
from gridstab.errors import DatasetError, RunFolderError


class Raster(Configuration):
    """Size and range of the images of a data set, or of a model.

    Attributes:
        resolution: Pixels along each axis.
        domega_range: Largest frequency offset [rad/s]; phases cover the whole turn.
    """

    error_class = RunFolderError

    resolution: int = Field(ge=2)
    domega_range: float = Field(gt=0)

    @property
    def pixels(self) -> int:
        """Pixels of an image."""
        return self.resolution**2

    def require(self, other: "Raster | None", name: str) -> None:
        """Nothing, if images of another raster are of the same kind.

        Args:
            other: That of a data set.
            name: Name of the data set.

        Raises:
            DatasetError: They are not, or there are none.
        """
        if other is None:
            raise DatasetError(f"{name!r} has no landscapes; make some with gridstab landscape")
        if other.resolution != self.resolution:
            raise DatasetError(
                f"the landscapes of {name!r} have {other.resolution} × {other.resolution} pixels, "
                f"but the model was trained on {self.resolution} × {self.resolution}; give images "
                "of that size"
            )
        if other.domega_range != self.domega_range:
            raise DatasetError(
                f"the landscapes of {name!r} reach up to {other.domega_range:g} rad/s, but the "
                f"model was trained on {self.domega_range:g}"
            )
