"""Samplers sample: independent dimensions are so, bandwidths are likely, the best is kept."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm
from sklearn.neighbors import KernelDensity as SklearnDensity
from torch import Tensor

from graphwsl.errors import GeneratorError, GraphwslError
from graphwsl.generators.latent import (
    SAMPLERS,
    KernelDensity,
    Neighbourhood,
    PublishedKDE,
    Sampler,
    Uniform,
    accuracy_of,
    best,
    bootstrap,
    generate,
    make_sampler,
    register_sampler,
    subsample,
)
from graphwsl.populations import evaluate
from tests.graphwsl.generators.generator_cases import zoo_case


def latents(networks: int = 30, *shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(networks, *(shape or (200,)), generator=generator)


def drawn(sampler: Sampler, known: Tensor, count: int) -> Tensor:
    return sampler.fit(known).draw(count, torch.Generator().manual_seed(1))


def dependence(known: Tensor, found: Tensor) -> float:
    """How much of what is drawn stays at one network: near 1 if one is the anchor of everything.

    The share of dimensions of each draw whose nearest known latent is that of the network which it
    is most often; chance gives about one in the number of networks.
    """
    anchor = (found[:, None] - known[None]).abs().argmin(dim=1)
    most = anchor.mode(dim=1, keepdim=True).values
    return float((anchor == most).double().mean())


def test_dimensions_are_drawn_independently_and_the_published_ones_are_not() -> None:
    known = latents()
    real = drawn(KernelDensity(bandwidth=0.002), known, 40)
    published = drawn(PublishedKDE(0.002), known, 40)
    assert dependence(known, real) < 0.15
    assert dependence(known, published) > 0.6
    # What independent dimensions have in common is nothing; the published residual is one number.
    assert float(torch.cdist(real, known).min()) > 10
    nearest = torch.cdist(published, known).argmin(dim=1)
    residual = published - known[nearest]
    assert float(residual.std(dim=1).max()) < 1e-6
    assert float(residual.norm(dim=1).max()) < 0.2


def test_draws_have_no_correlation_that_the_estimate_has_not() -> None:
    common = latents(50, 1)
    known = common.repeat(1, 4)  # perfectly correlated
    apart = torch.corrcoef(drawn(KernelDensity(bandwidth=0.1), known, 4000).T)
    together = torch.corrcoef(drawn(KernelDensity("network", 0.1), known, 4000).T)
    off = ~torch.eye(4, dtype=torch.bool)
    assert float(apart[off].abs().max()) < 0.06
    assert float(together[off].min()) > 0.95
    # Noise is independent of dimension in any case: 1 / (1 + h²).
    assert float(together[off].mean()) == pytest.approx(1 / 1.01, abs=0.01)


def test_tokens_are_drawn_as_a_whole() -> None:
    known = latents(20, 3, 5)
    found = drawn(KernelDensity("token", 1e-4), known, 30)
    assert found.shape == (30, 3, 5)
    for token in range(3):
        assert float(torch.cdist(found[:, token], known[:, token]).amin(1).max()) < 0.01
    anchors = torch.stack([torch.cdist(found[:, t], known[:, t]).argmin(1) for t in range(3)])
    assert float((anchors[0] == anchors[1]).double().mean()) < 0.4


def test_marginals_are_those_of_the_estimate() -> None:
    known, bandwidth = latents(12, 2), 0.3
    found = drawn(KernelDensity(bandwidth=bandwidth), known, 3000)
    for dimension in range(2):
        anchors = known[:, dimension].double().numpy()
        width = bandwidth * anchors.std()

        def distribution(x: np.ndarray, a: np.ndarray = anchors, w: float = width) -> np.ndarray:
            return norm.cdf((x[:, None] - a) / w).mean(1)

        assert kstest(found[:, dimension].numpy(), distribution).pvalue > 1e-3


def test_the_likely_bandwidth_is_that_of_scikit_learn() -> None:
    known = latents(40, 3)
    sampler = KernelDensity("network").fit(known)
    units = (known / known.std(0, correction=0)).double().numpy()
    fold = np.arange(40) % 5
    scores = {}
    for bandwidth in [2.0**power for power in range(-8, 2)]:
        scores[bandwidth] = sum(
            SklearnDensity(bandwidth=bandwidth).fit(units[fold != n]).score(units[fold == n])
            for n in range(5)
        )
    best_of = max(scores, key=scores.__getitem__)
    assert sampler.report["bandwidth"] == best_of
    assert sampler.report["log_likelihood"] == pytest.approx(scores[best_of] / 120, rel=1e-4)


def test_smooth_latents_take_a_wide_kernel_and_repeated_ones_a_narrow_one() -> None:
    smooth = KernelDensity().fit(latents(200, 3)).report["bandwidth"]
    few = torch.tensor([[-1.0], [0.0], [1.0]]).repeat(30, 3)
    assert KernelDensity().fit(few).report["bandwidth"] < 0.01 < 0.2 < smooth


def test_what_does_not_vary_stays() -> None:
    known = torch.ones(5, 4)
    assert torch.equal(drawn(KernelDensity(), known, 3), torch.ones(3, 4))
    mixed = torch.cat([latents(50, 2), torch.full((50, 1), 3.0)], dim=1)
    sampler = KernelDensity().fit(mixed)
    assert sampler.report["bandwidth"] == KernelDensity().fit(mixed[:, :2]).report["bandwidth"]
    assert bool((sampler.draw(9)[:, 2] == 3).all())


def test_uniform_draws_fill_their_bounds() -> None:
    known = latents(20, 3)
    found = drawn(Uniform(), known, 2000)
    low, high = known.amin(0), known.amax(0)
    assert bool(((found >= low) & (found <= high)).all())
    for dimension in range(3):
        width = float(high[dimension] - low[dimension])
        assert kstest((found - low)[:, dimension].numpy() / width, "uniform").pvalue > 1e-3
    published = drawn(Uniform(-1, 1), known, 2000)
    assert float(published.abs().max()) <= 1
    assert float(published.std()) == pytest.approx(1 / math.sqrt(3), rel=0.05)


def test_neighbourhoods_lie_between_neighbours() -> None:
    generator = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.rand(300, generator=generator)
    ring = torch.stack([angle.cos(), angle.sin()], dim=1)
    found = drawn(Neighbourhood(neighbours=3), ring, 500)
    radius = found.norm(dim=1)
    assert float(radius.min()) > 0.9  # a hull or an average of all would fill the ring
    assert float(radius.max()) <= 1 + 1e-6
    assert float(torch.cdist(found, ring).amin(1).max()) > 0


def test_umap_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(GeneratorError, match="umap-learn: pip install"):
        Neighbourhood("umap")


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_all_samplers_keep_shapes_and_seeds(name: str, shape: tuple[int, ...]) -> None:
    known = latents(10, *shape)
    one, two = (drawn(make_sampler(name), known, 4) for _ in range(2))
    assert one.shape == (4, *shape)
    assert torch.equal(one, two)
    other = make_sampler(name).fit(known).draw(4, torch.Generator().manual_seed(2))
    assert not torch.equal(one, other)
    assert not torch.cdist(one.flatten(1), known.flatten(1)).amin(1).eq(0).any()


def test_networks_are_named_by_sampler_and_number() -> None:
    case = zoo_case()
    known = torch.stack(case.train.states)
    found = generate("kernel_density", known, lambda z: z, case.function, count=300, bandwidth=0.1)
    assert len(found) == 300
    assert found.checkpoints[7].model == "kernel_density-00007"
    expected = drawn_with(known, 300)
    assert torch.equal(torch.stack(found.states), expected)
    assert bool(evaluate(found.select(range(3)), case.inputs, case.labels).is_finite.all())


def drawn_with(known: Tensor, count: int) -> Tensor:
    sampler = KernelDensity(bandwidth=0.1).fit(known)
    return sampler.draw(count, torch.Generator().manual_seed(0))


def test_the_best_thirty_percent() -> None:
    quality = torch.tensor([0.1, 0.9, torch.nan, 0.5, 0.7, 0.2, 0.3, 0.4, 0.6, 0.0])
    known = torch.arange(10.0)[:, None]
    assert best(known, quality)[:, 0].tolist() == [1, 4, 8]
    assert best(known, quality, 0.01)[:, 0].tolist() == [1]
    assert best(known, quality, 1.0)[-1, 0] == 2
    for share in (0, 1.5):
        with pytest.raises(GeneratorError, match="at most 1"):
            best(known, quality, share)
    with pytest.raises(GeneratorError, match="got 9 for 10"):
        best(known, quality[1:])


def test_subsampling_keeps_the_best_in_order() -> None:
    case = zoo_case()
    accuracy = evaluate(case.others, case.inputs, case.labels).accuracy
    kept = subsample(case.others, case.inputs, case.labels, keep=4)
    found = evaluate(kept, case.inputs, case.labels).accuracy
    assert torch.equal(found, accuracy.sort(descending=True).values[:4])
    with pytest.raises(GeneratorError, match="cannot keep 11 of 10"):
        subsample(case.others, case.inputs, case.labels, keep=11)


def test_bootstrapping_keeps_the_best_of_all_rounds() -> None:
    seen: list[Tensor] = []

    def quality(rows: Tensor) -> Tensor:
        seen.append(rows)
        return -rows.square().sum(dim=1)

    start = 3 + latents(10, 2)
    options = {"draws": 20, "keep": 5}
    found = bootstrap(
        KernelDensity(bandwidth=0.5), start, lambda z: 2 * z, quality, rounds=6,
        generator=torch.Generator().manual_seed(0), **options,
    )  # fmt: skip
    everything = torch.cat(seen)
    order = everything.square().sum(dim=1).argsort()
    assert torch.equal(2 * found, everything[order[:5]])
    worst = [float(part.square().sum(1).median()) for part in seen]
    assert worst[-1] < worst[0] / 2
    with pytest.raises(GeneratorError, match="keep from 2 to 20"):
        bootstrap(KernelDensity(), start, lambda z: z, quality, draws=20, keep=1)


def test_quality_is_accuracy() -> None:
    case = zoo_case()
    quality = accuracy_of(case.function, case.inputs, case.labels)
    expected = evaluate(case.others, case.inputs, case.labels).accuracy
    assert torch.equal(quality(torch.stack(case.others.states)), expected)


def test_samplers_of_ones_own() -> None:
    class Mean(Sampler):
        name = "mean_of_a_test"

        def _fit(self, latents: Tensor) -> None:
            self.mean = latents.mean(0)

        def _draw(self, count: int, generator: torch.Generator | None) -> Tensor:
            return self.mean.repeat(count, 1)

    register_sampler(Mean)
    try:
        found = drawn(make_sampler("mean_of_a_test"), latents(4, 3), 2)
        torch.testing.assert_close(found[1], latents(4, 3).mean(0))
    finally:
        del SAMPLERS["mean_of_a_test"]


def test_what_cannot_be_sampled_is_said_in_one_line() -> None:
    case = zoo_case()
    known = latents(5, 3)
    attempts = [
        (lambda: make_sampler("kernel_densty"), "did you mean 'kernel_density'"),
        (lambda: make_sampler("uniform", width=3), "cannot take {'width': 3}"),
        (lambda: Uniform(1, 0), "ascending"),
        (lambda: Uniform(low=0), "two numbers"),
        (lambda: KernelDensity(bandwidth=0), "positive"),
        (lambda: KernelDensity("layer"), "choose dimension, token or network"),
        (lambda: Neighbourhood("sphere"), "choose neighbours or umap"),
        (lambda: KernelDensity("token").fit(known), "draw a dimension or a network"),
        (lambda: KernelDensity().fit(known[:1]), "at least 2 networks, got 1"),
        (lambda: KernelDensity().fit(known * torch.nan), "must be finite"),
        (lambda: KernelDensity().fit(known[0]), r"got \(3,\)"),
        (lambda: KernelDensity().draw(3), "call fit first"),
        (lambda: KernelDensity().fit(known).draw(0), "count must be at least 1"),
        (lambda: generate("uniform", known, lambda z: z, case.function), "numbers each"),
        (lambda: generate("uniform", known, lambda z: z[0], case.function), "a row of numbers"),
        (lambda: generate(Uniform(), known, lambda z: z, case.function, low=1), "no options"),
    ]
    for attempt, message in attempts:
        with pytest.raises(GraphwslError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # of the package
def test_the_published_manifold_draws_where_networks_are() -> None:
    pytest.importorskip("umap")
    latents = torch.randn(40, 12, generator=torch.Generator().manual_seed(0)) + 5
    drawn = make_sampler("neighbourhood", manifold="umap").fit(latents).draw(6)
    assert drawn.shape == (6, 12)
    assert bool((torch.cdist(drawn, latents).amin(1) < latents.norm(dim=1).min()).all())
