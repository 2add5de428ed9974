"""The two files of a representation that was saved, and the seal between them."""

from graphwsl.errors import RepresentationError
from graphwsl.populations.saved_model import SavedKind

REPRESENTATION = SavedKind(
    what="representation",
    written_by="Representation.save or graphwsl represent train",
    error_class=RepresentationError,
)
"""How representations are kept."""

CONFIG, ARRAYS = REPRESENTATION.config, REPRESENTATION.arrays
KIND, FORMAT = REPRESENTATION.kind, REPRESENTATION.format
write_saved, read_saved = REPRESENTATION.write, REPRESENTATION.read
