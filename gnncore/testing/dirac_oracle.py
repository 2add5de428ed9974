"""The Dirac operator as one dense matrix: a slow and plain truth for Dirac–Bianconi layers."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def dirac_matrix(
    edge_index: Int[Tensor, "2 edges"],
    num_nodes: int,
    *,
    W_ne: Float[Tensor, "edge_channels channels"],
    W_en: Float[Tensor, "channels edge_channels"],
    beta_n: Float[Tensor, "channels channels"] | None = None,
    beta_e: Float[Tensor, "edge_channels edge_channels"] | None = None,
) -> Float[Tensor, "size size"]:
    r"""The generator of linear Dirac–Bianconi steps on nodes and edges together.

    .. math::
        D = \begin{pmatrix}
            I_N ⊗ β_n & T ⊗ W_{ne}^⊤ \\ (T - S)^⊤ ⊗ W_{en}^⊤ & I_E ⊗ β_e
        \end{pmatrix}

    acts on the rows of ``x`` (N nodes) followed by those of ``edge_attr`` (E directed edges),
    written one behind the other. :math:`T_{ve} = 1` where edge e ends at node v and
    :math:`S_{ve} = 1` where it starts. A step multiplies by :math:`I + D`. With β = 0 and every
    edge in both directions, :math:`D^2` on the nodes is :math:`L ⊗ (W_{en} W_{ne})^⊤` with the
    graph Laplacian L: the operator is a square root of the Laplacian, as Dirac's is.

    Args:
        edge_index: Source and target of every directed edge.
        num_nodes: Number of nodes.
        W_ne: From edges to nodes.
        W_en: From nodes to edges.
        beta_n: Mass of the nodes; None for none.
        beta_e: Mass of the edges; None for none.
    """
    edge_channels, channels = W_ne.shape
    num_edges = edge_index.shape[1]
    source, target = edge_index
    every = torch.arange(num_edges, device=edge_index.device)
    T, S = W_ne.new_zeros(2, num_nodes, num_edges)
    T[target, every] = 1
    S[source, every] = 1
    beta_n = W_ne.new_zeros(channels, channels) if beta_n is None else beta_n
    beta_e = W_ne.new_zeros(edge_channels, edge_channels) if beta_e is None else beta_e
    nodes = [_kron(torch.eye(num_nodes).to(beta_n), beta_n), _kron(T, W_ne.T)]
    edges = [_kron((T - S).T, W_en.T), _kron(torch.eye(num_edges).to(beta_e), beta_e)]
    return torch.cat([torch.cat(nodes, dim=1), torch.cat(edges, dim=1)])


def dirac_steps(
    x: Float[Tensor, "nodes channels"],
    edge_attr: Float[Tensor, "edges edge_channels"],
    matrix: Float[Tensor, "size size"],
    num_steps: int,
) -> tuple[Float[Tensor, "nodes channels"], Float[Tensor, "edges edge_channels"]]:
    """Nodes and edges after ``num_steps`` linear steps, by a power of the dense matrix.

    Args:
        x: Signal on the nodes.
        edge_attr: Signal on the edges.
        matrix: Generator of the steps, as :func:`dirac_matrix` makes it.
        num_steps: Number of explicit Euler steps.
    """
    signal = torch.cat([x.flatten(), edge_attr.flatten()])
    step = torch.eye(len(signal)).to(signal) + matrix
    signal = torch.linalg.matrix_power(step, num_steps) @ signal
    nodes, edges = signal.split([x.numel(), edge_attr.numel()])
    return nodes.view_as(x), edges.view_as(edge_attr)


def _kron(a: Tensor, b: Tensor) -> Tensor:
    # torch.kron refuses some transposed matrices of a single row or column.
    return torch.einsum("ij,kl->ikjl", a, b).flatten(2, 3).flatten(0, 1)
