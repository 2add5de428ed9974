"""Training from given weights: where networks begin, what of them is held, what they learn besides.

Fine-tuning, sparsification and distillation are trainings that begin at weights instead of an
initialisation, and in which some entries stay as they are.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from graphwsl.errors import ZooError

Penalty = Callable[[Mapping[str, Tensor]], Float[Tensor, " models"]]
"""One more loss of every network, of its parameters by name. Shapes ``(models, ...)``."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """How a training differs from one that begins anew and moves every entry.

    Attributes:
        weights: Where networks begin: every parameter and buffer of all networks, by its name in
            the state dict, stacked. Shapes ``(models, ...)``. None takes the initialisation that
            the factors say.
        masks: Which entries of parameters there are, by name: true for those that stay, of shape
            ``(models, ...)`` or, the same for all networks, of that of the parameter. All others
            are zero from the beginning, and stay so bitwise.
        frozen: Names of parameters, buffers, or modules with all that is in them, which keep
            their values bitwise. Batch norms whose statistics are frozen use them in training.
        penalty: One more loss of every network, added to that of each step; the metrics are
            without it.
        epochs: Passes that the weights have behind them, so that the order of the samples goes on
            instead of beginning again.
    """

    weights: Mapping[str, Tensor] | None = None
    masks: Mapping[str, Bool[Tensor, "*entries"]] = field(default_factory=dict)
    frozen: Collection[str] = ()
    penalty: Penalty | None = None
    epochs: int = 0

    def begin(self, state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
        """Where networks begin.

        Args:
            state: Their initialisation: every parameter and buffer of all networks, stacked.
            names: For every name in their state dict that in ``state``.

        Raises:
            ZooError: Weights, masks or frozen parts do not fit these networks.
        """
        begun = dict(state) if self.weights is None else self._given(state, names)
        for name, mask in self.masks.items():
            if name not in begun:
                raise ZooError(
                    f"there is no parameter {name!r} to mask; choose one of {_some(begun)}"
                )
            begun[name] = begun[name].masked_fill(~_fitting(name, mask, begun[name]), 0.0)
        for part in self.frozen:
            if not any(_is_in(name, part) for name in begun):
                raise ZooError(f"there is no part {part!r} to freeze; choose of {_some(begun)}")
        return begun

    def holds(self, name: str) -> bool:
        """Whether all of a parameter or buffer is frozen."""
        return any(_is_in(name, part) for part in self.frozen)

    def held(
        self, names: Sequence[str], parameters: Sequence[Tensor]
    ) -> Bool[Tensor, " numbers"] | None:
        """Which entries of all networks keep their values, parameter after parameter.

        Args:
            names: Names of the parameters.
            parameters: Parameters of all networks.

        Returns:
            None if all move.
        """
        parts = []
        for name, values in zip(names, parameters, strict=True):
            held = torch.full(values.shape, self.holds(name))
            if name in self.masks:
                held |= ~_fitting(name, self.masks[name], values)
            parts.append(held.reshape(-1))
        together = torch.cat(parts)
        return together if together.any() else None

    def _given(self, state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
        assert self.weights is not None
        begun: dict[str, Tensor] = {}
        for name in [*names, *self.weights]:
            if name not in names or name not in self.weights:
                lacks = "lack" if name not in self.weights else "have besides"
                raise ZooError(f"the given weights {lacks} {name!r} of the architecture")
            given, own = self.weights[name], state[names[name]]
            if given.shape != own.shape or given.dtype != own.dtype:
                raise ZooError(
                    f"{name!r} of the given weights must be {own.dtype} of shape "
                    f"{tuple(own.shape)}, got {given.dtype} of shape {tuple(given.shape)}"
                )
            if not given.isfinite().all():
                raise ZooError(f"{name!r} of the given weights holds values that are not finite")
            if not torch.equal(begun.setdefault(names[name], given.detach().clone()), given):
                raise ZooError(f"{name!r} of the given weights is not {names[name]!r}, as it must")
        return {**state, **begun}


def _fitting(name: str, mask: Tensor, values: Tensor) -> Tensor:
    """A mask of all networks."""
    right = mask.dtype == torch.bool and mask.shape in (values.shape, values.shape[1:])
    if not right or not values.is_floating_point():
        raise ZooError(
            f"the mask of {name!r} must be bool of shape {tuple(values.shape)} or "
            f"{tuple(values.shape[1:])}, got {mask.dtype} of shape {tuple(mask.shape)}"
        )
    return mask.expand(values.shape)


def _is_in(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def _some(names: Collection[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (", …" if len(listed) > 8 else "")
