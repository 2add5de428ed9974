"""What rules write down while they follow a program: units, weights and parameters of nodes."""

from dataclasses import dataclass, field
from hashlib import sha256
from math import prod

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph.changes import colour_ends
from graphwsl.neural_graph.colouring import colour_by, coloured_by_constant
from graphwsl.neural_graph.roles import (
    FunctionForm,
    FunctionKind,
    OwnOperator,
    ParameterRole,
    RelationKind,
    RelationRole,
)
from graphwsl.neural_graph.units import NOTHING, NodeKind, UnitTable, reduced, varying_dims
from graphwsl.neural_graph.values import Value, mixed
from graphwsl.neural_graph.versions import Versions


@dataclass(eq=False)
class WeightUse:
    """A block of weights, with the labels of its sources from every call that used it."""

    operator: str
    call: int
    targets: Int[Tensor, "groups targets"]
    sources: list[Int[Tensor, "groups sources"]]
    entries: Int[Tensor, "groups targets sources kernel"]
    kernel: tuple[int, ...]
    is_linear: bool

    @property
    def ends(self) -> list[Int[Tensor, "..."]]:
        """Units that the weights join."""
        return [self.targets, *self.sources]


@dataclass(eq=False)
class ParameterUse:
    """Parameters of units in one call: ``entries[i]`` belongs to ``units[i]``."""

    operator: str
    role: ParameterRole
    call: int
    units: Int[Tensor, " values"]
    entries: Int[Tensor, " values"]
    is_linear: bool = True

    @property
    def ends(self) -> list[Int[Tensor, "..."]]:
        """Units that the parameters belong to."""
        return [self.units]


