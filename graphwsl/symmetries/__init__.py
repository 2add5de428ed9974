"""What can be done to a network's weights without changing its function.

From the neural graph come the permutations of neurons, channels and attention heads, the scalings
of ReLU networks and the sign flips of odd activations; any of them can be drawn, applied to the
weights, and verified by running the network.
"""

from graphwsl.symmetries.element import GroupElement
from graphwsl.symmetries.elements import Elements
from graphwsl.symmetries.entry_maps import EntryMaps
from graphwsl.symmetries.general_linear import GeneralLinear, LinearElement
from graphwsl.symmetries.group import Symmetries, symmetries
from graphwsl.symmetries.orbits import Orbit
from graphwsl.symmetries.verify import Verification, verify

__all__ = [
    "Elements",
    "EntryMaps",
    "GeneralLinear",
    "GroupElement",
    "LinearElement",
    "Orbit",
    "Symmetries",
    "Verification",
    "symmetries",
    "verify",
]
