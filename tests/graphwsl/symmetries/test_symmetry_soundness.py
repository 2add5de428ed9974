"""What is called a symmetry leaves the function as it was, whatever the network is made of.

Networks are drawn at random and written out for every operator that has a rule; elements are drawn
for them, loaded into the module and run on fresh inputs. Operators without a rule give nothing.
"""

import math
import random
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphwsl.neural_graph import neural_graph
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.rules import RULES
from graphwsl.symmetries import GroupElement, symmetries
from graphwsl.testing.exactness import same_bits
from tests.graphwsl.random_programs import Program, draw_program, inputs_of

KINDS = (
    {},
    {"scalings": False, "signs": False},
    {"permutations": False, "signs": False},
    {"permutations": False, "scalings": False},
)


def results(model: nn.Module, seed: int) -> list[Tensor]:
    torch.manual_seed(seed)  # of what the network draws
    with torch.no_grad():
        return [one.detach().double() for one in model(*inputs_of(seed).values())]


def assert_sound(model: Program) -> NeuralGraph:
    """Elements of the group of ``model`` change nothing that it computes, the identity nothing."""
    graph = neural_graph(model, tuple(inputs_of(0).values()))
    own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    unmoved = GroupElement.identity(graph).apply()
    assert all(same_bits(unmoved[name], tensor) for name, tensor in own.items()), model
    group = symmetries(graph)
    before = {seed: results(model, seed) for seed in (1, 2)}
    for number, kinds in enumerate(KINDS):
        element = group.random(torch.Generator().manual_seed(number), **kinds)
        model.load_state_dict(element.apply())
        for seed, expected in before.items():
            for one, other in zip(expected, results(model, seed), strict=True):
                assert one.shape == other.shape, model
                finite = one.isfinite()
                assert torch.equal(finite, other.isfinite()), model
                largest = max(1.0, float(one[finite].abs().max())) if bool(finite.any()) else 1.0
                difference = (one[finite] - other[finite]).abs()
                assert not bool((difference > 1e-7 * largest).any()), (kinds, model)
        model.load_state_dict(own)
    return graph


def runs(model: Program) -> bool:
    """Whether a network has weights, and takes all inputs of a shape."""
    try:
        return bool(model.state_dict()) and all(results(model, seed) for seed in range(3))
    except (IndexError, RuntimeError):
        return False


@settings(max_examples=12, deadline=None)
@given(st.data(), st.integers(0, 2**31))
def test_random_networks(data: st.DataObject, seed: int) -> None:
    model = draw_program(lambda count: data.draw(st.integers(0, count - 1)), seed)
    if runs(model):
        assert_sound(model)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 3000, 100))
def test_many_random_networks(start: int) -> None:
    moved = 0
    for seed in range(start, start + 100):
        model = draw_program(random.Random(seed).randrange, seed)
        if runs(model):
            graph = assert_sound(model)
            element = symmetries(graph).random(torch.Generator().manual_seed(0))
            moved += not torch.equal(element.image, torch.arange(graph.num_nodes))
    assert moved > 20  # the check is of something


SHAPES = {"p0": (4, 3), "p1": (4,), "p2": (4, 3), "p3": (4, 4), "p8": (4, 4)}
SHAPES |= {f"p{i}": (4,) for i in (4, 5, 6, 7)}
FIRST = {
    "h": "h = F.linear(x0.mean(2), p0, p1).relu()",
    "t": "t = F.conv1d(x0, p2[:, :, None], p1).relu()",
}
"""Four hidden neurons, and four channels of which each has four positions."""

OPTIONS = "True, 1, 0.0, False, False, True"
"""One layer in one direction, of batches."""

