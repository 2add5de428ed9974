"""Flow matching on the neural graph: paths from noise to networks, equivariant under permutations.

A network is read as units (what no permutation takes apart), pairs of units, and the rest that
nothing moves, see :mod:`graphwsl.generators.flow.plan`.
"""
