"""The outputs of thousands of networks, in batches instead of one after the other.

Chains of layers run through the compiled loops of zoos, a few networks in each thread so that what
they compute stays in the caches. Other networks are mapped by ``torch.func.vmap``, batch norm with
the running statistics of each; what cannot be mapped runs alone.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from graphwsl.errors import PredictorError
from graphwsl.populations.population import Function
from graphwsl.populations.unflattening import unflat
from graphwsl.zoo.kernels.coverage import covers
from graphwsl.zoo.training.batched_networks import LayeredNetworks

Rows = Float[Tensor, "networks entries"]
Outputs = Float[Tensor, "networks samples *output"]
Part = tuple[list[int], slice, Outputs]
"""Networks, samples, and the outputs of these networks on these samples."""

NETWORKS, SAMPLES = 16, 64
"""Networks and samples that go through the compiled loops together: the activations of a network on
so many images stay within 512 KiB, and a call of the loops takes much longer than its overhead."""

MAPPED_ENTRIES, MAPPED_NETWORKS, MAPPED_SAMPLES = 2**20, 64, 256
"""Numbers of the networks that are mapped together, these networks, and the samples of a batch;
networks that are larger gain nothing by being mapped."""

LARGEST_ACTIVATION = 1e30
"""Beyond it, sums could leave the range of single precision, and the loops hide what is no number
from the maximum of a square."""


def run(function: Function, rows: Rows, inputs: Any, samples: int) -> Iterator[Part]:
    """The outputs of networks of one function, by the fastest way that they can take.

    Args:
        function: What the networks do.
        rows: Their flattened weights.
        inputs: Samples: a tensor, a sequence of tensors for several arguments, or a mapping.
        samples: How many there are.

    Yields:
        Some of the networks, some of the samples, and their outputs.

    Raises:
        PredictorError: The networks cannot take the inputs, or return no tensor.
    """
    rest = list(range(len(rows)))
    if isinstance(inputs, Tensor) and _fits_loops(function.module, inputs):
        loops = _Loops(function, inputs)
        safe = loops.cannot_overflow(rows).tolist()
        yield from loops.run(rows, [index for index in rest if safe[index]])
        rest = [index for index in rest if not safe[index]]
    size = max(1, min(MAPPED_NETWORKS, MAPPED_ENTRIES // max(rows.shape[1], 1)))
    can_map = min(size, len(rest)) > 1
    for indices in _chunks(rest, size):
        for start in range(0, samples, MAPPED_SAMPLES):
            part = slice(start, min(start + MAPPED_SAMPLES, samples))
            found = _mapped(function, rows[indices], inputs, part) if can_map else None
            if found is not None and start == 0:
                # Whatever a module does beside its formula, the networks must not be mixed up.
                last = _alone(function, rows[indices[-1:]], inputs, part)
                found = found if _agree(found[-1], last[0]) else None
            if found is None:
                can_map = False
                found = _alone(function, rows[indices], inputs, part)
            yield indices, part, found


class _Loops:
    """Chains of layers through the compiled loops."""

    def __init__(self, function: Function, images: Float[Tensor, "samples c h w"]) -> None:
        self.function = function
        self.networks = LayeredNetworks(function.module)
        self.samples = len(images)
        self.largest = float(images.abs().max())
        self.batches: list[tuple[slice, Tensor]] = []
        for start in range(0, len(images), SAMPLES):
            part = slice(start, min(start + SAMPLES, len(images)))
            batch = images[part]
            filling = batch[:1].expand(-len(batch) % self.networks.batch_multiple, -1, -1, -1)
            batch = torch.cat([batch, filling]).permute(1, 2, 3, 0).contiguous()
            self.batches.append((part, batch))

    def cannot_overflow(self, rows: Rows) -> Bool[Tensor, " networks"]:
        """Whether all sums stay in range whatever the activations; NaN and infinity do not."""
        largest = torch.full((len(rows),), self.largest, dtype=torch.float64)
        for name, values in unflat(rows, self.function.architecture).items():
            if name.endswith("weight"):
                gain = values.abs().flatten(2).sum(2, dtype=torch.float64).amax(1)
                largest = largest * gain
            else:
                largest = largest + values.abs().amax(1)
        return largest < LARGEST_ACTIVATION

    def run(self, rows: Rows, indices: list[int]) -> Iterator[Part]:
        """Run these networks, chunks of them in as many threads as torch has."""

        def work(chunk: list[int]) -> Part:
            torch.set_num_threads(1)  # in this thread; there is one for every core
            state = unflat(rows[chunk], self.function.architecture)
            parameters = [state[name].contiguous() for name in self.networks.names]
            found = torch.empty(0)
            with torch.no_grad():
                for part, batch in self.batches:
                    x = batch.expand(len(chunk), -1, -1, -1, -1)
                    logits = self.networks.logits(parameters, x)[..., : part.stop - part.start]
                    if part.start == 0:
                        found = logits.new_empty(len(chunk), self.samples, logits.shape[1])
                    found[:, part] = logits.transpose(1, 2)
            return chunk, slice(0, self.samples), found

        threads = torch.get_num_threads()
        size = max(1, min(NETWORKS, -(-len(indices) // threads)))
        try:
            with ThreadPoolExecutor(threads) as executor:
                yield from executor.map(work, _chunks(indices, size))
        finally:
            torch.set_num_threads(threads)


@torch.no_grad()
def _mapped(function: Function, rows: Rows, inputs: Any, part: slice) -> Outputs | None:
    """The outputs of any networks that vmap can map over; None where it cannot."""
    try:
        module, (arguments, named) = _own(function, inputs), _arguments(inputs, part)

        def one(state: dict[str, Tensor]) -> Any:
            return torch.func.functional_call(module, state, arguments, named)

        state = unflat(rows.to(_device(inputs)), function.architecture)
        with sdpa_kernel(SDPBackend.MATH):  # vmap knows no fused attention
            found = torch.func.vmap(one)(state)
    except Exception:  # a network that runs alone says better what it cannot do
        return None
    return found if isinstance(found, Tensor) else None


@torch.no_grad()
def _alone(function: Function, rows: Rows, inputs: Any, part: slice) -> Outputs:
    """The outputs of networks one after the other, as their authors run them."""
    arguments, named = _arguments(inputs, part)
    name, found = function.architecture.name, []
    for row in rows:
        try:
            module = _own(function, inputs)
            module.load_state_dict(unflat(row, function.architecture))
            found.append(module(*arguments, **named))
        except Exception as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise PredictorError(f"{name!r} cannot be run on these inputs: {reason}") from error
        if not isinstance(found[-1], Tensor):
            raise PredictorError(
                f"{name!r} returns {type(found[-1]).__name__}, not a tensor of outputs"
            )
    return torch.stack(found)


def _fits_loops(module: nn.Module, inputs: Tensor) -> bool:
    return (
        covers(module)
        and inputs.ndim == 4
        and (inputs.dtype, inputs.device.type) == (torch.float32, "cpu")
        and bool(inputs.isfinite().all())
        and all(parameter.dtype == torch.float32 for parameter in module.parameters())
    )


def _own(function: Function, inputs: Any) -> nn.Module:
    """A copy to be filled with weights; whatever it keeps of a run is gone with it."""
    return copy.deepcopy(function.module).eval().to(_device(inputs))


def _device(inputs: Any) -> torch.device:
    parts: Iterable[Tensor] = inputs.values() if isinstance(inputs, Mapping) else inputs
    return inputs.device if isinstance(inputs, Tensor) else next(iter(parts)).device


def _arguments(inputs: Any, part: slice) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    if isinstance(inputs, Tensor):
        return (inputs[part],), {}
    if isinstance(inputs, Mapping):
        return (), {name: tensor[part] for name, tensor in inputs.items()}
    return tuple(tensor[part] for tensor in inputs), {}


def _agree(first: Tensor, second: Tensor) -> bool:
    scale = float(second.nan_to_num(0.0, 0.0, 0.0).abs().max())
    return first.shape == second.shape and torch.allclose(
        first, second, rtol=1e-3, atol=1e-4 * scale, equal_nan=True
    )


def _chunks(indices: list[int], size: int) -> list[list[int]]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]