@dataclass
class GraphBuilder:
    """The state of the tracing; rules take it as their first argument."""

    units: UnitTable = field(default_factory=UnitTable)
    versions: Versions = field(default_factory=Versions)
    weights: list[WeightUse] = field(default_factory=list)
    parameters: list[ParameterUse] = field(default_factory=list)
    opaque: list[tuple[str, Int[Tensor, " values"]]] = field(default_factory=list)
    kept: list[Int[Tensor, "..."]] = field(default_factory=list)
    """Entries of weights that statistics make use of elsewhere; their nodes stay as they are."""
    bundles: list[Int[Tensor, "bundles members"]] = field(default_factory=list)
    """Entries of which statistics are made, each row of one: rows move as wholes."""
    functions: list[tuple[FunctionKind, Int[Tensor, " units"]]] = field(default_factory=list)
    """Functions that are applied to units without making new ones."""
    inputs: list[Int[Tensor, "..."]] = field(default_factory=list)
    """The units of the inputs, in their shapes."""
    looked_at: list[str] = field(default_factory=list)
    """Where the program looked at numbers that depend on the inputs."""
    operator: str = ""
    """Name of the operator that is at work."""
    strict: bool = False
    """Whether what no rule explains is refused."""
    _rows: dict[bytes, int] = field(default_factory=dict)
    _attachments: set[tuple[ParameterRole, bytes, bytes]] = field(default_factory=set)
    _promoted: dict[int, int] = field(default_factory=dict)
    _uses: dict[tuple[int, int, int], list[WeightUse]] = field(default_factory=dict)

    def neurons(
        self,
        entries: tuple[Int[Tensor, "groups targets sources kernel"], ...],
        sources: Int[Tensor, "groups sources"],
        kernel: tuple[int, ...] = (),
        changes: Int[Tensor, "groups targets sources kernel"] | None = None,
    ) -> Int[Tensor, "groups targets"]:
        """Weighted sums: the units that a block of weights makes of its sources.

        Weights used twice make the same units twice, so that whatever happens to the one happens
        to the other. Where weights are made of several parameters, each forms a block.

        Args:
            entries: Entries of each parameter that the weights are made of.
            sources: Units that the weights are multiplied with.
            kernel: Shape of the kernel.
            changes: Changes of the weights, where they are no multiple of their entries.
        """
        entries = tuple(one for one in entries if bool((one >= 0).any()))
        if not entries:  # mere statistics of weights
            return self.units.new(1, NodeKind.NEURON).expand(1, 1)
        targets = self._targets(entries)
        for one in entries:
            self._use(one, sources, targets, kernel, changes is None)
            if bool((one < 0).any()):  # a pattern of zeros
                colour_ends(self.units, sources, targets, (one < 0).long())
        if changes is not None:
            colour_ends(self.units, sources, targets, changes)
        if entries[0].shape[0] > 1:
            # A group's targets belong to its sources, as no single weight says.
            sets = self.units.aggregate(self.operator, sources, RelationRole.GROUP)
            self.units.relate(self._part, targets, sets[:, None].expand(targets.shape))
            if len(sets.unique()) < len(sets):
                # Groups that read the same units may read other positions of them.
                groups = torch.arange(len(sets))[:, None].expand(targets.shape)
                self.units.colour(targets.flatten(), groups.flatten())
        return targets

    def _targets(
        self, entries: tuple[Int[Tensor, "groups targets sources kernel"], ...]
    ) -> Int[Tensor, "groups targets"]:
        shape = entries[0].shape[:2]
        rows = torch.cat([one.flatten(2).flatten(0, 1) for one in entries], dim=1)
        # The same entries in another order are other weights: a row is known by all of it.
        keys = [sha256(row).digest() for row in rows.numpy()]
        fresh = [key for key in dict.fromkeys(keys) if key not in self._rows]
        new = self.units.new(len(fresh), NodeKind.NEURON).tolist()
        self._rows.update(zip(fresh, new, strict=True))
        rows = torch.tensor([self._rows[key] for key in keys], dtype=torch.int64)
        return rows.view(shape)

    def _use(
        self,
        entries: Int[Tensor, "groups targets sources kernel"],
        sources: Int[Tensor, "groups sources"],
        targets: Int[Tensor, "groups targets"],
        kernel: tuple[int, ...],
        is_linear: bool,
    ) -> None:
        first = entries[0, 0].flatten()
        key = (int(first[0]), int(entries[-1, -1, -1, -1]), entries.shape[1])
        for use in self._uses.setdefault(key, []):
            # With other parameters, the same one makes other units.
            is_same = use.entries.shape == entries.shape and torch.equal(use.entries, entries)
            if is_same and torch.equal(use.targets, targets):
                use.sources.append(sources)
                use.is_linear &= is_linear
                return
        use = WeightUse(
            self.operator, self.units.call, targets, [sources], entries, kernel, is_linear
        )
        self._uses[key].append(use)
        self.weights.append(use)

    @property
    def _part(self) -> RelationKind:
        return RelationKind(self.operator, RelationRole.PART)

    def attach(self, role: str, units: Int[Tensor, "..."], weights: Value) -> None:
        """Parameters of units: each element of ``weights`` belongs to the unit at its index.

        An entry that several units share belongs to the set of them.

        Args:
            role: A :class:`ParameterRole`, or its value.
            units: Units in the shape of the weights, or in one that they broadcast with.
            weights: The parameters.
        """
        assert weights.entries is not None
        if weights.changes is not None:
            self._colour_by_changes(units, weights.changes)
            if not weights.entries:  # no factor passes through a statistic
                self.applied(OwnOperator.STATISTIC, units)
                self.keep(weights.changes)
        for entries in weights.entries:
            units_here, entries_here = torch.broadcast_tensors(units, entries)
            dims = sorted({*varying_dims(units_here), *varying_dims(entries_here)})
            pairs = torch.stack(
                [reduced(entries_here, dims).flatten(), reduced(units_here, dims).flatten()]
            )
            is_used = (pairs >= 0).all(dim=0)
            positions = _positions(reduced(units_here, dims))[is_used]
            pairs, pair = pairs[:, is_used].unique(dim=1, return_inverse=True)
            if not pairs.shape[1]:
                continue
            distinct, inverse, counts = pairs[0].unique(return_inverse=True, return_counts=True)
            if bool((counts == 1).all()):
                owners = pairs[1]
            elif bool((counts == counts[0]).all()):
                owners = self.units.aggregate(
                    self.operator, pairs[1].view(-1, int(counts[0])), RelationRole.SHARED
                )
            else:
                sets = torch.full((len(distinct), int(counts.max())), NOTHING)
                column = torch.arange(len(inverse)) - (counts.cumsum(0) - counts)[inverse]
                sets[inverse, column] = pairs[1]
                owners = self.units.aggregate(self.operator, sets, RelationRole.SHARED)
            self._colour_by_positions(owners, pairs[1], inverse, positions, pair)
            self._attached(ParameterRole(role), owners, distinct, weights.changes is None)

    def _colour_by_positions(
        self,
        owners: Int[Tensor, " entries"],
        units: Int[Tensor, " pairs"],
        entries: Int[Tensor, " pairs"],
        positions: Int[Tensor, " elements"],
        pair: Int[Tensor, " elements"],
    ) -> None:
        """Tell owners apart whose entries, taken in order, stand at other positions.

        Where an owner goes, its entries go in order, and a position stays what it is.

        Args:
            owners: Owners of every entry.
            units: Units of every pair of an entry and a unit.
            entries: The number of its entry.
            positions: Positions of every element, within its unit.
            pair: The number of its pair.
        """
        if not len(positions) or bool((positions == positions[0]).all()):
            return
        marks = torch.zeros_like(units).index_add_(0, pair, mixed(positions + 1))
        first = torch.zeros_like(owners).index_copy_(0, entries, marks)
        # An entry at one position of this unit and another of that one moves with neither.
        self.units.pin(units[torch.isin(entries, entries[marks != first[entries]])])
        colour_by(self.units, owners, first)

    def _colour_by_changes(self, units: Int[Tensor, "..."], changes: Int[Tensor, "..."]) -> None:
        units, changes = torch.broadcast_tensors(units, changes)
        if set(varying_dims(changes)) & set(varying_dims(units)):
            dims = sorted({*varying_dims(units), *varying_dims(changes)})
            some = reduced(units, dims).flatten(), reduced(changes, dims).flatten()
            colour_by(self.units, *some)

    def _attached(
        self,
        role: ParameterRole,
        units: Int[Tensor, " values"],
        entries: Int[Tensor, " values"],
        is_linear: bool,
    ) -> None:
        # Recurrent cells use the same parameters at every step.
        key = (role, units.numpy().tobytes(), entries.numpy().tobytes())
        if key not in self._attachments:
            self._attachments.add(key)
            self.parameters.append(
                ParameterUse(self.operator, role, self.units.call, units, entries, is_linear)
            )

    def promoted(self, value: Value) -> Value:
        """Weights or constants as an activation: every entry is a unit of its own."""
        if value.is_activation:
            return value
        shape = value.tensor.shape
        if value.is_weights and not value.entries and value.changes is not None:
            self.keep(value.changes)
        if value.is_constant or not value.entries:
            return value.with_units(torch.full((1,) * len(shape), NOTHING))
        entries = value.entries[0]
        distinct, inverse = entries.unique(return_inverse=True)
        numbers = distinct.tolist()
        fresh = [entry for entry in numbers if entry >= 0 and entry not in self._promoted]
        new = self.units.new(len(fresh), NodeKind.PARAMETER)
        self._promoted.update(zip(fresh, new.tolist(), strict=True))
        if fresh:
            self.parameters.append(
                ParameterUse(
                    self.operator,
                    ParameterRole.ACTIVATION,
                    self.units.call,
                    new,
                    torch.tensor(fresh),
                )
            )
        known = [self._promoted.get(entry, NOTHING) for entry in numbers]
        table = torch.tensor(known, dtype=torch.int64)
        units = table[inverse]
        for further in value.entries[1:]:
            self.attach(ParameterRole.OTHER, units, Value(value.tensor, entries=(further,)))
        if value.changes is not None:
            self.applied(OwnOperator.CHANGES, units)
            units = coloured_by_constant(self.units, OwnOperator.CHANGES, units, value.changes)
        return value.with_units(units)

    def keep(self, *entries: Int[Tensor, "..."]) -> None:
        """Note entries that no symmetry may change; :meth:`settle` pins their units."""
        self.kept += [reduced(one, varying_dims(one)).flatten() for one in entries]

    def bundle(self, entries: Int[Tensor, "..."], dims: list[int]) -> None:
        """Note a function of all entries along ``dims`` whose order does not matter."""
        kept = [dim for dim in range(entries.ndim) if dim not in dims]
        sizes = [entries.shape[dim] for dim in kept]
        rows = entries.permute(*kept, *dims).reshape(prod(sizes), -1)
        if rows.numel():
            self.bundles.append(rows.unique(dim=0))

    def settle(self, num_entries: int) -> None:
        """Pin the units of the entries that :meth:`keep` noted; called after the last operator."""
        if not self.kept:
            return
        is_kept = torch.zeros(num_entries, dtype=torch.bool)
        is_kept[torch.cat(self.kept)] = True
        uses: list[WeightUse | ParameterUse] = [*self.weights, *self.parameters]
        for use in uses:
            if bool(is_kept[use.entries[use.entries >= 0]].any()):
                use.is_linear = False
                for units in use.ends:
                    self.units.pin(units[units != NOTHING])

    def applied(
        self,
        operator: str,
        units: Int[Tensor, "..."],
        form: FunctionForm = FunctionForm.PLAIN,
    ) -> None:
        """Note that a function is applied to units, whose results have the same numbers.

        Args:
            operator: Name of the operator.
            units: The units.
            form: Which operands the function has apart from the unit.
        """
        kind = FunctionKind(operator, form)
        self.functions.append((kind, reduced(units, varying_dims(units)).unique()))

    def fix(self, *values: Value) -> None:
        """Fix arguments of which the result is no known function: no symmetry moves them.

        Raises:
            UnsupportedModelError: Weights or units that could move are among them, and the
                builder is strict.
        """
        free = [value for value in values if not self.is_fixed(value)]
        if free and self.strict:
            raise UnsupportedModelError(
                f"no rule for what the operator {self.operator} does with values of the shapes "
                f"{[tuple(value.tensor.shape) for value in free]}; register one with "
                '@graphwsl.neural_graph.rule, or trace with unknown="opaque"'
            )
        entries = [one for value in values for one in value.entries or ()]
        if free:
            indices = torch.cat([one.flatten() for one in entries]) if entries else torch.zeros(0)
            self.opaque.append((self.operator, indices[indices >= 0].long().unique()))
        self.look_at(*values)

    def look_at(self, *values: Value) -> None:
        """Fix values that the program itself depends on: no symmetry may change them."""
        for value in values:
            self.keep(*(value.entries or ()))
            if value.units is not None:
                self.units.pin(value.units[value.units != NOTHING])
            elif value.entries == () and value.changes is not None:
                self.keep(value.changes)

    def is_fixed(self, value: Value) -> bool:
        """Whether nothing that could move is in a value: constants and pinned units alone."""
        if value.is_weights:
            return False
        if value.is_constant:
            return True
        units = value.known_units.unique()
        return not bool(self.units.free[units[units != NOTHING]].any())

    def drawn(self, tensor: Tensor) -> Value:
        """Numbers drawn at random: positions of one fixed unit, no two of them alike.

        What equals another in the example does so by chance.
        """
        unit = self.units.new(1, NodeKind.CONSTANT)
        self.units.pin(unit)
        return Value(tensor).with_units(unit[0])

    def hide(self, *values: Value) -> Int[Tensor, ""]:
        """Note an operator without a rule: its units are pinned, its weights are listed as opaque.

        Raises:
            UnsupportedModelError: As in :meth:`fix`.
        """
        self.fix(*values)
        unit = self.units.new(1, NodeKind.OPAQUE)
        self.units.pin(unit)
        for value in values:
            if value.units is not None:
                distinct = value.units.unique()
                self.units.relate(self._part, unit.expand(len(distinct)), distinct)
        return unit[0]


def _positions(units: Int[Tensor, "..."]) -> Int[Tensor, " elements"]:
    """Numbers along the dimensions in which units do not vary."""
    dims = varying_dims(units)
    sizes = [1 if dim in dims else size for dim, size in enumerate(units.shape)]
    return torch.arange(prod(sizes)).view(sizes).expand(units.shape).flatten()
