# julia --project=simulations/GridDynamics simulations/GridDynamics/test/runtests.jl
using GridDynamics
using LinearAlgebra
using Random
using Test

const G = GridDynamics

include("grids.jl")

@testset "GridDynamics" begin
    include("test_vectors.jl")
    include("test_operating_point.jl")
    include("test_order.jl")
    include("test_stopping.jl")
    include("test_performance.jl")
    include("test_independence.jl")
    include("test_extension.jl")
    include("test_entry_points.jl")
    include("test_server.jl")
end