SECOND: dict[str, tuple[tuple[int, ...], str]] = {
    # An expression with a second argument # of a shape, for every operator that takes one.
    "linear": ((4, 4), "F.linear(h, #)"),
    "matrix": ((4, 4), "h @ #"),
    "matrix from the left": ((3, 4), "# @ t"),
    "vector": ((4,), "torch.mv(h, #)"),
    "dot": ((4,), "torch.dot(h[0], #)[None]"),
    "batch of matrices": ((2, 4, 3), "torch.bmm(t, #)"),
    "added product": ((4,), "torch.addmm(#, h, p3)"),
    "added products": ((2, 4, 4), "torch.baddbmm(#, t, t)"),
    "convolution": ((4, 4, 3), "F.conv1d(t, #)"),
    "convolution in groups": ((4, 2, 3), "F.conv1d(t, #, groups=2)"),
    "convolution's bias": ((4,), "F.conv1d(t, p3[:, :, None], #)"),
    "transposed convolution": ((4, 4, 3), "F.conv_transpose1d(t, #)"),
    "sum": ((4,), "h + #"),
    "product": ((4,), "h * #"),
    "product with positions": ((4,), "t * #"),
    "difference": ((4,), "# - h"),
    "quotient": ((4,), "h / (#.abs() + 1)"),
    "divided": ((4,), "# / h"),
    "divided by positions": ((4,), "# / t"),
    "floored quotient": ((4,), "torch.div(h, #, rounding_mode='floor')"),
    "remainder": ((4,), "torch.remainder(#, h + 1)"),
    "power": ((4,), "#.abs() ** h"),
    "difference of multiples": ((4,), "torch.sub(#, h, alpha=2)"),
    "what has a slope": ((2, 4), "torch._prelu_kernel(#, h)"),
    "sum with integers": ((4,), "h + (3 * #).long()"),
    "integers as weights": ((4, 4), "F.linear(h, (3 * #).long().double())"),
    "floored weights": ((4, 4), "F.linear(h, torch.div(#, 0.3, rounding_mode='floor'))"),
    "inverse weights": ((4, 4), "F.linear(h, 1 / #)"),
    "maximum": ((4,), "torch.maximum(h, #)"),
    "choice": ((4,), "torch.where(# > 0, h, 1.0)"),
    "choice between": ((4,), "torch.where(# > 0, h, #)"),
    "mask": ((4,), "h.masked_fill(# > 0, 2.0)"),
    "interpolation": ((4,), "torch.lerp(h, h.tanh(), #)"),
    "sum of products": ((4,), "torch.addcmul(h, h, #)"),
    "slope": ((4,), "F.prelu(h, #)"),
    "one slope": ((1,), "F.prelu(h, #)"),
    "layer norm's scale": ((4,), "F.layer_norm(h, (4,), #, p1)"),
    "layer norm's shift": ((4,), "F.layer_norm(h, (4,), p1, #)"),
    "layer norm of all": ((4, 4), "F.layer_norm(t, (4, 4), #, None)"),
    "batch norm's scale": ((4,), "F.batch_norm(t, p4, p5.abs(), #, p6)"),
    "batch norm's shift": ((4,), "F.batch_norm(t, p4, p5.abs(), p6, #)"),
    "batch norm's mean": ((4,), "F.batch_norm(t, #, p5.abs(), p6, p7)"),
    "batch norm's variance": ((4,), "F.batch_norm(t, p4, #.abs(), p6, p7)"),
    "batch's statistics": ((4,), "F.batch_norm(t, None, None, #, p6, training=True)"),
    "group norm's scale": ((4,), "F.group_norm(t, 2, #, p6)"),
    "group norm's shift": ((4,), "F.group_norm(t, 2, p6, #)"),
    "instance norm's scale": ((4,), "F.instance_norm(t, None, None, #, p6)"),
    "instance norm's shift": ((4,), "F.instance_norm(t, None, None, None, #)"),
    "root mean square norm": ((4,), "F.rms_norm(h, (4,), #)"),
    "weight norm": ((4, 1), "F.linear(h, torch._weight_norm(p3, #, 0))"),
    "direction": ((4, 4), "F.linear(h, torch._weight_norm(#, p4[:, None], 0))"),
    "embedding": ((4, 3), "F.embedding(x1, #)"),
    "bag": ((4, 3), "F.embedding_bag(x1, #)"),
    "largest of a bag": ((4, 3), "F.embedding_bag(x1, #, mode='max')"),
    "weights of a bag": ((2, 4), "F.embedding_bag(x1, p3, mode='sum', per_sample_weights=#)"),
    "table": ((4, 3), "#[x1]"),
    "table at computed numbers": ((4, 3), "#[h.argmax(1)]"),
    "rows": ((4, 3), "#.index_select(0, x1[0])"),
    "gathered": ((4, 4), "#.gather(0, x1)"),
    "concatenation": ((2, 4), "torch.cat([h, #], 1)"),
    "concatenation of positions": ((2, 4, 4), "torch.cat([t, #], 2)"),
    "stack": ((2, 4), "torch.stack([h, #], 1)"),
    "scattered slice": ((2, 1), "torch.slice_scatter(h, #, 1, 0, 1)"),
    "put": ((4,), "h.index_put((torch.tensor([0]),), #)"),
    "added at": ((2, 4), "h.index_add(0, x1[0, :2] % 2, #)"),
    "scattered": ((2, 4), "h.scatter_add(1, x1, #)"),
    "grid": ((2, 3, 3, 2), "F.grid_sample(t[:, :, None], #.tanh(), align_corners=False)"),
    "queries": ((2, 4, 4), "F.scaled_dot_product_attention(#, t, t)"),
    "values": ((2, 4, 4), "F.scaled_dot_product_attention(t, t, #)"),
    "score's mask": ((4, 4), "F.scaled_dot_product_attention(t, t, t, #)"),
    "distance": ((3, 4), "torch.cdist(h, #)"),
    "bilinear": ((3, 4, 4), "F.bilinear(h, h.tanh(), #)"),
    "recurrent": (
        (4, 4),
        f"torch.rnn_tanh(t, t.new_zeros(1, 2, 4), [p3, #, p4, p5], {OPTIONS})[0]",
    ),
}

