# What is taken of every trajectory: the place to add a measure.

"""
    Measure

One number of every trajectory, taken while an adaptive method follows it. A measure of your own is
a mutable subtype with three methods:

* `GridDynamics.reset!(m::MyMeasure)`: a trajectory begins;
* `GridDynamics.measure!(m::MyMeasure, t, theta, omega)`: the state at its start and after every
  accepted step; the vectors are views that must not be kept or changed;
* `GridDynamics.value(m::MyMeasure)`: the trajectory's number, once it has ended.

Every thread works with a `deepcopy`. Where a trajectory stops early, the measure ends with it; take
the stop rule `"horizon"` for measures that need all of it.
"""
abstract type Measure end

"""Nothing is measured."""
struct NoMeasure <: Measure end

reset!(::Measure) = nothing
measure!(::NoMeasure, t, theta, omega) = nothing
value(::NoMeasure) = NaN

"""
    snbs(outcomes, perturbations, nodes)

Single-node basin stability: the share of every node's trajectories that returned.
"""
snbs(o::Outcomes, p::Perturbations, nodes::Integer) =
    share_of_nodes(k -> o.status[k] == RETURNED, p, nodes)

"""
    survivability(outcomes, perturbations, nodes; bound = 15.0)

Share of every node's trajectories in which all |ω_i| stay below `bound` [rad/s].
"""
survivability(o::Outcomes, p::Perturbations, nodes::Integer; bound::Real = 15.0) =
    share_of_nodes(k -> o.max_frequency[k] < bound, p, nodes)

"""
    max_frequency_deviation(outcomes, perturbations, nodes)

Largest |ω| in any of a node's trajectories [rad/s].
"""
function max_frequency_deviation(o::Outcomes, p::Perturbations, nodes::Integer)
    largest = zeros(nodes)
    for (k, i) in enumerate(p.node)
        largest[i] = max(largest[i], o.max_frequency[k])
    end
    return largest
end

"""
    node_means(values, perturbations, nodes)

Mean over every node's trajectories of one number a trajectory; NaN where a node has none.
"""
function node_means(values::AbstractVector, p::Perturbations, nodes::Integer)
    total, count = zeros(nodes), zeros(Int, nodes)
    for (k, i) in enumerate(p.node)
        total[i] += values[k]
        count[i] += 1
    end
    return total ./ count
end

share_of_nodes(holds, p, nodes) = node_means(Float64[holds(k) for k in 1:length(p)], p, nodes)
