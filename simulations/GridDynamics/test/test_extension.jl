include(joinpath(@__DIR__, "..", "..", "examples", "dead_band.jl"))

"""Takes what it is shown, to see what that is."""
mutable struct Recorder <: Measure
    times::Vector{Float64}
    largest::Float64
end

G.reset!(m::Recorder) = (empty!(m.times); m.largest = 0.0)
function G.measure!(m::Recorder, t, theta, omega)
    push!(m.times, t)
    m.largest = max(m.largest, maximum(abs, omega))
end
G.value(m::Recorder) = issorted(m.times) && m.times[1] == 0 ? m.largest : NaN

"""Accelerates at the operating point, which is not allowed."""
struct Restless <: NodeDynamics end
G.acceleration(::Restless, grid, i, theta, omega, inflow) = 1.0

"""A node type that nobody has vouched for."""
struct Plain <: NodeDynamics end
G.acceleration(::Plain, arguments...) = G.acceleration(SwingNode(), arguments...)

@testset "extension" begin
    grid = mesh(10)
    run(; options...) = simulate(grid; samples = 8, seed = 2, method = "tsit5", tolerance = 1e-7,
                                 horizon = 60.0, options...)

    @testset "a node type" begin
        plain = run(; stop = "horizon")
        controlled = run(; stop = "horizon", nodes = DeadBand(0.05, 1.0))
        @test sum(controlled.snbs) > sum(plain.snbs)
        # A band that is never left changes nothing, bit for bit.
        idle = run(; stop = "horizon", nodes = DeadBand(1e6, 1.0))
        @test same(idle.outcomes, plain.outcomes)
        @test same(run(; stop = "horizon", nodes = Plain()).outcomes, plain.outcomes)
    end

    @testset "node types may differ" begin
        kinds = Union{SwingNode,DeadBand}[i <= 5 ? SwingNode() : DeadBand(0.05, 1.0) for i in 1:10]
        mixed = run(; stop = "certified", nodes = kinds)
        swing = Union{SwingNode,DeadBand}[SwingNode() for _ in 1:10]
        all_swing = run(; stop = "certified", nodes = swing)
        @test same(all_swing.outcomes, run(; stop = "certified").outcomes)
        @test !same(mixed.outcomes, all_swing.outcomes)
    end

    @testset "a measure" begin
        s = run(; stop = "certified", measure = Recorder(Float64[], 0.0))
        # A measure is taken at the steps; the crests between them are a little higher.
        @test all(s.values .<= s.outcomes.max_frequency .<= 1.02 .* s.values)
        s = run(; stop = "horizon", measure = TimeAbove(0.0))
        @test s.values ≈ fill(60.0, 80)
        brief = run(; stop = "horizon", measure = TimeAbove(1.0))
        @test all(0 .<= brief.values .<= 60)
        @test brief.measure ≈ [sum(brief.values[8i - 7:8i]) / 8 for i in 1:10]
    end

    @testset "what is refused" begin
        @test_throws G.InvalidParameterError run(; nodes = Restless(), stop = "horizon")
        @test_throws G.InvalidParameterError run(; nodes = Plain(), stop = "certified")
        @test_throws G.InvalidParameterError run(; nodes = [SwingNode()])
        @test_throws G.InvalidParameterError simulate(grid; nodes = DeadBand(0.1, 1.0))
        @test_throws G.InvalidParameterError simulate(grid; measure = TimeAbove(1.0))
        @test_throws G.InvalidParameterError simulate(grid; method = "euler")
        @test_throws G.InvalidParameterError simulate(grid; samples = 0)
    end

    @testset "simulate" begin
        s = simulate(grid; samples = 40, seed = 7)
        @test all(0 .<= s.snbs .<= 1)
        @test s.snbs == [count(==(G.RETURNED), s.outcomes.status[40i - 39:40i]) / 40 for i in 1:10]
        largest(i) = maximum(s.outcomes.max_frequency[40i - 39:40i])
        @test s.max_frequency_deviation == largest.(1:10)
        @test all((s.survivability .== 1) .== (s.max_frequency_deviation .< 15))
        @test same(simulate(grid; samples = 40, seed = 7).outcomes, s.outcomes)
        @test !same(simulate(grid; samples = 40, seed = 8).outcomes, s.outcomes)
        exact = simulate(grid; samples = 40, seed = 7, method = "dop853", tolerance = 1e-8)
        @test abs(sum(exact.snbs) - sum(s.snbs)) / 10 < 0.03
    end
end
