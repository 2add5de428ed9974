"""How a model is trained: a frozen set of options, from the command line or a TOML file."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gnncore.configuration import Configuration, DeviceName

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1, le=10**9)]


class TrainingSettings(Configuration):
    """Everything but model, data and objective that the trained weights depend on.

    Attributes:
        epochs: Passes over the training data.
        batch_size: Items (graphs, rows) a step of the optimiser, over all parts and processes
            together.
        accumulate: Parts in which a batch goes through the model; less memory, same gradient
            (batch normalisation apart, which sees the parts).
        group_by: A tensor with one number an item, such as its architecture; batches are put
            together from groups that share it, for models that handle such items at once. None
            mixes all.
        group_size: Items of a group.
        optimiser: ``adamw`` or ``sgd``.
        learning_rate: The largest of the schedule.
        weight_decay: Decoupled for AdamW, L2 for SGD.
        decay: ``matrices`` spares biases, norms and all else with fewer than two dimensions;
            ``all`` decays every parameter, as plain torch does.
        momentum: Momentum of SGD, 0.9 by default; AdamW has its own.
        nesterov: Nesterov's form of that momentum; off by default, and only for SGD.
        schedule: None (constant), ``cosine`` (to zero) or ``one_cycle`` (torch's OneCycleLR, with
            its cycled momentum), advanced every step.
        warm_up: Share of all steps in which the learning rate rises; linearly, from a hundredth.
            None stands for 0, and for torch's 0.3 with ``one_cycle``.
        div_factor: The largest learning rate of ``one_cycle`` over the first, 25 by default.
        final_div_factor: The first learning rate of ``one_cycle`` over the last, 10,000 by default.
        clip_norm: Largest norm of the whole gradient.
        clip_value: Largest entry of the gradient, applied after the norm.
        patience: Stop after so many epochs without a better validation; None never stops.
        average_decay: Decay a step of an exponential moving average of the weights, which is then
            what is validated and returned; None takes the weights themselves.
        seed: Seed of batches, dropout and augmentation. The initial weights are the caller's.
        mixed_precision: Compute in ``bfloat16`` or ``float16`` where autocast finds it safe.
        compile: Compile the model (torch.compile, with dynamic shapes).
        device: ``auto`` (a GPU when there), ``cpu``, ``cuda``, ``cuda:1`` …
        data_on_device: Keep all data on the device; False moves them batch by batch.
        checkpoint_seconds: Least time between two checkpoints on disk [s]; 0 writes every epoch.
        tensorboard: Also write TensorBoard events.

    Raises:
        SpecificationError: An unknown key, or a value outside its range.
    """

    title = "training settings"

    epochs: Count = 100
    batch_size: Count = 32
    accumulate: Count = 1
    group_by: str | None = None
    group_size: Count = 16
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    decay: Literal["matrices", "all"] = "matrices"
    momentum: Share = 0.9
    nesterov: bool = False
    schedule: Literal["cosine", "one_cycle"] | None = None
    warm_up: Share | None = None
    div_factor: Positive = 25.0
    final_div_factor: Positive = 1e4
    clip_norm: Positive | None = None
    clip_value: Positive | None = None
    patience: Count | None = None
    average_decay: Share | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    mixed_precision: Literal["bfloat16", "float16"] | None = None
    compile: bool = False
    device: DeviceName = "auto"
    data_on_device: bool = True
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 10.0
    tensorboard: bool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "TrainingSettings":
        if self.nesterov and (self.optimiser != "sgd" or self.momentum == 0):
            raise ValueError(
                f"nesterov needs optimiser 'sgd' with momentum, got {self.optimiser!r} "
                f"with momentum {self.momentum:g}"
            )
        return self
