"""
Dynamic stability of power grids in Julia: the swing equation around its operating point, perturbed
at one node at a time, simulated by a fast structure-preserving method on SIMD lanes or by adaptive
Runge–Kutta methods. Start with [`simulate`](@ref).
"""
module GridDynamics

export PowerGrid, simulate, operating_point
export NodeDynamics, SwingNode, Measure

using LinearAlgebra
using Random
using SparseArrays

include("errors.jl")
include("power_grid.jl")
include("operating_point.jl")
include("swing_model.jl")
include("slowest_decay.jl")
include("outcomes.jl")
include("schedule.jl")
include("queue.jl")
include("vectors.jl")
include("half_turns.jl")
include("node_order.jl")
include("fast_tables.jl")
include("fast_state.jl")
include("fast_integrator.jl")
include("fast_checks.jl")
include("fast_driver.jl")
include("fast.jl")
include("node_dynamics.jl")
include("dormand_prince_8.jl")
include("tableaus.jl")
include("runge_kutta.jl")
include("crests.jl")
include("stopping.jl")
include("measures.jl")
include("adaptive.jl")
include("simulate.jl")
include("request.jl")
include("entry_points.jl")
include("npy.jl")
include("server.jl")

end
