# Perturbations in, one outcome a trajectory out; and the rule by which trajectories stop.

"""What became of a trajectory: the state returned, left, or did neither by the horizon."""
const UNDECIDED, LEFT, RETURNED = Int8(-1), Int8(0), Int8(1)

"""Why a trajectory was stopped."""
const AT_HORIZON, CERTIFIED, SETTLED, PUBLISHED, DIVERGED = Int8.(0:4)

const RUNNING = Int8(-2)

"""A grid has returned when every |ω_i| is below this [rad/s] (the published label)."""
const RETURN_FREQUENCY = 0.1

"""The published rule is silent before this time [s]."""
const PUBLISHED_FIRST_TIME = 1.0

"""
    Perturbations(node, dtheta, domega)

Offsets [rad], [rad/s] of one node a trajectory (1-based) from the operating point.
"""
struct Perturbations
    node::Vector{Int}
    dtheta::Vector{Float64}
    domega::Vector{Float64}
end

Base.length(p::Perturbations) = length(p.node)

function check(p::Perturbations, grid::PowerGrid)
    length(p.node) == length(p.dtheta) == length(p.domega) ||
        throw(InvalidParameterError("node, dtheta and domega must be of one length"))
    bad = findfirst(i -> !(1 <= i <= num_nodes(grid)), p.node)
    bad === nothing || throw(InvalidParameterError(
        "no node $(p.node[bad]) to perturb; nodes are 1 to $(num_nodes(grid))"))
end

"""
    Outcomes(count)

One entry a trajectory: `status`, `reason`, `stop_time` [s] and `max_frequency`, the largest |ω_i|
over nodes and steps [rad/s].
"""
struct Outcomes
    status::Vector{Int8}
    reason::Vector{Int8}
    stop_time::Vector{Float64}
    max_frequency::Vector{Float64}
end

Outcomes(count::Integer) =
    Outcomes(fill(UNDECIDED, count), fill(DIVERGED, count), zeros(count), zeros(count))

"""
    StopRule(; published = false, certified = false, settled = false, …)

When a trajectory may stop before the horizon; see [`stop_rule`](@ref) for the rules by name.

* `published`: as returned at the first t ≥ 1 with all |ω_i| ≤ 0.1 (Nauck et al. 2022).
* `certified`: as returned once the energy is below `trapping_energy` inside the basin box and
  `time_to_settle` is left to the horizon, or below `quiet_energy`.
* `settled`: as left once two windows of `settled_window` [s] agree to `settled_tolerance` in every
  node's mean, largest and smallest frequency, some mean exceeding `settled_frequency`.
* `check_interval`: time between two checks of the energy [s].
"""
Base.@kwdef struct StopRule
    published::Bool = false
    certified::Bool = false
    settled::Bool = false
    trapping_energy::Float64 = 0.0
    quiet_energy::Float64 = 0.0
    time_to_settle::Float64 = Inf
    return_frequency::Float64 = RETURN_FREQUENCY
    settled_window::Float64 = 10.0
    settled_tolerance::Float64 = 0.02
    settled_frequency::Float64 = 1.0
    check_interval::Float64 = 1.0
end

const STOP_RULES = (
    horizon = (),
    published = (:published,),
    certified = (:certified,),
    fast = (:certified, :settled),
)

"""
    stop_rule(name, model; margin = 0.97, settling = 10.0)

The rule `"horizon"`, `"published"`, `"certified"` or `"fast"` (certified and settled) with the
energies of this model: `margin` of the lowest barrier traps, and a certified stop leaves
`settling` of the grid's slowest time constants to the horizon (m/D, or longer in creeping grids).
Where that constant exceeds the published 10 s, the settled window of 10 s is longer in proportion.
"""
function stop_rule(name::AbstractString, model::SwingModel; margin = 0.97, settling = 10.0)
    haskey(STOP_RULES, Symbol(name)) || throw(InvalidParameterError(
        "unknown stop rule '$name'; choose one of $(join(keys(STOP_RULES), ", "))"))
    flags = STOP_RULES[Symbol(name)]
    trapping = margin * model.lowest_barrier
    # ½ m ω² is at most the energy; 2 % cover rounding. A slow state may yet cross a lower barrier.
    quiet = min(0.98 * 0.5 * minimum(model.grid.inertia) * RETURN_FREQUENCY^2, trapping)
    # Swings decay at half of D/m.
    rate = 2 * slowest_decay(model)
    return StopRule(
        published = :published in flags,
        certified = :certified in flags,
        settled = :settled in flags,
        trapping_energy = trapping,
        quiet_energy = quiet,
        time_to_settle = rate > 0 ? settling / rate : Inf,
        # In whole late blocks of the fast method, so that all methods compare the same windows.
        settled_window = rate > 0 ? max(10.0, 2 * ceil(1 / (2 * rate) - 1e-9)) : Inf,
        # The published rule looks at instants and needs a finer check.
        check_interval = :published in flags ? 0.2 : 1.0,
    )
end
