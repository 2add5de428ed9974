"""Networks that others are permuted to be close to, one an architecture."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from graphwsl.alignment.reference_alignment import align_to
from graphwsl.errors import RepresentationError
from graphwsl.populations.population import Population
from graphwsl.representations.known import Known

PREFIX = "reference."


@dataclass(frozen=True, eq=False)
class References:
    """What networks are aligned to.

    The reference is the training network closest to the mean of all: which that is does not depend
    on the order of the networks, unlike the first one, that of published code.

    Attributes:
        rows: A flattened state by the digest of its architecture.
    """

    rows: Mapping[str, Float[Tensor, " entries"]]

    @classmethod
    def of(cls, train: Population) -> "References":
        """References among training networks."""
        found = {}
        for number in train.kind.unique().tolist():
            rows = train.rows(number)
            nearest = (rows - rows.mean(0)).square().sum(1).argmin()
            found[train.architectures[number].digest] = rows[nearest].clone()
        return cls(found)

    def aligned(self, population: Population, known: Mapping[int, Known]) -> Population:
        """Networks of the same functions that are closer to their references.

        Args:
            population: Networks.
            known: Their architectures by number.

        Raises:
            RepresentationError: An architecture has no reference.
        """
        states = list(population.states)
        for number, own in known.items():
            members = (population.kind == number).nonzero()[:, 0].tolist()
            architecture = own.architecture
            if architecture.digest not in self.rows:
                raise RepresentationError(
                    f"networks {architecture.name!r} of {architecture.num_entries:,} numbers have "
                    "an architecture that was not learnt from, so that there is nothing to align "
                    "them to; set align=False, or choose graph_autoencoder"
                )
            rows = align_to(own.group, population.rows(number), self.rows[architecture.digest])
            for member, row in zip(members, rows, strict=True):
                states[member] = row
        return replace(population, states=states)

    def tensors(self) -> dict[str, Tensor]:
        """The rows as named tensors of a file."""
        return {PREFIX + digest: row for digest, row in self.rows.items()}

    @classmethod
    def pop(cls, tensors: dict[str, Tensor]) -> "References | None":
        """The inverse of :meth:`tensors`, which takes them out; None where there are none."""
        names = [name for name in tensors if name.startswith(PREFIX)]
        found = {name.removeprefix(PREFIX): tensors.pop(name) for name in names}
        return cls(found) if found else None
