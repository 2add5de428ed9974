"""The two files of a generator that was saved, and the seal between them."""

from graphwsl.errors import GeneratorError
from graphwsl.populations.saved_model import SavedKind

GENERATOR = SavedKind(
    what="generator",
    written_by="Generator.save or graphwsl generate train",
    error_class=GeneratorError,
)
"""How generators are kept."""

REQUEST = "generating.json"
"""What a training was asked for; alone in a folder of a training that has not ended."""