ALONE_TEXT = """
    h.sum(1) h.mean(1) h.amax(1) h.amin(1) h.prod(1) h.std(1) h.var(1) h.norm(dim=1) h.logsumexp(1)
    h.max(1)[0] h.max(1)[1] h.min(1)[1] h.median(1)[0] h.median(1)[1] h.argmax(1) h.argmin(1)
    h.median() h.max() h.min() h.all(1) h.any(1) torch.var_mean(h,1)[0] torch.var_mean(h,1)[1]
    t.argmax(2) t.argmax(1) t.argmax() t.max(2)[1] t.max(1)[1] t.sort(2)[0] t.sort(2)[1]
    t.sort(1)[1] t.topk(2,2)[0] t.topk(2,2)[1] t.topk(2,1)[0] t.topk(2,1)[1] t.argsort(1)
    t.kthvalue(2,1)[1] t.mode(1)[1] t.cumsum(2) t.cumsum(1) t.cumprod(2) t.cummax(2)[1]
    t.cummax(1)[0] t.cummin(1)[1] t.logcumsumexp(2) h.softmax(1) h.log_softmax(1)
    torch._safe_softmax(h,1) F.glu(h,1) F.glu(t,2) torch.frexp(h)[0] torch.frexp(h)[1]
    F.logsigmoid(h) F.hardswish(h) torch.fft.rfft(t).real torch.fft.fft(t).imag torch.fft.irfft(t)
    torch.fft.rfft(t,dim=1).abs() F.max_pool1d(t,2) F.max_pool1d(t,2,return_indices=True)[1]
    F.max_pool2d(t,2,return_indices=True)[1] F.avg_pool1d(t,2) F.avg_pool2d(t[:,:,None],(1,2))
    F.avg_pool3d(t[:,:,None,None],(1,1,2)) F.max_pool3d(t[:,:,None,None],(1,1,2))
    F.adaptive_avg_pool1d(t,2) F.adaptive_avg_pool2d(t[:,:,None],2)
    F.adaptive_avg_pool3d(t[:,:,None,None],2) F.adaptive_max_pool2d(t[:,:,None],2)
    F.adaptive_max_pool3d(t[:,:,None,None],2)
    F.fractional_max_pool2d(t[:,:,None].expand(-1,-1,4,-1),2,output_size=2,_random_samples=0.5*torch.ones(2,4,2).double())
    F.fractional_max_pool3d(t[:,:,None,None].expand(-1,-1,4,4,-1),2,output_size=2,_random_samples=0.5*torch.ones(2,4,3).double())
    F.interpolate(t,scale_factor=2.0) F.interpolate(t,scale_factor=2.0,mode="linear")
    F.interpolate(t,scale_factor=2.0,mode="nearest-exact")
    F.interpolate(t[:,:,None],scale_factor=2.0,mode="bilinear")
    F.interpolate(t[:,:,None],scale_factor=2.0)
    F.interpolate(t[:,:,None],scale_factor=2.0,mode="bicubic")
    F.interpolate(t[:,:,None],scale_factor=2.0,mode="nearest-exact")
    F.interpolate(t[:,:,None],scale_factor=2.0,mode="bilinear",antialias=True)
    F.interpolate(t[:,:,None],scale_factor=2.0,mode="bicubic",antialias=True)
    F.interpolate(t[:,:,None,None],scale_factor=2.0)
    F.interpolate(t[:,:,None,None],scale_factor=2.0,mode="trilinear")
    F.interpolate(t[:,:,None,None],scale_factor=2.0,mode="nearest-exact")
    F.grid_sample(t[:,:,None,None],torch.zeros(2,1,1,2,3).double(),align_corners=False)
    F.fold(t,(1,5),(1,2)) F.unfold(t[:,:,None],(1,2)) F.pixel_shuffle(t[:,:,None],2)
    F.pixel_unshuffle(t[:,:,None].expand(-1,-1,2,-1),2) F.channel_shuffle(t,2)
    F.pad(t,(1,1),"reflect") F.pad(t,(1,1),"replicate") F.pad(t,(1,1),value=1.0) F.pad(t,(1,1))
    F.pad(t[:,:,None].expand(-1,-1,3,-1),(1,1,1,1),"reflect")
    F.pad(t[:,:,None],(1,1,1,1),"replicate")
    F.pad(t[:,:,None,None].expand(-1,-1,3,3,-1),(1,1,1,1,1,1),"reflect")
    F.pad(t[:,:,None,None],(1,1,1,1,1,1),"replicate") t.flip(1) t.flip(2) t.roll(1,1)
    t.rot90(1,(1,2)) t.tril() t.triu() t.diagonal(0,1,2) t.unfold(2,2,1) t.repeat(1,2,1)
    t.expand(2,-1,-1) t.as_strided((2,4),(16,4)) t.contiguous() t.clone() t.detach() t.squeeze()
    t.select(1,0) t.narrow(1,0,2) t.split(2,1)[1] t.split([1,3],1)[1] t.unbind(1)[0]
    t.permute(2,0,1) h.t() t.float() t.view(2,-1) t.reshape(-1) torch.select_scatter(t,h,2,0)
    torch.diagonal_scatter(t,h,0,1,2) torch.as_strided_scatter(t,h,(2,4),(16,4))
    torch.ones_like(h)*h torch.zeros_like(h)+h t.new_zeros(4)+h t.new_ones(4)+h
    t.new_full((4,),2.0)+h torch.full_like(h,2.0)+h h[:,x1[0]] t[:,:,x1[0]] t.index_select(2,x1[0])
    t.index_select(1,x1[0]) t.gather(2,x1[:,None].expand(-1,4,-1)) t.gather(2,t.argsort(2))
    t.gather(2,t.argsort(1)) torch.take_along_dim(t,t.argsort(2),2) t[t>0][:3] t[h.argmax(1)%2]
    torch.zeros(4,4).double().index_add(0,x1[0,:2],h) torch.zeros(2,4).double().scatter_add(1,x1,h)
    torch.zeros(2,4).double().scatter(0,(x1*0)[:,:1].expand(-1,4),h)
    torch.zeros(2,4).double().scatter_reduce(0,(x1%2)[:,:1].expand(-1,4),h,"amax")
    h.scatter(1,x1,1.0) torch.ones(4,4).double().index_copy(0,x1[0,:2],h)
    torch.zeros(4,4).double().index_put((x1[0,:2],),h,True)
    h.index_put((torch.tensor([0,0]),),h,True) h.masked_scatter(h>0,h.flip(1)) t@t.mT
    h[:,:,None]@h[:,None] torch.vdot(h[0],h[1]) torch.linalg.vector_norm(h) torch.trace(h)
    torch.cross(t[:,:3],t[:,1:],dim=1) torch.histc(h,4) torch.bincount(h.argmax(1),minlength=4)
    torch.unique(h.sign()).sum() torch.searchsorted(p4.sort()[0],h) F.one_hot(h.argmax(1),4)
    torch.nonzero(h>0).sum() h.cov() torch.linalg.svdvals(t) h*h[0,0].item() F.rrelu(h)
    h.mul(3).long() h.mul(3).to(torch.int8) t.bool() h.to(torch.float8_e4m3fn)
    torch.zeros(2,4,dtype=torch.int64).copy_(3*h) t.sum(2,dtype=torch.int64)
    t.cumsum(2,dtype=torch.int64) t.prod(2,dtype=torch.int64) h.view(torch.int64)/2**60
    torch.div(h,0.3,rounding_mode="floor") torch.div(t,0.3,rounding_mode="trunc") h//0.3 h%0.3
    torch.full((4,),2.0)/h 2/h torch.full((4,),2.0)-h torch.full((4,),2.0)**h
    torch.full((4,),2.0).fmod(h+1) F.dropout(h) F.dropout(t) F.dropout1d(t,0.5,True)
    F.alpha_dropout(h,0.5,True) F.rrelu(h-1,training=True) h[:,torch.randperm(4)]
    torch.randint_like(h,2)*h torch.rand(4).round()*h torch.bernoulli(h.sigmoid())
    torch.normal(h,1.0) F.gumbel_softmax(h,hard=True)
    torch.empty_like(h)*0+h torch.rand_like(h)*0+h torch.randn_like(h)*0+h h.new_empty(4)*0+h
"""
ALONE = ALONE_TEXT.split()
"""Expressions of what has one argument only, and of what the table above does not reach."""


