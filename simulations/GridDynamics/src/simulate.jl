# The call for users of Julia: label the nodes of a grid.

"""
    Stability

What [`simulate`](@ref) gives, one row a node: `snbs`, `survivability` (|ω| < 15 rad/s),
`max_frequency_deviation` [rad/s], and, where a measure was given, `measure`, the mean of its
numbers. `perturbations`, `outcomes` and `values` hold every trajectory.
"""
struct Stability
    snbs::Vector{Float64}
    survivability::Vector{Float64}
    max_frequency_deviation::Vector{Float64}
    measure::Vector{Float64}
    perturbations::Perturbations
    outcomes::Outcomes
    values::Vector{Float64}
end

Base.show(io::IO, s::Stability) = print(
    io, "Stability of $(length(s.snbs)) nodes from $(length(s.perturbations)) trajectories, ",
    "mean SNBS $(round(sum(s.snbs) / length(s.snbs); digits = 4))")

"""
    random_perturbations(grid, samples; seed = 0, dtheta_range = π, domega_range = 15.0)

`samples` a node, in the order of the nodes: phase offsets uniform on ±`dtheta_range` [rad] and
frequency offsets uniform on ±`domega_range` [rad/s] (Nauck et al. 2022). Every node has a stream of
its own, so that its draws do not depend on the other nodes.
"""
function random_perturbations(grid::PowerGrid, samples::Integer; seed::Integer = 0,
                              dtheta_range::Real = π, domega_range::Real = 15.0)
    samples >= 1 || throw(InvalidParameterError("samples must be at least 1, got $samples"))
    seed >= 0 || throw(InvalidParameterError("seed must be at least 0, got $seed"))
    nodes = num_nodes(grid)
    dtheta, domega = zeros(samples, nodes), zeros(samples, nodes)
    for i in 1:nodes
        rng = MersenneTwister(UInt32[seed & 0xffffffff, seed >> 32, i])
        dtheta[:, i] = (2 .* rand(rng, samples) .- 1) .* dtheta_range
        domega[:, i] = (2 .* rand(rng, samples) .- 1) .* domega_range
    end
    return Perturbations(repeat(1:nodes; inner = samples), vec(dtheta), vec(domega))
end

const METHODS = ("fast", "tsit5", "dop853")

"""
    simulate(grid; samples = 1000, seed = 0, method = "fast", stop = "fast", horizon = 500.0,
             tolerance = 1e-9, nodes = SwingNode(), measure = NoMeasure(), threads = nthreads())

Stability of every node of a [`PowerGrid`](@ref) from random perturbations of one node at a time.

* `method`: `"fast"`, `"tsit5"` or `"dop853"`; the latter two to `tolerance`.
* `stop`: `"horizon"`, `"published"`, `"certified"` or `"fast"`, see [`stop_rule`](@ref).
* `nodes`, `measure`: see [`NodeDynamics`](@ref) and [`Measure`](@ref); only for adaptive methods.

```julia
julia> grid = PowerGrid([(1, 2), (2, 3), (1, 3)], [1.0, 1.0, -2.0]);

julia> simulate(grid; samples = 100)
```
"""
function simulate(grid::PowerGrid; samples::Integer = 1000, seed::Integer = 0,
                  method::AbstractString = "fast", stop::AbstractString = "fast",
                  horizon::Real = 500.0, tolerance::Real = 1e-9, nodes::Nodes = SwingNode(),
                  measure::Measure = NoMeasure(), threads::Integer = Threads.nthreads())
    method in METHODS || throw(InvalidParameterError(
        "unknown method '$method'; choose one of $(join(METHODS, ", "))"))
    model = SwingModel(grid)
    rule = stop_rule(stop, model)
    p = random_perturbations(grid, samples; seed = seed)
    if method == "fast"
        check_fast(nodes, measure)
        outcomes = run_fast(model, p, rule, Schedule(model, rule, horizon); threads = threads)
        values = fill(NaN, length(p))
    else
        outcomes, values = run_adaptive(
            model, p, rule, horizon; tableau = method == "tsit5" ? TSIT5 : DOP853,
            rtol = tolerance, atol = tolerance, nodes = nodes, measure = measure,
            threads = threads)
    end
    count = num_nodes(grid)
    return Stability(snbs(outcomes, p, count), survivability(outcomes, p, count),
                     max_frequency_deviation(outcomes, p, count), node_means(values, p, count),
                     p, outcomes, values)
end

check_fast(nodes, measure) = nodes isa SwingNode && measure isa NoMeasure ||
    throw(InvalidParameterError("node types and measures need an adaptive method: tsit5 or dop853"))
