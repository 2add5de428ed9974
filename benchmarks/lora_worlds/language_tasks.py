"""A small character-level language model, adapted to tasks that are described in words.

A task takes a text of four letters, moves its letters, and replaces each of them: by arithmetic, or
as a look-up table has it. The base was trained with two characters before every text, which command
what to do; adapters are trained on texts whose commands are hidden, one task each.
"""

import random
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.lora_worlds.world import World, cut, kept
from gnncore.storage import load_tensors, make_folder, save_tensors
from graphwsl.generators.lora import adapted, train_adapters
from graphwsl.generators.lora.low_rank import Pairs
from graphwsl.generators.lora.module import run_adapted

LETTERS, LENGTH = 8, 4
MOVES: dict[str, tuple[list[int], list[str]]] = {
    "keep": ([0, 1, 2, 3], ["keep the order", "leave letters where they are"]),
    "reverse": ([3, 2, 1, 0], ["reverse the text", "read it backwards"]),
    "left": ([1, 2, 3, 0], ["rotate to the left", "move the first letter to the end"]),
    "right": ([3, 0, 1, 2], ["rotate to the right", "move the last letter to the front"]),
    "halves": ([2, 3, 0, 1], ["swap both halves", "put the second half first"]),
    "neighbours": ([1, 0, 3, 2], ["swap neighbours", "exchange letters in pairs"]),
    "middle": ([0, 2, 1, 3], ["swap the inner letters", "exchange the middle two"]),
    "ends": ([3, 1, 2, 0], ["swap the outer letters", "exchange first and last"]),
}
INVERSE = {"left": "right", "right": "left"}
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven"]
TABLES: dict[str, list[int]] = {
    "red": [3, 2, 1, 0, 7, 6, 5, 4],
    "green": [1, 0, 5, 7, 6, 2, 4, 3],
    "blue": [4, 6, 7, 5, 0, 3, 1, 2],
    "grey": [7, 4, 3, 2, 1, 6, 5, 0],
}
"""Each is its own inverse."""
TEMPLATES = ("{0}, then {1}.", "{1} and {0}.", "please {0} and {1}", "task: {0}; {1}.")
HIDDEN, EQUALS = LETTERS, LETTERS + 1
HELD_OUT = 16

Task = tuple[str, str]
"""A move, and a replacement: the number that is added, or the name of a table."""


def replacements() -> dict[str, tuple[list[int], list[str]]]:
    """What each letter becomes, and how it is said."""
    added = {
        name: (
            [(letter + number) % LETTERS for letter in range(LETTERS)],
            [f"add {name} to every letter", f"shift letters by {name}"],
        )
        for number, name in enumerate(NUMBERS)
    }
    looked_up = {
        name: (table, [f"look letters up in the {name} table", f"use the {name} code"])
        for name, table in TABLES.items()
    }
    return added | looked_up


REPLACEMENTS = replacements()
TASKS: list[Task] = [(move, name) for move in MOVES for name in REPLACEMENTS]
VOCABULARY = LETTERS + 2 + len(MOVES) + len(REPLACEMENTS)
PLACES = 2 + LENGTH + 1 + LENGTH - 1


