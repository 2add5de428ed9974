"""The optimiser and the schedule of its learning rate, as the settings ask."""

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    SequentialLR,
)

from gnncore.training.settings import TrainingSettings

_WARM_UP_FROM = 0.01
_ONE_CYCLE_WARM_UP = 0.3  # torch's default


def make_optimiser(model: nn.Module, settings: TrainingSettings) -> Optimizer:
    """AdamW or SGD over the parameters that require gradients, decayed as ``settings.decay`` says.

    Weight decay pulls towards functions that vary less; a bias or a norm's scale shifts and
    stretches them only, and is spared by ``matrices``.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [p for p in parameters if p.ndim >= 2 or settings.decay == "all"]
    undecayed = [p for p in parameters if p.ndim < 2 and settings.decay != "all"]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": undecayed, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.optimiser == "adamw":
        return AdamW(groups, lr=settings.learning_rate)
    return SGD(
        groups,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
    )


def make_schedule(optimiser: Optimizer, settings: TrainingSettings, steps: int) -> LRScheduler:
    """The learning rate over ``steps`` steps, to be advanced after each of them."""
    if settings.schedule == "one_cycle":
        return OneCycleLR(
            optimiser,
            max_lr=settings.learning_rate,
            total_steps=steps,
            pct_start=_ONE_CYCLE_WARM_UP if settings.warm_up is None else settings.warm_up,
            div_factor=settings.div_factor,
            final_div_factor=settings.final_div_factor,
            cycle_momentum=settings.optimiser == "adamw" or settings.momentum > 0,
        )
    warm_up = round(steps * (settings.warm_up or 0.0))
    rest: LRScheduler
    if settings.schedule == "cosine":
        rest = CosineAnnealingLR(optimiser, T_max=max(1, steps - warm_up))
    else:
        rest = ConstantLR(optimiser, factor=1.0, total_iters=0)
    if not warm_up:
        return rest
    rise = LinearLR(optimiser, start_factor=_WARM_UP_FROM, total_iters=warm_up)
    return SequentialLR(optimiser, [rise, rest], milestones=[warm_up])
