"""The shared core: layers, models, training, settings, storage, programs and their tests.

>>> import gnncore
>>> gnncore.layers.make_layer("gcn2", 16, 16).in_channels
16
"""

from gnncore._moved import MODULES, NAMES
from gnncore.lazy import lazy
from gnncore.moved import moved

__version__ = "0.1.0"

__all__ = ["__version__"]

__getattr__, __dir__ = lazy(__name__, {})
moved(MODULES, NAMES)
