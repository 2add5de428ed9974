"""Normal trainings of a zoo, of one architecture or of several, each with an alarm of its own."""

from collections.abc import Sequence
from pathlib import Path

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories.drift_alarm import RATE, DriftAlarm
from graphwsl.trajectories.histories import Layers, even, histories_by_layers
from graphwsl.trajectories.monitoring import listed


class Reference:
    """What normal trainings look like, for every architecture of a zoo.

    Args:
        path: The zoo.
        rate: Share of normal trainings that may raise an alarm.

    Raises:
        TrajectoryError: As for :func:`graphwsl.trajectories.histories.histories_by_layers`; or the
            zoo has one architecture, with too few trainings for the rate.
        ZooError: A zoo without usable checkpoints.
        StorageError: A file of the zoo is damaged.
    """

    def __init__(self, path: Path, rate: float = RATE) -> None:
        self.path, self.rate = path, rate
        self._trainings = {
            tuple(layers.shapes.items()): (layers, trainings)
            for layers, trainings in histories_by_layers(path)
        }
        self._alarms: dict[tuple[tuple[str, tuple[int, ...]], ...], DriftAlarm] = {}
        if len(self._trainings) == 1:
            self.alarm(self.layers[0])

    @property
    def layers(self) -> Sequence[Layers]:
        """The architectures, in the order of the zoo."""
        return [layers for layers, _ in self._trainings.values()]

    def alarm(self, layers: Layers) -> DriftAlarm:
        """The alarm for trainings of an architecture, learnt when it is first asked for.

        Args:
            layers: How weights lie in a row.

        Raises:
            TrajectoryError: No normal training is of that architecture, or too few for the rate.
        """
        key = tuple(layers.shapes.items())
        if key not in self._trainings:
            known = [listed(one.names, one.sizes) for one in self.layers]
            several = f"{len(known)} architectures, the first of which has" if known[1:] else "the"
            raise TrajectoryError(
                f"the normal trainings in {str(self.path)!r} are of another architecture: they are "
                f"of {several} layers {known[0]}, and not {listed(layers.names, layers.sizes)}"
            )
        if key not in self._alarms:
            own, trainings = self._trainings[key]
            try:
                self._alarms[key] = DriftAlarm.of(
                    even(trainings), own.sizes, names=own.names, rate=self.rate
                )
            except TrajectoryError as error:
                raise TrajectoryError(
                    f"nothing is known from {str(self.path)!r}: {error}"
                ) from error
        return self._alarms[key]
