"""The cells of :mod:`benchmarks.trajectories`: each trains its networks and gives one table."""

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from torch import Tensor

from benchmarks.cells import Result
from benchmarks.results import SCRATCH
from graphwsl.trajectories import DriftAlarm, find_order, parentage, separate
from graphwsl.trajectories.histories import histories_by_layers, pretraining_of
from graphwsl.trajectories.shared_tensors import Networks, comparable
from graphwsl.zoo import Recipe, parents_of, train_zoo
from graphwsl.zoo.data import load_images
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.layouts.native import PRETRAINING
from graphwsl.zoo.training.chunk import Training, train_chunk
from graphwsl.zoo.training.tuning import Tuning

CNN = {"architecture": "cnn", "width": 8, "depth": 2}
MLP = {"architecture": "mlp", "width": 16, "depth": 2}
PARTS = {"all 50": (1, 51), "first 25": (1, 26), "last 25": (26, 51)}
RATE = 0.05
TUNED, PRETRAINED = 3, 10
"""Epochs of the transformers, instead of 15 and 30."""


def orders(quick: bool) -> Result:
    """Kendall's τ of shuffled checkpoints, by what a training was made with."""
    rows, summary = [], {}
    for name, paths in _trainings(quick).items():
        for part, (start, stop) in PARTS.items():
            taus, certain = [], []
            for seed, path in enumerate(paths[:, start:stop]):
                shuffled = torch.randperm(len(path), generator=torch.Generator().manual_seed(seed))
                found = find_order(path[shuffled])
                true = shuffled[found.permutation].numpy()
                taus.append(float(kendalltau(true, np.arange(len(true))).statistic))
                certain.append(found.direction.is_certain)
            forward = [tau > 0 for tau in taus]
            right = [f for f, sure in zip(forward, certain, strict=True) if sure]
            summary[f"{name}, {part}"] = taus
            rows.append(
                [
                    f"{name}, {part}",
                    str(len(taus)),
                    f"{np.mean(np.abs(taus)):.4f}",
                    f"{np.min(np.abs(taus)):.3f}",
                    f"{np.mean(taus):.4f}",
                    f"{np.mean(forward):.0%}",
                    f"{np.mean(certain):.0%}",
                    f"{np.mean(right):.0%}" if right else "",
                ]
            )
    columns = ["trainings, checkpoints", "trainings", "τ up to direction", "worst", "τ"]
    columns += ["direction right", "certain", "right where certain"]
    return {
        "title": "Order of the checkpoints of one training",
        "columns": columns,
        "rows": rows,
        "taus": summary,
    }


def separations(quick: bool) -> Result:
    """Adjusted Rand index of mixed trainings, whose number is not given."""
    rows = []
    for name, paths in _trainings(quick).items():
        for part, chosen in {"all 51": range(51), "0, 10, 50": [0, 10, 50]}.items():
            mixed = paths[:, list(chosen)]
            truth = np.repeat(np.arange(len(mixed)), mixed.shape[1])
            found = separate(mixed.flatten(0, 1)).numpy()
            index = adjusted_rand_score(truth, found)
            rows.append([f"{name}, {part}", str(len(mixed)), str(found.max() + 1), f"{index:.3f}"])
    columns = ["trainings, epochs", "trainings", "found", "adjusted Rand index"]
    return {"title": "Trainings that are mixed", "columns": columns, "rows": rows}


def parents(quick: bool) -> Result:
    """Share of right parents among networks tuned over head, optimiser, rate, decay, freezing."""
    rows = []
    for name, factors in {"mlp": MLP}.items():
        networks, truth, sizes = _tuned(factors, trunks=2 if quick else 6, quick=quick)
        tuned = truth >= 0
        trunks = (~tuned).nonzero()[:, 0].tolist()
        for given in (False, True):
            for generations in (1, None):
                found = parentage(
                    networks,
                    sizes=sizes,
                    roots=trunks if given else (),
                    generations=generations,
                )
                roots = set(found.roots) & set(trunks)
                sure = [r for r, s in zip(found.roots, found.is_certain, strict=True) if s]
                rows.append(
                    [
                        f"{name}, {'given' if given else 'found'} roots, "
                        f"{'one generation' if generations else 'any depth'}",
                        str(len(networks)),
                        f"{len(roots)} of {len(trunks)}",
                        f"{len(set(sure) & set(trunks))} of {len(sure)}",
                        f"{(found.parents == truth)[tuned].double().mean():.1%}",
                    ]
                )
    columns = ["networks", "number", "roots right", "right where certain", "parents right"]
    return {"title": "Parents of tuned networks", "columns": columns, "rows": rows}


