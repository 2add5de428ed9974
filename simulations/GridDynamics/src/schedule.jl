# The fast method's times, in whole check intervals, so that clocks are exact.

"""Step [s] while the perturbation is fresh; it doubles afterwards."""
const EARLY_STEP = 0.04

"""How long the early step lasts [s]."""
const EARLY_TIME = 40.0

"""Largest early step times fastest oscillation of the network; stiffer grids take shorter steps."""
const LARGEST_PHASE_STEP = 0.8

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
    Schedule(model, rule, horizon; early_step = EARLY_STEP)

Divides the horizon into whole check intervals, and those into whole steps of `early_step`, or
shorter where the fastest oscillation of the network, √(2 max_i Σ_j K_ij / m_i), asks for it.
"""
function Schedule(model::SwingModel, rule::StopRule, horizon::Real; early_step = EARLY_STEP)
    grid = model.grid
    stiffness = maximum(
        sum(Float64[grid.neighbour_coupling[k] for k in neighbour_range(grid, i)]) /
        grid.inertia[i] for i in 1:num_nodes(grid))
    fastest = sqrt(2 * stiffness)
    step = fastest > 0 ? min(early_step, LARGEST_PHASE_STEP / fastest) : early_step
    # Late blocks last two intervals; they must meet the horizon and the windows' ends exactly, so
    # all of these are even.
    intervals = 2 * max(1, ceil(Int, horizon / (2 * rule.check_interval) - 1e-9))
    interval = horizon / intervals
    return Schedule(
        interval,
        ceil(Int, interval / step - 1e-9),
        2 * ceil(Int, EARLY_TIME / (2 * interval) - 1e-9),
        2 * max(1, round(Int, rule.settled_window / (2 * interval))),
        ceil(Int, min(rule.time_to_settle, 2 * horizon) / interval),
        ceil(Int, PUBLISHED_FIRST_TIME / interval - 1e-9),
        intervals,
    )
end

function check(schedule::Schedule)
    s = schedule
    valid = isfinite(s.interval) && s.interval > 0 && s.steps > 0 && s.final > 0 &&
        s.switch >= 0 && s.window > 0 && iseven(s.switch) && iseven(s.window) && iseven(s.final)
    valid || throw(InvalidParameterError("the fast method's schedule is not usable: $schedule"))
end