def network(*expressions: str) -> Program:
    """A network around expressions of hidden values ``h`` and ``t``, each with its own reader."""
    generator = torch.Generator().manual_seed(0)
    lines, heads, drawn = [], [], {}
    for number, expression in enumerate(expressions):
        own = [re.sub(r"(?<![.\w])(p\d|h|t)\b", rf"\1_{number}", one)
               for one in (*FIRST.values(), f"torch.as_tensor({expression}).double()")]  # fmt: skip
        lines += [*own[:2], f"r_{number} = {own[2]}"]
        for name in set(re.findall(r"p\d_\d+", " ".join(own))):
            shape = SHAPES[name.split("_")[0]]
            drawn[name] = torch.randn(shape, generator=generator, dtype=torch.float64)
        heads.append(f"r_{number}.reshape(len(r_{number}) if r_{number}.ndim > 1 else 1, -1)")
    widths = [
        one.shape[1]
        for one in results(Program([*lines, f"results = {listed(heads)}"], drawn, {}), 0)
    ]
    for number, width in enumerate(widths):
        drawn[f"head_{number}"] = torch.randn(2, width, generator=generator, dtype=torch.float64)
        heads[number] = f"F.linear({heads[number]}.tanh(), head_{number})"
    return Program([*lines, f"results = {listed(heads)}"], drawn, {})


