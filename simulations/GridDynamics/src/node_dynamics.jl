# How the frequency of a node changes: the place to add a node type.

"""
    NodeDynamics

What turns power into acceleration at a node. A node type of your own is a subtype with one method,

    GridDynamics.acceleration(node::MyNode, grid, i, theta, omega, inflow)

which gives dω_i/dt [rad/s²] from the phase [rad] and frequency [rad/s] of node `i` and the power
`inflow` = Σ_j K_ij sin(θ_j − θ_i) that its lines bring. At the operating point (ω = 0,
inflow = −P_i) it must be 0. A vector of node types, one a node, is allowed too; where they differ,
a vector of their `Union` keeps it fast.

The adaptive methods take any node type; the fast method is made for [`SwingNode`](@ref). The
energy certificate holds only where [`loses_energy`](@ref) says so.
"""
abstract type NodeDynamics end

"""The swing equation m dω/dt = P − D ω + inflow."""
struct SwingNode <: NodeDynamics end

@inline acceleration(::SwingNode, grid::PowerGrid, i, theta, omega, inflow) = @inbounds(
    (grid.power[i] - grid.damping[i] * omega + inflow) / grid.inertia[i])

@inline acceleration(nodes::AbstractVector{<:NodeDynamics}, grid, i, theta, omega, inflow) =
    acceleration(@inbounds(nodes[i]), grid, i, theta, omega, inflow)

"""
    loses_energy(node)

Whether ω (m dω/dt − P − inflow) ≤ 0 always, with the grid's m and P, so that the energy never
grows and certified stops are right. `false` unless a method says otherwise.
"""
loses_energy(::NodeDynamics) = false
loses_energy(::SwingNode) = true
loses_energy(nodes::AbstractVector{<:NodeDynamics}) = all(loses_energy, nodes)

const Nodes = Union{NodeDynamics,AbstractVector{<:NodeDynamics}}

"""
    right_hand_side!(slope, state, sine, cosine, grid, nodes)

Writes the time derivative of `state` = (θ_1 … θ_n, ω_1 … ω_n); `sine` and `cosine` are scratch.
sin(θ_j − θ_i) = sin θ_j cos θ_i − cos θ_j sin θ_i, so a node costs one sine and one cosine however
many lines it has.
"""
@inline function right_hand_side!(slope, state, sine, cosine, grid::PowerGrid, nodes::Nodes)
    count = length(sine)
    @inbounds for i in 1:count
        sine[i], cosine[i] = sincos(state[i])
    end
    @inbounds for i in 1:count
        sines = cosines = 0.0
        for k in neighbour_range(grid, i)
            j = grid.neighbours[k]
            weight = grid.neighbour_coupling[k]
            sines = muladd(weight, sine[j], sines)
            cosines = muladd(weight, cosine[j], cosines)
        end
        inflow = cosine[i] * sines - sine[i] * cosines
        omega = state[count + i]
        slope[i] = omega
        slope[count + i] = acceleration(nodes, grid, i, state[i], omega, inflow)
    end
    return nothing
end

"""A node type whose frequencies change at the operating point would drift away from it."""
function check(nodes::Nodes, model::SwingModel)
    nodes isa AbstractVector && length(nodes) != num_nodes(model.grid) &&
        throw(InvalidParameterError("nodes must have $(num_nodes(model.grid)) entries, one a " *
                                    "node, got $(length(nodes))"))
    for i in 1:num_nodes(model.grid)
        drift = acceleration(nodes, model.grid, i, model.theta[i], 0.0, -model.grid.power[i])
        abs(drift) <= 1e-8 || throw(InvalidParameterError(
            "the node type accelerates node $i by $drift at the operating point; " *
            "acceleration must be 0 at omega = 0 and inflow = -power"))
    end
end
