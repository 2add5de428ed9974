"""What a campaign simulates: a frozen configuration, from the command line or a TOML file."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gnncore.configuration import Configuration, given
from gridstab.arguments import as_path
from gridstab.datasets.grid_source import GridSource
from gridstab.dynamics.sampling import DOMEGA_RANGE, DTHETA_RANGE
from gridstab.dynamics.settings import Settings
from gridstab.errors import CaseError, InvalidParameterError
from gridstab.grids.case import Setting

DEFAULT_NODES = 100

Count = Annotated[int, Field(ge=1, le=10**9)]


class Campaign(Configuration):
    """Everything that the results depend on; workers, executor and folder are not part of it.

    Attributes:
        nodes: Nodes of every random grid, of an odd number one without power; 100 unless a case is
            given.
        grids: Number of grids. Grid k (from 1) is drawn from the stream ``(seed, k)``.
        samples: Perturbations a node.
        seed: Seed of the grids and of the perturbations.
        case: Take the topology of this case instead: ``texas``, the name of a MATPOWER case or
            its file, with random powers as in the published studies; or any other grid file.
        setting: ``case`` takes a MATPOWER case's own powers and couplings [p.u.] instead.
        coupling: K of every line; 9 as published, or as the file says, unless given.
        damping: D of every node; 0.1, or as the file says, unless given.
        inertia: m of every node; 1, or as the file says, unless given.
        node_table: CSV file with ``power``, ``inertia`` or ``damping`` of every node of the case,
            see :func:`gridstab.grids.load_grid`.
        largest_component: Keep only the largest component of a MATPOWER case that falls apart.
        engine: Name of a simulation engine; ``auto`` takes the fastest that runs here.
        stop: Rule by which a trajectory ends before the horizon.
        sampler: ``mc`` draws perturbations independently, ``sobol`` from a scrambled sequence.
        scrambles: Independent scrambles of the Sobol sequence.
        precision: Stop sampling a node once half its 95 % interval is below this; None takes all
            samples.
        horizon: Duration of the longest trajectory [s].
        dtheta_range: Largest phase offset of a perturbation [rad].
        domega_range: Largest frequency offset of a perturbation [rad/s].
    """

    error_class = InvalidParameterError
    file_error_class = CaseError
    title = "a campaign"
    file_title = "campaign file"

    nodes: Annotated[int, Field(ge=2, le=10**7)] | None = None
    grids: Count = 1
    samples: Count = 1000
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    case: Annotated[str, Field(min_length=1)] | None = None
    setting: Setting | None = None
    coupling: Annotated[float, Field(gt=0)] | None = None
    damping: Annotated[float, Field(ge=0)] | None = None
    inertia: Annotated[float, Field(gt=0)] | None = None
    node_table: Annotated[str, Field(min_length=1)] | None = None
    largest_component: bool | None = None
    engine: str = "auto"
    stop: Literal["horizon", "published", "certified", "fast"] = "fast"
    sampler: Literal["mc", "sobol"] = "mc"
    scrambles: Annotated[int, Field(ge=2, le=1024)] = 8
    precision: Annotated[float, Field(gt=0, lt=0.5)] | None = None
    horizon: Annotated[float, Field(gt=0)] = 500.0
    dtheta_range: Annotated[float, Field(gt=0)] = DTHETA_RANGE
    domega_range: Annotated[float, Field(gt=0)] = DOMEGA_RANGE

    @model_validator(mode="before")
    @classmethod
    def _default_nodes(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("case") is None and data.get("nodes") is None:
            return {**data, "nodes": DEFAULT_NODES}
        return data

    @model_validator(mode="after")
    def _nodes_or_case(self) -> "Campaign":
        if self.case is not None and self.nodes is not None:
            raise ValueError(
                f"nodes {self.nodes} and case {self.case!r} exclude each other; give one of them"
            )
        return self

    @classmethod
    def resolve(cls, file: str | Path | None = None, **options: Any) -> "Campaign":
        """The campaign of a TOML file, with every option that is not None in its place.

        Raises:
            CaseError: The file cannot be read or is no TOML.
            InvalidParameterError: An unknown key, or a value outside its range.
        """
        values = {} if file is None else cls.read_toml(as_path("file", file))
        campaign = cls.parse(values | given(options))
        _ = campaign.settings  # which has its own rules, as for Sobol samples
        return campaign

    @property
    def settings(self) -> Settings:
        """How every node is perturbed and simulated.

        Raises:
            InvalidParameterError: The samples do not suit the sampler.
        """
        return Settings(
            samples=self.samples,
            seed=self.seed,
            engine=self.engine,
            stop=self.stop,
            sampler=self.sampler,
            scrambles=self.scrambles,
            precision=self.precision,
            horizon=self.horizon,
            dtheta_range=self.dtheta_range,
            domega_range=self.domega_range,
        )

    @property
    def name(self) -> str:
        """A folder name made of what differs from the defaults, as ``n100-g1-s1000-seed0``."""
        what = f"n{self.nodes}" if self.case is None else Path(self.case).stem
        parts = [what, f"g{self.grids}", f"s{self.samples}", f"seed{self.seed}"]
        for option in ("setting", "engine", "stop", "sampler"):
            value = getattr(self, option)
            if value != type(self).model_fields[option].default:
                parts.append(str(value))
        if self.node_table is not None:
            parts.append(Path(self.node_table).stem)
        if self.largest_component:
            parts.append("largest")
        numbers = ("coupling", "damping", "inertia", "precision", "horizon", "scrambles")
        for option in (*numbers, "dtheta_range", "domega_range"):
            value = getattr(self, option)
            if value != type(self).model_fields[option].default:
                parts.append(f"{option.removesuffix('_range')}{value:g}")
        return re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(parts))

    @property
    def source(self) -> GridSource:
        """Where the grids come from; reads the case afresh.

        Raises:
            CaseError: The case is unknown, or its file unreadable or malformed.
            InvalidParameterError: Several grids of a file that says everything about one.
        """
        return GridSource.of(
            nodes=self.nodes,
            case=self.case,
            seed=self.seed,
            grids=self.grids,
            setting=self.setting or "homogeneous",
            coupling=self.coupling,
            damping=self.damping,
            inertia=self.inertia,
            largest_component=bool(self.largest_component),
            node_table=self.node_table,
        )
