# The fast method's times, in whole check intervals, so that clocks are exact.

"""Step [s] while the perturbation is fresh; it doubles afterwards."""
const EARLY_STEP = 0.04

"""How long the early step lasts [s], at least."""
const EARLY_TIME = 40.0

"""How often the slowest node's frequency has decayed by 1/e before the step doubles."""
const EARLY_DECAYS = 4.0

"""Largest early step times fastest oscillation of the network; stiffer grids take shorter steps."""
const LARGEST_PHASE_STEP = 0.8

"""Largest early step times fastest damping D/m."""
const LARGEST_DECAY_STEP = 0.2

"""Frequency offsets up to this need no shorter step [rad/s]."""
const USUAL_OFFSET = 15.0

"""Largest early step times fastest rotation [rad]."""
const LARGEST_ROTATION_STEP = EARLY_STEP * USUAL_OFFSET

"""Steps a trajectory, some 3,000 times the usual number, beyond which a grid is refused."""
const MOST_STEPS = 20_000_000

"""Shorter steps [s] add so little to a phase that single precision would round it away."""
const SHORTEST_SINGLE_STEP = 0.0005

"""Stronger damping D/m [1/s] lets phases creep so slowly that they stick in single precision."""
const STRONGEST_SINGLE_FRICTION = 40.0

"""Error of one line's energy in single precision, in units of its coupling."""
const SINGLE_ROUNDING = 4e-7

"""
    Schedule

`interval`: length of a check interval [s]; an early block lasts one, a late block two. `steps`: of
a block. `switch`: when a lane doubles its step. `final`: the horizon. `window`, `time_to_settle`:
as in [`StopRule`](@ref). `not_before`: the published rule holds after this.
"""
struct Schedule
    interval::Float64
    steps::Int
    switch::Int
    window::Int
    time_to_settle::Int
    not_before::Int
    final::Int
end

"""
    Schedule(model, rule, horizon; early_step = EARLY_STEP, fastest_offset = USUAL_OFFSET)

Divides the horizon into whole check intervals, and those into whole steps of `early_step`, or
shorter where something in the grid is faster: its lines (√(2 Σ_j K_ij / m_i)), its damping (D/m),
or a rotating node (|P|/D, or the largest frequency offset of the perturbations). Throws
[`InvalidParameterError`](@ref) where a trajectory would take more than `MOST_STEPS` steps.
"""
function Schedule(model::SwingModel, rule::StopRule, horizon::Real; early_step = EARLY_STEP,
                  fastest_offset = USUAL_OFFSET)
    grid = model.grid
    swing = sqrt(2 * maximum(
        sum(Float64[grid.neighbour_coupling[k] for k in neighbour_range(grid, i)]) /
        grid.inertia[i] for i in 1:num_nodes(grid)))
    friction = grid.damping ./ grid.inertia
    rotation = max(fastest_offset, maximum(
        abs.(grid.power) ./ grid.inertia .*
        [γ > 0 ? -expm1(-γ * horizon) / γ : horizon for γ in friction]))
    step = min(early_step, LARGEST_PHASE_STEP / swing, LARGEST_DECAY_STEP / maximum(friction),
               LARGEST_ROTATION_STEP / rotation)
    slowest = minimum(friction)
    early_time = min(slowest > 0 ? max(EARLY_TIME, EARLY_DECAYS / slowest) : Inf,
                     max(horizon, EARLY_TIME))
    steps = (horizon + min(early_time, horizon)) / (2 * step)
    steps <= MOST_STEPS || throw(InvalidParameterError(
        "a horizon of $horizon s takes $steps steps of $step s, more than $MOST_STEPS: the lines " *
        "swing at up to $swing rad/s (√(2 ΣK/m)), frequencies decay at up to $(maximum(friction)) " *
        "1/s (D/m), nodes turn at up to $rotation rad/s; shorten the horizon to " *
        "$(MOST_STEPS * step) s, or check the units of inertia, damping, coupling and power"))
    # Late blocks last two intervals; they must meet the horizon and the windows' ends exactly, so
    # all of these are even.
    intervals = 2 * max(1, ceil(Int, horizon / (2 * rule.check_interval) - 1e-9))
    interval = horizon / intervals
    return Schedule(
        interval,
        ceil(Int, interval / step - 1e-9),
        2 * ceil(Int, early_time / (2 * interval) - 1e-9),
        2 * max(1, round(Int, min(rule.settled_window, 2 * horizon) / (2 * interval))),
        ceil(Int, min(rule.time_to_settle, 2 * horizon) / interval),
        ceil(Int, PUBLISHED_FIRST_TIME / interval - 1e-9),
        intervals,
    )
end

"""Float32 where it resolves what a step adds, and the energy that the certificate compares."""
function number_type(model::SwingModel, rule::StopRule, schedule::Schedule)
    rounding = SINGLE_ROUNDING * norm(model.grid.coupling)
    resolved = !rule.certified || rounding <= model.lowest_barrier / 100
    creeps = maximum(model.grid.damping ./ model.grid.inertia) > STRONGEST_SINGLE_FRICTION
    fine = resolved && !creeps && schedule.interval / schedule.steps >= SHORTEST_SINGLE_STEP
    return fine ? Float32 : Float64
end

function check(schedule::Schedule)
    s = schedule
    valid = isfinite(s.interval) && s.interval > 0 && s.steps > 0 && s.final > 0 &&
        s.switch >= 0 && s.window > 0 && iseven(s.switch) && iseven(s.window) && iseven(s.final)
    valid || throw(InvalidParameterError("the fast method's schedule is not usable: $schedule"))
end
