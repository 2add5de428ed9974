"""What is measured of a group of networks: one function a metric."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from graphwsl.alignment import align_to, canonical_form
from graphwsl.errors import LandscapeError
from graphwsl.landscape.eigenvalues import largest
from graphwsl.landscape.group_data import Found, GroupData, Values, submodule
from graphwsl.landscape.groups import Rows, parameters_and_buffers
from graphwsl.landscape.hessian import quadratic_forms, random_signs
from graphwsl.landscape.hessian_products import Hessians, belongs
from graphwsl.landscape.paths import (
    CurveTraining,
    Path,
    barrier,
    connectivity,
    profile,
    train_curves,
)
from graphwsl.landscape.settings import Metric
from graphwsl.landscape.similarity import centred_gram, is_constant, similarity
from graphwsl.landscape.zoo_objective import ZooObjective, some_of
from graphwsl.populations.unflattening import unflat

KEPT = 2**25
"""Activations of all networks and samples that first derivatives may keep between products."""


def hessian(given: GroupData, activations: int) -> Found:
    """Traces and largest eigenvalues, on samples of the own training data and of the test data.

    Args:
        given: The group.
        activations: Numbers that a network computes for a sample.
    """
    settings, members = given.settings, given.group.members
    flat, buffers = parameters_and_buffers(given.group.function, given.group.rows(given.population))
    found = Found(networks={member: {} for member in members})
    for part in ("train", "test"):
        objective = (
            given.own_training(members, settings.samples, twice=True)
            if part == "train"
            else given.shared("test", members, settings.samples, twice=True)
        )
        keep = len(members) * objective.samples * activations <= KEPT
        for layer in (None, *settings.layers):
            hessians = Hessians(objective, flat, buffers, layer=layer, keep=keep)
            if layer is None:
                _traces(found, part, hessians, given)
            count = min(settings.eigenvalues, hessians.entries)
            generator = torch.Generator().manual_seed(settings.seed)
            values, bounds = largest(hessians, count, generator=generator)
            values = values.masked_fill(~bounds.isfinite(), torch.nan)
            for member, own in zip(members, values.tolist(), strict=True):
                for number, value in enumerate(own):
                    name = "hessian_eigenvalue" + (f"_{number + 1}" if number else "")
                    found.networks[member][_named(f"{part}_{name}", layer)] = value
    return found


def _traces(found: Found, part: str, hessians: Hessians, given: GroupData) -> None:
    settings = given.settings
    generator = torch.Generator().manual_seed(settings.seed)
    signs = random_signs(settings.probes, hessians.entries, generator)
    forms = quadratic_forms(hessians, signs)
    names = hessians.objective.names
    for layer in (None, *settings.layers):
        chosen = [number for number, name in enumerate(names) if belongs(name, layer)]
        values = forms[:, :, chosen].sum(2)
        means, spreads = values.mean(1).tolist(), values.std(1).tolist()
        for member, mean, spread in zip(given.group.members, means, spreads, strict=True):
            own = found.networks[member]
            own[_named(f"{part}_hessian_trace", layer)] = mean
            error = spread / math.sqrt(settings.probes)
            own[_named(f"{part}_hessian_trace_error", layer)] = error


def similarities(given: GroupData, activations: int) -> Found:
    """CKA of outputs, and of chosen activations, on test samples: the mean over pairs of a cell.

    Args:
        given: The group.
        activations: Numbers that a network computes for a sample.
    """
    del activations
    settings, members = given.settings, given.group.members
    samples = given.data.test
    inputs = samples[some_of(len(samples), settings.samples, settings.seed)]
    found = Found(cells={cell.number: {} for cell in given.group.cells})
    for layer in (None, *settings.activations):
        features = dict(zip(members, _features(given, inputs, layer), strict=True))
        for unbiased in (False, True):
            grams = {
                member: None if _is_undefined(own) else centred_gram(own, unbiased)
                for member, own in features.items()
            }
            name = _named(f"similarity{'_unbiased' if unbiased else ''}", layer)
            for cell in given.group.cells:
                pairs = [(grams[a], grams[b]) for a, b in cell.pairs(settings.pairs)]
                values = [
                    math.nan if one is None or other is None else similarity(one, other)
                    for one, other in pairs
                ]
                found.cells[cell.number][name] = sum(values) / len(values) if values else math.nan
    return found


def curves(given: GroupData, activations: int) -> Found:
    """Connectivity along Bézier curves between networks of a cell.

    Args:
        given: The group.
        activations: Numbers that a network computes for a sample.
    """
    del activations
    settings = given.settings
    pairs, cells = given.pairs()
    if not pairs:
        return Found()
    firsts = [first for first, _ in pairs]
    train = given.shared("train", firsts)
    starts, buffers = _parameters(given, given.group.rows(given.population, firsts))
    seconds = given.group.rows(given.population, [second for _, second in pairs])
    training = CurveTraining(settings.curve_steps, settings.curve_learning_rate)
    generator = torch.Generator().manual_seed(settings.seed)
    ends = _parameters(given, seconds)[0]
    path = train_curves(train, starts, ends, buffers, training, generator)
    test = given.shared("test", firsts)
    return _along(given, path, "curve", cells, settings.curve_points, train, test, buffers)


def lines(given: GroupData, activations: int) -> Found:
    """Connectivity and barriers along straight lines between networks of a cell.

    Args:
        given: The group.
        activations: Numbers that a network computes for a sample.
    """
    del activations
    pairs, cells = given.pairs()
    found = Found()
    if not pairs:
        return found
    firsts = [first for first, _ in pairs]
    train, test = given.shared("train", firsts), given.shared("test", firsts)
    rows = [given.group.rows(given.population, [pair[side] for pair in pairs]) for side in (0, 1)]
    for name, (one, other) in (("line", rows), ("aligned_line", _aligned(given, *rows))):
        starts, buffers = _parameters(given, one)
        path = Path(starts, _parameters(given, other)[0])
        points = given.settings.line_points
        _merge(found, _along(given, path, name, cells, points, train, test, buffers))
    return found


def averages(given: GroupData, activations: int) -> Found:
    """Accuracy, or loss, of averages of weights, and what they gain over the networks themselves.

    Args:
        given: The group.
        activations: Numbers that a network computes for a sample.
    """
    del activations
    group, members = given.group, given.group.members
    rows = group.rows(given.population)
    trained = [torch.stack(given.earlier[m]).double() for m in members]
    last = torch.stack([own[-given.settings.averaged_epochs :].mean(0) for own in trained]).float()
    wise = torch.stack([(own[0] + own[-1]) / 2 for own in trained]).float()
    own = _judged(given, members, rows)
    found = Found(networks={member: {} for member in members})
    for name, made in (("average_along_training", last), ("wise_ft", wise)):
        _gains(found.networks, name, members, _judged(given, members, made), own)
    several = [cell for cell in group.cells if len(cell.members) > 1]
    if not several:
        return found
    found.cells = {cell.number: {} for cell in several}
    firsts = [cell.members[0] for cell in several]
    numbers = [cell.number for cell in several]
    of_cells = {
        what: [sum(values[members.index(m)] for m in c.members) / len(c.members) for c in several]
        for what, values in own.items()
    }
    for name, aligned in (("average_of_seeds", False), ("aligned_average_of_seeds", True)):
        soups = [_mean_of_seeds(given, cell.members, aligned) for cell in several]
        judged = _judged(given, firsts, torch.stack(soups))
        _gains(found.cells, name, numbers, judged, of_cells)
    return found


MEASURES: dict[Metric, Callable[[GroupData, int], Found]] = {
    "hessian": hessian,
    "similarity": similarities,
    "curves": curves,
    "lines": lines,
    "averages": averages,
}


def _named(name: str, layer: str | None) -> str:
    return name if layer is None else f"{name}[{layer}]"


def _parameters(given: GroupData, rows: Rows) -> tuple[Tensor, list[Tensor]]:
    return parameters_and_buffers(given.group.function, rows)


def _aligned(given: GroupData, firsts: Rows, seconds: Rows) -> tuple[Rows, Rows]:
    """Pairs in which the second network is as close to the first as can be found."""
    firsts = canonical_form(firsts, given.symmetries, permutations=False, signs=False)
    return firsts, align_to(given.symmetries, seconds, firsts)


def _mean_of_seeds(given: GroupData, members: Sequence[int], aligned: bool) -> Tensor:
    rows = given.group.rows(given.population, members)
    if aligned:
        first = rows[:1].expand(len(rows) - 1, -1)
        reference, others = _aligned(given, first.contiguous(), rows[1:])
        rows = torch.cat([reference[:1], others])
    return rows.double().mean(0).float()


def _judged(given: GroupData, members: Sequence[int], rows: Rows) -> dict[str, list[float]]:
    """Test accuracy, or loss where labels are no classes, with statistics of the training data."""
    flat, buffers = _parameters(given, rows)
    most = given.settings.samples
    buffers = given.shared("train", members, most).with_statistics(flat, buffers)
    loss, error = given.shared("test", members).measure(flat, buffers)
    if error is None:
        return {"test_loss": loss.tolist()}
    return {"test_accuracy": (1 - error).tolist()}


def _gains(
    into: dict[int, Values],
    name: str,
    numbers: Sequence[int],
    judged: dict[str, list[float]],
    own: dict[str, list[float]],
) -> None:
    for what, values in judged.items():
        for number, value, before in zip(numbers, values, own[what], strict=True):
            into[number][f"{what}_of_{name}"] = value
            into[number][f"{what}_gain_of_{name}"] = value - before


def _along(
    given: GroupData,
    path: Path,
    name: str,
    cells: Sequence[int],
    points: int,
    train: ZooObjective,
    test: ZooObjective,
    buffers: Sequence[Tensor],
) -> Found:
    found = Found()
    for part, objective in (("train", train), ("test", test)):
        along = profile(path, objective, train, buffers, points)
        for what, values in (("loss", along.losses), ("error", along.errors)):
            if values is None:
                continue
            numbers = {
                f"{part}_{name}_{what}_connectivity": connectivity(values),
                f"{part}_{name}_{what}_barrier": barrier(values, along.positions),
            }
            for cell in given.group.cells:
                own = [place for place, number in enumerate(cells) if number == cell.number]
                if not own:
                    continue
                kept = found.cells.setdefault(cell.number, {})
                kept |= {key: float(some[own].mean()) for key, some in numbers.items()}
                profiles = found.profiles.setdefault(cell.number, {})
                profiles[f"{part}_{name}_{what}"] = values[own].mean(0).tolist()
    return found


def _merge(into: Found, other: Found) -> None:
    for mine, theirs in ((into.networks, other.networks), (into.cells, other.cells)):
        for number, values in theirs.items():
            mine.setdefault(number, {}).update(values)
    for number, along in other.profiles.items():
        into.profiles.setdefault(number, {}).update(along)


def _is_undefined(features: Tensor) -> bool:
    return not bool(features.isfinite().all()) or is_constant(features)


def _features(given: GroupData, inputs: Tensor, layer: str | None) -> list[Tensor]:
    """The outputs of every network, or those of one of its modules, for the same samples."""
    function = given.group.function
    members = given.group.members
    if layer is None:
        objective = given.shared("test", members, len(inputs))
        flat, buffers = _parameters(given, given.group.rows(given.population))
        with torch.no_grad():
            parts = [
                objective.outputs(objective.views(flat), buffers, batch).movedim(1, -1)[
                    :, : batch.size
                ]
                for batch in objective.batches
            ]
        return list(torch.cat(parts, dim=1).unbind(0))
    module = given.module
    seen: list[Tensor] = []
    hook = submodule(module, layer).register_forward_hook(lambda _, __, output: seen.append(output))

    def one(state: dict[str, Tensor]) -> Tensor:
        seen.clear()
        torch.func.functional_call(module, state, (inputs,))
        if len(seen) != 1 or not isinstance(seen[0], Tensor) or len(seen[0]) != len(inputs):
            raise LandscapeError(
                f"module {layer!r} must give one tensor a pass, a row a sample; it ran "
                f"{len(seen)} times"
            )
        return seen[0]

    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # vmap knows no fused attention
            rows = given.group.rows(given.population)
            return list(torch.func.vmap(one)(unflat(rows, function.architecture)).unbind(0))
    finally:
        hook.remove()
