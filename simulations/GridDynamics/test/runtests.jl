# julia --project=simulations/GridDynamics simulations/GridDynamics/test/runtests.jl
using GridDynamics
using LinearAlgebra
using Random
using Test

const G = GridDynamics

include("grids.jl")

@testset "GridDynamics" begin
    @time include("test_vectors.jl")
    @time include("test_operating_point.jl")
    @time include("test_order.jl")
    @time include("test_stopping.jl")
    @time include("test_performance.jl")
    @time include("test_independence.jl")
    @time include("test_extension.jl")
    @time include("test_entry_points.jl")
    @time include("test_server.jl")
end
