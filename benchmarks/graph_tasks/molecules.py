"""Molecules as graphs with the integer features of the Open Graph Benchmark.

Nine numbers describe an atom and three a bond, each an index into a list of values that OGB fixed
(Hu et al. 2020, arXiv 2005.00687; ``ogb.utils.features``); the last index stands for every value
that is not in the list, except where a list is complete. RDKit reads the SMILES; hydrogens stay
implicit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

CHIRALITY = ("CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW", "CHI_OTHER")
HYBRIDISATION = ("SP", "SP2", "SP3", "SP3D", "SP3D2")
BOND = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
STEREO = (
    "STEREONONE",
    "STEREOZ",
    "STEREOE",
    "STEREOCIS",
    "STEREOTRANS",
    "STEREOANY",
)

ATOM_VALUES = (119, 5, 12, 12, 10, 6, 6, 2, 2)
"""Number of values of each feature of an atom: element, chirality, degree, charge, hydrogens,
radical electrons, hybridisation, aromatic, in a ring."""

BOND_VALUES = (5, 6, 2)
"""Number of values of each feature of a bond: type, stereo, conjugated."""


def molecule(
    smiles: str,
) -> tuple[Int[np.ndarray, "atoms 9"], Int[np.ndarray, "2 edges"], Int[np.ndarray, "edges 3"]]:
    """``x``, ``edge_index`` and ``edge_attr`` of a molecule; both directions of a bond follow
    each other.

    Raises:
        ValueError: RDKit cannot read it.
        ModuleNotFoundError: RDKit is not installed.
    """
    from rdkit import Chem

    found: Any = Chem.MolFromSmiles(smiles)
    if found is None:
        raise ValueError(f"{smiles!r} is no molecule")
    x = np.array([_atom(atom) for atom in found.GetAtoms()], np.uint8).reshape(-1, 9)
    ends, bonds = [], []
    for bond in found.GetBonds():
        a, b = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        ends += [(a, b), (b, a)]
        bonds += [_bond(bond)] * 2
    edge_index = np.array(ends, np.int64).reshape(-1, 2).T
    return x, edge_index, np.array(bonds, np.uint8).reshape(-1, 3)


def _atom(atom: Any) -> tuple[int, ...]:
    return (
        min(atom.GetAtomicNum(), 119) - 1 if atom.GetAtomicNum() else 118,
        _index(CHIRALITY, str(atom.GetChiralTag())),
        min(atom.GetTotalDegree(), 11),
        _in_range(atom.GetFormalCharge() + 5, 11),
        min(atom.GetTotalNumHs(), 9),
        min(atom.GetNumRadicalElectrons(), 5),
        _index(HYBRIDISATION, str(atom.GetHybridization())),
        int(atom.GetIsAromatic()),
        int(atom.IsInRing()),
    )


def _bond(bond: Any) -> tuple[int, ...]:
    return (
        _index(BOND, str(bond.GetBondType())),
        STEREO.index(str(bond.GetStereo())),
        int(bond.GetIsConjugated()),
    )


def _index(values: Sequence[str], value: str) -> int:
    return values.index(value) if value in values else len(values)


def _in_range(value: int, end: int) -> int:
    return value if 0 <= value < end else end