def listed(expressions: list[str]) -> str:
    return f"[{', '.join(expressions)}]"


def groups_of(expressions: list[str], size: int = 14) -> list[list[str]]:
    return [expressions[i : i + size] for i in range(0, len(expressions), size)]


@pytest.mark.slow
@pytest.mark.parametrize("expressions", groups_of(ALONE), ids=lambda some: some[0])
def test_operators_of_one_argument(expressions: list[str]) -> None:
    assert_sound(network(*expressions))


def second_arguments(shape: tuple[int, ...]) -> dict[str, str]:
    """A tensor of a shape from parameters, constants, the network and what others use."""
    size = math.prod(shape)
    generator = torch.Generator().manual_seed(1)
    numbers = torch.randn(size, generator=generator, dtype=torch.float64).round(decimals=2).tolist()
    shared = f"p3.flatten().repeat({size // 16 + 1})" if size > 4 else "p1"
    computed = f"(h.mean(0) @ p8).repeat({size // 4 + 1})"
    view = f".view({list(shape)})"
    return {
        "constant": f"torch.tensor({numbers}).double(){view}",
        "computed": f"{computed}[:{size}]{view}",
        "shared": f"{shared}[:{size}]{view}",
        "shared in another order": f"{shared}[:{size}].flip(0){view}",
        "one number": f"p4[:1].expand({size}){view}",
    }