def transformer_parents(quick: bool) -> Result:
    """The same of the zoo of vision transformers in two stages, by all that they share."""
    recipe = transformers(quick)
    folder = SCRATCH / ("transformers-quick" if quick else "transformers")
    zoo = train_zoo(recipe, folder, workers=1, resume=folder.exists()).zoo
    kinds = [
        Networks([one.name for one in some], layers, torch.stack([one.rows[-1] for one in some]))
        for layers, some in [*pretraining_of(folder), *histories_by_layers(folder)]
    ]
    (together,) = comparable(kinds)
    layers, names, networks = together.layers, together.names, together.rows
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(0)).tolist()
    names, networks = [names[n] for n in order], networks[order]
    _, of = parents_of(zoo)
    first = f"{PRETRAINING}/"
    truth = torch.tensor(
        [names.index(f"{first}{of[name].model}") if name in of else -1 for name in names]
    )
    tuned = (truth >= 0).nonzero()[:, 0]
    trunks = (truth < 0).nonzero()[:, 0].tolist()
    rows = []
    for given in (False, True):
        for generations in (1, None):
            found = parentage(
                networks,
                sizes=layers.tensor_sizes,
                roots=trunks if given else (),
                generations=generations,
            )
            # A frozen trunk is the parent's bitwise: nothing tells which of them was first, nor
            # which of them is the root.
            right = [
                bool(torch.equal(networks[child if parent < 0 else parent], networks[own]))
                for child, parent, own in zip(
                    tuned.tolist(), found.parents[tuned].tolist(), truth[tuned], strict=True
                )
            ]
            roots = [_same(networks, root, trunks) for root in found.roots]
            sure = [same for same, s in zip(roots, found.is_certain, strict=True) if s]
            rows.append(
                [
                    f"{'given' if given else 'found'} roots, "
                    f"{'one generation' if generations else 'any depth'}",
                    str(len(tuned)),
                    f"{len({one for one in roots if one is not None})} of {len(trunks)}",
                    f"{sum(one is not None for one in sure)} of {len(sure)}",
                    f"{np.mean(right):.1%}",
                ]
            )
    before = recipe.pretraining
    assert before is not None
    return {
        "title": f"Parents of transformers tuned from {len(trunks)} trunks, recipe vit_two_stage "
        f"with {recipe.epochs} epochs after {before.epochs}, by all but their heads; right is also "
        "what is bitwise the same: of a trunk and its frozen copies nothing tells which was first",
        "columns": ["", "tuned", "roots right", "right where certain", "parents right"],
        "rows": rows,
    }


def _same(networks: Tensor, network: int, trunks: list[int]) -> int | None:
    """Which of the trunks a network is bitwise, if any."""
    return next((one for one in trunks if torch.equal(networks[network], networks[one])), None)


def transformers(quick: bool) -> Recipe:
    """The recipe of the package with fewer epochs."""
    recipe = Recipe.resolve("vit_two_stage").model_dump()
    epochs, before = (1, 1) if quick else (TUNED, PRETRAINED)
    recipe |= {"epochs": epochs, "keep": (epochs,)}
    recipe["pretraining"] |= {"epochs": before, "keep": (before,)}
    if quick:
        recipe |= {"sample": 4}
        recipe["pretraining"] |= {"seeds": 1}
    return Recipe.of(recipe)


def alarms(quick: bool) -> Result:
    """Area under the curve of the step after a shift, and false alarms of normal trainings."""
    epochs, at = 12, (3, 8)
    count = 40 if quick else 200
    reference, sizes = _monitored(range(1000, 1000 + count), epochs)
    normal, _ = _monitored(range(5000, 5000 + count), epochs)
    alarm = DriftAlarm.of(reference, sizes, rate=RATE)
    usual = alarm.scores(normal).amax(-1)
    false = (usual.amax(-1) > alarm.threshold).double().mean()
    rows = [["none (false alarms)", "", "", f"{false:.1%}"]]
    for name, data in _shifts().items():
        for epoch in at:
            seeds = range(9000 + 100 * epoch, 9000 + 100 * epoch + (4 if quick else 20))
            path, _ = _monitored(seeds, epoch + 1, data, epoch)
            scores = alarm.scores(path)[:, -1].amax(-1)
            step = usual[:, epoch - 1]
            truth = np.r_[np.zeros(len(step)), np.ones(len(scores))]
            area = roc_auc_score(truth, torch.cat([step, scores]).numpy())
            seen = (scores > alarm.threshold).double().mean()
            rows.append([name, str(epoch), f"{area:.3f}", f"{seen:.0%}"])
    title = f"Alarms at the first checkpoint after a shift, for a rate of {RATE:.0%}"
    return {"title": title, "columns": ["shift", "after epoch", "AUROC", "alarms"], "rows": rows}


