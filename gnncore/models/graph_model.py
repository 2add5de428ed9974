"""The graph neural network that a specification describes, from features to predictions."""

from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnncore.errors import SavedModelError, SpecificationError
from gnncore.models.block import Block
from gnncore.models.encode import encode
from gnncore.models.parts import make_head, make_pooling, reset_all
from gnncore.models.saved_model import (
    MODEL_CARD,
    WEIGHTS_NAME,
    find_model,
    read_model,
    require_same,
    require_sealed,
    write_model,
)
from gnncore.models.specification import ModelSpecification
from gnncore.storage import make_folder, write_text


class GraphModel(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="graphwsl-gridstab",
    tags=["graph-neural-network"],
    model_card_template=MODEL_CARD,
):
    """A graph neural network on nodes and edges; :class:`ModelSpecification` says what it does.

    Args:
        specification: What the model is made of.

    Attributes:
        specification: As given.
        num_parameters: Number of trained numbers.

    Raises:
        SpecificationError: A layer or normalisation that does not exist, has no such option, or
            cannot take these channels.
    """

    def __init__(self, specification: ModelSpecification) -> None:
        super().__init__()
        s = self.specification = specification
        features, hidden = s.feature_channels, s.blocks[0].out_channels
        edge_channels = s.embedded_edge_channels
        if s.encoder:
            self.embed_nodes = nn.Linear(features, hidden)
        if s.embeds_edges:
            self.embed_edges = nn.Linear(s.edge_channels, edge_channels)

        self.blocks = nn.ModuleList()
        for block_specification in s.blocks:
            block = Block(block_specification, edge_channels)
            edge_channels = block.layer.edge_out_channels
            self.blocks.append(block)

        if s.skip == "input":
            self.skip_nodes = nn.Linear(features + hidden, hidden)
        if s.skip == "input" and s.embeds_edges:
            if edge_channels != s.embedded_edge_channels:
                raise SpecificationError(
                    f"skip 'input' needs edges of equal channels before and after layer "
                    f"{s.layer!r}, got {s.embedded_edge_channels} and {edge_channels}; "
                    f"set hidden_edge_channels to {edge_channels}"
                )
            self.skip_edges = nn.Linear(s.edge_channels + edge_channels, edge_channels)

        self.pool = make_pooling(s.pooling) if s.pooling else None
        self.head = make_head(s.head, s.head_channels, s.out_channels)
        self.output = nn.Sigmoid() if s.output == "sigmoid" else nn.Identity()
        self._zero_embedding_biases()

    @property
    def num_parameters(self) -> int:
        """Number of trained numbers."""
        return sum(p.numel() for p in self.parameters())

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        reset_all([*self.children(), *self.blocks, *self.head])
        self._zero_embedding_biases()

    def encode(
        self, edge_index: Int[Tensor, "2 edges"], num_nodes: int
    ) -> Float[Tensor, "nodes encoding_channels"]:
        """The positional encoding of the specification, to be kept with the graph.

        Args:
            edge_index: Source and target of every directed edge.
            num_nodes: Number of nodes.

        Raises:
            SpecificationError: The specification has none.
        """
        if self.specification.encoding is None:
            raise SpecificationError("the model has no encoding; set one in its specification")
        return encode(self.specification.encoding, edge_index, num_nodes, self.training)

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges edge_channels"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
        num_graphs: int | None = None,
        encoding: Float[Tensor, "nodes encoding_channels"] | None = None,
    ) -> Float[Tensor, "rows out_channels"]:
        """Predictions for every node, or for every graph where the specification pools.

        Args:
            x: Features of the nodes.
            edge_index: Source and target of every directed edge; undirected edges stand in both
                directions.
            edge_attr: Features of the edges; not looked at where ``edge_channels`` is 0.
            batch: Graph of every node; None for a single graph.
            num_graphs: Number of graphs; None for the last that has nodes. Only needed where
                graphs without nodes may come last.
            encoding: What :meth:`encode` gave for these graphs; None computes it here, on the
                CPU, every time.

        Raises:
            SpecificationError: Features of other widths than the specification has.
        """
        s = self.specification
        edge_attr = self._check(x, edge_attr)
        batch, num_graphs = self._graphs(x, batch, num_graphs)
        if s.encoding is not None:
            if encoding is None:
                encoding = self.encode(edge_index, len(x)).to(x.dtype)
            x = torch.cat([x, encoding], dim=1)  # (nodes, feature_channels)
        x_input, edge_input = x, edge_attr
        if s.encoder:
            x = self.embed_nodes(x)  # (nodes, hidden)
        if edge_attr is not None and s.embeds_edges:
            edge_attr = self.embed_edges(edge_attr)  # (edges, hidden_edge_channels)

        results = []
        for block in self.blocks:
            before = x
            x, edge_attr = block(x, edge_index, edge_attr, batch, num_graphs)  # (nodes, hidden)
            if s.skip == "residual":
                x = before + x
            elif s.skip == "concatenate":
                x = torch.cat([before, x], dim=1)  # (nodes, before + hidden)
            elif s.skip == "input":
                x = self.skip_nodes(torch.cat([x_input, x], dim=1))
                if edge_input is not None and edge_attr is not None and s.embeds_edges:
                    edge_attr = self.skip_edges(torch.cat([edge_input, edge_attr], dim=1))
            results.append(x)

        if s.jumping:
            x = torch.cat(results, dim=1)  # (nodes, sum of all layers)
        if self.pool is not None:
            x = self.pool(x, batch, dim_size=num_graphs)  # (graphs, head_channels)
        return self.output(self.head(x))  # (nodes or graphs, out_channels)

    def save_pretrained(
        self,
        save_directory: str | PathLike[str],
        *,
        config: Any = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Write ``config.json``, ``model.safetensors`` and, if there is none, ``README.md``.

        Args:
            save_directory: The folder, made if it is missing.
            config: Not used; the specification is the configuration.
            repo_id: Name on the Hugging Face Hub; None for that of the folder.
            push_to_hub: Whether to upload the folder too.
            model_card_kwargs: For the template of ``README.md``.
            **push_to_hub_kwargs: For ``push_to_hub`` of huggingface_hub.

        Returns:
            The address of the commit, if there is one.

        Raises:
            SavedModelError: Weights of a type that NumPy lacks, such as bfloat16.
            StorageError: The disk is full, the folder read-only, and the like.
        """
        folder = Path(save_directory)
        make_folder(folder)
        write_model(folder, self.specification, self.state_dict())
        if not (folder / "README.md").exists():
            write_text(
                folder / "README.md", str(self.generate_model_card(**model_card_kwargs or {}))
            )
        if not push_to_hub:
            return None
        return self.push_to_hub(
            repo_id or folder.name, model_card_kwargs=model_card_kwargs, **push_to_hub_kwargs
        )

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | PathLike[str],
        *,
        map_location: str | torch.device = "cpu",
        **hub_options: Any,
    ) -> Self:
        """The model in a folder or on the Hugging Face Hub, in evaluation mode.

        Numbers and their types are exactly those that were saved. Pickles are never read.

        Args:
            pretrained_model_name_or_path: The folder, or a name on the Hub.
            map_location: Device of the model.
            **hub_options: Options of ``huggingface_hub.snapshot_download``, as ``revision``,
                ``token``, ``cache_dir`` or ``local_files_only``.

        Raises:
            SavedModelError: Nothing there, a damaged file, a changed number, or weights of another
                model.
        """
        folder = find_model(pretrained_model_name_or_path, **hub_options)
        specification, state = read_model(folder)
        try:
            model = cls(specification)
        except SpecificationError as error:
            raise SavedModelError(f"{str(folder)!r} specifies no model: {error}") from error
        require_same(model.state_dict(), state, folder / WEIGHTS_NAME)
        require_sealed(folder, specification, state)
        model.load_state_dict(state, assign=True)  # which keeps double precision
        return model.to(map_location).eval()

    def extra_repr(self) -> str:
        """Channels, layers and parameters, as they are printed."""
        s = self.specification
        return (
            f"{s.in_channels} → {s.num_layers} × {s.layer} → {s.out_channels}, "
            f"num_parameters={self.num_parameters}"
        )

    def _check(
        self, x: Tensor, edge_attr: Tensor | None
    ) -> Float[Tensor, "edges edge_channels"] | None:
        """The edge features, if the model uses any.

        Raises:
            SpecificationError: Features of other widths than the specification has.
        """
        s = self.specification
        if x.shape[1:] != (s.in_channels,):
            raise SpecificationError(
                f"x must have shape (nodes, {s.in_channels}), got {tuple(x.shape)}"
            )
        if not s.edge_channels:
            return None
        if edge_attr is None or edge_attr.shape[1:] != (s.edge_channels,):
            shape = None if edge_attr is None else tuple(edge_attr.shape)
            raise SpecificationError(
                f"edge_attr must have shape (edges, {s.edge_channels}), got {shape}"
            )
        return edge_attr

    def _graphs(
        self, x: Tensor, batch: Tensor | None, num_graphs: int | None
    ) -> tuple[Int[Tensor, " nodes"] | None, int | None]:
        """The graphs, counted where something needs to know; that waits for the GPU.

        A single graph also gets its ``batch`` then, because PyG's LayerNorm divides by another
        standard deviation where it gets none.
        """
        if self.pool is None and not any(block.needs_batch for block in self.blocks):
            return batch, num_graphs
        if batch is None:
            return torch.zeros(len(x), dtype=torch.long, device=x.device), 1
        if num_graphs is None:
            num_graphs = int(batch.max()) + 1 if len(batch) else 1
        return batch, num_graphs

    def _zero_embedding_biases(self) -> None:
        for name, parameter in self.named_parameters():
            if name in ("embed_nodes.bias", "embed_edges.bias"):
                nn.init.zeros_(parameter)