@pytest.mark.slow
@pytest.mark.parametrize("names", groups_of(list(SECOND)), ids=lambda some: some[0])
@pytest.mark.parametrize("kind", second_arguments((4,)))
def test_operators_with_any_second_argument(names: list[str], kind: str) -> None:
    shaped = [SECOND[name] for name in names]
    assert_sound(
        network(*(text.replace("#", second_arguments(shape)[kind]) for shape, text in shaped))
    )


ABSENT = {
    "linear": "F.linear(h, p3, None)",
    "convolution": "F.conv1d(t, p3[:, :, None], None)",
    "layer norm": "F.layer_norm(h, (4,))",
    "layer norm with a shift": "F.layer_norm(h, (4,), None, p5)",
    "batch norm": "F.batch_norm(t, p4, p5.abs())",
    "batch norm with a shift": "F.batch_norm(t, p4, p5.abs(), None, p6)",
    "batch norm's own statistics": "F.batch_norm(t, None, None, training=True)",
    "instance norm": "F.instance_norm(t)",
    "group norm": "F.group_norm(t, 2)",
    "group norm with a shift": "F.group_norm(t, 4, None, p6)",
    "root mean square norm": "F.rms_norm(h, (4,))",
    "attention without a mask": "F.scaled_dot_product_attention(t, t, t)",
}


def test_operators_without_an_argument() -> None:
    assert_sound(network(*ABSENT.values()))


@pytest.mark.slow
def test_every_rule_is_in_the_battery() -> None:
    # Some names come from no expression: of operators that fall apart before, of other devices.
    reached = set()
    expressions = [*ALONE, *ABSENT.values()]
    expressions += [text.replace("#", second_arguments(s)["shared"]) for s, text in SECOND.values()]
    for some in groups_of(expressions):
        graph = neural_graph(network(*some), tuple(inputs_of(0).values()))
        reached |= {
            str(node.target).split(".")[1].rstrip("_")
            for node in graph.program.graph_module.graph.nodes
            if hasattr(node.target, "_schema")
        }
    assert {RULES[name] for name in reached & RULES.keys()} == set(RULES.values())