@cache
def _trainings(quick: bool) -> dict[str, Tensor]:
    """Trainings of 50 epochs from different seeds, rates and decays."""
    found = {}
    for optimiser, rates in {"adam": (1e-2, 3e-3, 1e-3), "sgd": (3e-2, 1e-2, 3e-3)}.items():
        configurations: list[dict[str, Any]] = [
            {**CNN, "optimiser": optimiser, "learning_rate": rate, "weight_decay": decay}
            for rate in rates
            for decay in (0.0, 1e-3)
            for _ in range(1 if quick else 2)
        ]
        seeded = [{**one, "seed": 300 + seed} for seed, one in enumerate(configurations)]
        made = train_chunk(seeded, load_images("digits"), epochs=50, batch_size=32, kept=range(51))
        found[optimiser] = torch.cat([values.flatten(2) for values in made.weights.values()], 2)
    return found


def _tuned(factors: dict[str, Any], trunks: int, quick: bool) -> tuple[Tensor, Tensor, list[int]]:
    """Trunks and networks tuned from them: weights, numbers of parents, sizes of tensors."""
    base = {**factors, "activation": "relu", "learning_rate": 3e-3}
    first = train_chunk(
        [{**base, "seed": 50 + seed} for seed in range(trunks)],
        load_images("digits"),
        epochs=10,
        batch_size=32,
        kept=[10],
    )
    begin = {name: values[:, 0] for name, values in first.weights.items()}
    names = list(begin)
    body = [name for name in names if name.rpartition(".")[0] != names[-1].rpartition(".")[0]]
    rows = [torch.cat([begin[name].flatten(1) for name in names], 1)]
    truth = [-1] * trunks
    number = 0
    data = load_images("digits_inverted")
    for new_head in (False, True):
        for optimiser, rates in {"adam": (3e-3, 1e-3, 3e-4), "sgd": (3e-2, 1e-2, 3e-3)}.items():
            for rate in rates[: 1 if quick else 3]:
                for decay in (0.0, 1e-3):
                    for frozen in (False, True):
                        number += 1
                        tuned = [
                            {
                                **base,
                                "optimiser": optimiser,
                                "learning_rate": rate,
                                "weight_decay": decay,
                                "seed": 1000 * number + seed,
                            }
                            for seed in range(trunks)
                        ]
                        weights = dict(begin)
                        if new_head:
                            fresh = Training(tuned, data, 32).weights
                            weights |= {name: fresh[name] for name in names if name not in body}
                        made = train_chunk(
                            tuned,
                            data,
                            epochs=5,
                            batch_size=32,
                            kept=[5],
                            tuning=Tuning(weights=weights, frozen=body if frozen else ()),
                        )
                        last = [made.weights[name][:, 0].flatten(1) for name in names]
                        rows.append(torch.cat(last, 1))
                        truth += range(trunks)
    sizes = [begin[name][0].numel() for name in names]
    return torch.cat(rows), torch.tensor(truth), sizes


def _monitored(
    seeds: Sequence[int], epochs: int, shifted: DataSet | None = None, at: int | None = None
) -> tuple[Tensor, list[int]]:
    """Trainings whose data are others after an epoch, optimiser and all else going on."""
    factors = {"architecture": "mlp", "width": 8, "depth": 1, "learning_rate": 3e-3}
    training = Training([{**factors, "seed": s} for s in seeds], load_images("digits"), 64)
    path = []
    for epoch in range(epochs + 1):
        if epoch:
            training.train_epoch(epoch)
        path.append(torch.cat([values.flatten(1) for values in training.weights.values()], 1))
        if epoch == at and shifted is not None:
            training.data = shifted
            training.train_labels = shifted.train_labels.expand(len(seeds), -1)
    tensors = [values[0].numel() for values in training.weights.values()]
    return torch.stack(path, 1), [sum(pair) for pair in zip(*[iter(tensors)] * 2, strict=True)]


def _shifts() -> dict[str, DataSet]:
    data, inverted = load_images("digits"), load_images("digits_inverted")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(data.train.shape, generator=generator)
    few = data.train_labels < 5
    again = torch.arange(len(data.train)) % int(few.sum())
    tenth = torch.rand(len(data.train), 1, 1, 1, generator=generator) < 0.1
    change = dataclasses.replace
    return {
        "negatives": inverted,
        "quarter turn": load_images("digits_rotated"),
        "noise of one deviation": change(data, train=data.train + noise),
        "classes 0 to 4 alone": change(
            data, train=data.train[few][again], train_labels=data.train_labels[few][again]
        ),
        "labels one further": change(data, train_labels=(data.train_labels + 1) % 10),
        "a tenth negatives": change(data, train=torch.where(tenth, inverted.train, data.train)),
    }