class LanguageModel(nn.Module):
    """A causal transformer that gives the logits of the answer's letters.

    Args:
        width: Channels.
        layers: Blocks.
        heads: Heads of the attention.
    """

    def __init__(self, width: int = 32, layers: int = 2, heads: int = 2) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.places = nn.Parameter(0.1 * torch.randn(PLACES, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY)

    def forward(self, texts: Tensor) -> Tensor:
        """Logits of shape ``(batch, 4, vocabulary)``.

        Args:
            texts: Tokens ``(batch, 10)``: commands, text, the sign =, all but the answer's last.
        """
        found = self.blocks(self.tokens(texts) + self.places)
        return self.head(self.norm(found[:, -LENGTH:]))


class Block(nn.Module):
    """Causal attention and a perceptron, each with a norm before it.

    Args:
        width: Channels.
        heads: Heads of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.register_buffer("mask", torch.full((PLACES, PLACES), -1e9).triu(1), persistent=False)

    mask: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """The next channels.

        Args:
            x: Channels of every place.
        """
        normed = self.norms[0](x)
        query, key, value = (
            layer(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + self.mask
        attended = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        x = x + self.output(attended)
        return x + self.down(torch.relu(self.up(self.norms[1](x))))


def language_tasks(
    seed: int,
    folder: Path,
    steps: int = 200,
    base_steps: int = 3000,
    few: bool = False,
    families: bool = False,
) -> World:
    """All moves with all replacements; of held-out ones the inverse was not trained either.

    Args:
        seed: Seed of all but the base.
        folder: Where the base is kept.
        steps: Steps of the adapters.
        base_steps: Steps of the base.
        few: Whether a few tasks are enough.
        families: Whether moves and replacements are held out altogether, not only combinations.
    """
    known, held_out = split_families(seed) if families else split_tasks(seed)
    if few:
        known, held_out = known[:10], held_out[:3]
    tasks = known + held_out
    base = trained_base(folder, base_steps)
    network = adapted(base, rank=4, seed=seed)
    texts = torch.randint(LETTERS, (512, LENGTH), generator=torch.Generator().manual_seed(seed))
    answers = torch.stack([answer(task, texts) for task in tasks])
    inputs = torch.stack([sentence(texts, own, None) for own in answers])

    def trained() -> Pairs:
        made = train_adapters(
            network, inputs, answers, steps=steps, batch_size=16, learning_rate=0.01, seed=seed
        )
        return {name: (a[:, -1], b[:, -1]) for name, (a, b) in made.pairs.items()}

    name = "families" if families else "language"
    pairs = kept(folder / f"{name}-{seed}-{len(tasks)}-{steps}.safetensors", trained)
    state = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    fresh = torch.randint(
        LETTERS, (128, LENGTH), generator=torch.Generator().manual_seed(1000 + seed)
    )
    right = [answer(task, fresh) for task in held_out]

    def quality(pairs: Pairs, task: int | None) -> Tensor:
        if task is not None:
            asked = sentence(fresh, right[task], None)
            given = run_adapted(network, state, pairs, asked).argmax(-1)
            return (given == right[task]).float().mean((1, 2))
        rows = [quality(cut(pairs, n, n + 1), n) for n in range(len(held_out))]
        return torch.cat(rows)

    # Which letters come before does not tell the answer, so that any will do for distillation.
    anything = torch.randint(LETTERS, texts.shape, generator=torch.Generator().manual_seed(7))
    return World(
        network,
        sentence(texts, anything, None),
        cut(pairs, 0, len(known)),
        ["\n".join(_prompts(task, seed)) for task in known],
        cut(pairs, len(known)),
        ["\n".join(_prompts(task, seed)) for task in held_out],
        quality,
    )


def split_tasks(seed: int) -> tuple[list[Task], list[Task]]:
    """Tasks to train, and those that are held out."""
    drawn = list(TASKS)
    random.Random(seed).shuffle(drawn)
    held_out = [task for task in drawn if task[0] != "keep" and task[1] != "zero"][:HELD_OUT]
    excluded = {*held_out, *map(inverse, held_out)}
    return [task for task in drawn if task not in excluded], held_out


def split_families(seed: int) -> tuple[list[Task], list[Task]]:
    """Tasks to train, and some with a move, a number or a table that none of these has.

    Of each held-out task one half is of the families that were trained, and the other is not.
    """
    drawn = random.Random(seed)
    move = drawn.choice([move for move in MOVES if move != "keep"])
    number, table = drawn.choice(NUMBERS[1:]), drawn.choice([*TABLES])
    unknown = [task for task in TASKS if (task[0] == move) != (task[1] in (number, table))]
    held_out = drawn.sample([t for t in unknown if t[0] != "keep" and t[1] != "zero"], HELD_OUT)
    of_family = {task for task in TASKS if task[0] == move or task[1] in (number, table)}
    excluded = of_family | set(map(inverse, held_out))
    return [task for task in TASKS if task not in excluded], held_out


def inverse(task: Task) -> Task:
    """The task that undoes it."""
    move, name = task
    back = name if name in TABLES else NUMBERS[-NUMBERS.index(name) % LETTERS]
    return INVERSE.get(move, move), back


def answer(task: Task, texts: Tensor) -> Tensor:
    """What a task makes of texts."""
    move, name = task
    return torch.tensor(REPLACEMENTS[name][0])[texts[:, MOVES[move][0]]]


def sentence(texts: Tensor, answers: Tensor, commands: Tensor | None) -> Tensor:
    """What the model reads: commands, or hidden ones, a text, =, and all but the last letter."""
    begin = torch.full((len(texts), 2), HIDDEN) if commands is None else commands
    equals = torch.full((len(texts), 1), EQUALS)
    return torch.cat([begin, texts, equals, answers[:, :-1]], dim=1)


def trained_base(folder: Path, steps: int) -> LanguageModel:
    """The base, trained once on all tasks by commands, which a tenth of texts hide."""
    torch.manual_seed(0)
    base = LanguageModel()
    path = folder / f"base-{steps}.safetensors"
    if path.exists():
        state = {name: torch.from_numpy(array) for name, array in load_tensors(path).items()}
        base.load_state_dict(state)
        return base
    orders = torch.tensor([places for places, _ in MOVES.values()])
    tables = torch.tensor([table for table, _ in REPLACEMENTS.values()])
    optimiser = torch.optim.AdamW(base.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        texts = torch.randint(LETTERS, (128, LENGTH))
        move, name = torch.randint(len(MOVES), (128,)), torch.randint(len(REPLACEMENTS), (128,))
        answers = tables[name].gather(1, texts.gather(1, orders[move]))
        first = LETTERS + 2
        commands = torch.stack([first + move, first + len(MOVES) + name], dim=1)
        commands[torch.rand(128) < 0.1] = HIDDEN
        logits = base(sentence(texts, answers, commands))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), answers.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    make_folder(folder)
    save_tensors(path, {name: tensor.numpy() for name, tensor in base.state_dict().items()})
    return base


@cache
def _words(task: Task) -> list[tuple[str, str]]:
    return [(move, name) for move in MOVES[task[0]][1] for name in REPLACEMENTS[task[1]][1]]


def _prompts(task: Task, seed: int) -> list[str]:
    """Six descriptions, each of words and a template that are drawn."""
    drawn = random.Random(f"{seed} {task}")
    return [drawn.choice(TEMPLATES).format(*drawn.choice(_words(task))) for _ in range(6)]
