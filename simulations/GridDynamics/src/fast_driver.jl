# The loop over blocks of steps: lanes are filled, advanced, checked, and refilled at once.
#
# The system is autonomous, so every lane has its own clock, and a finished trajectory's lane is
# given to the next one without waiting for the others. No operation mixes lanes, so an outcome does
# not depend on its neighbours, its lane or the batch.

const EXTREMES_EVERY = 4

"""`count` steps; updates the largest frequency so far and the quietest step of the block."""
function advance_block!(state::FastState{N,T}, tables::FastTables{N,T}, count::Int,
                        track::Bool) where {N,T}
    peak = state.lane[PEAK]
    quietest = Vec{N,T}(UNSET)
    for step in 1:count
        displace!(state, tables)
        fastest = kick_and_drift!(state, tables, step == 1 ? T(0.5) : T(1))
        peak = max(fastest, peak)
        quietest = min(fastest, quietest)
        track && step % EXTREMES_EVERY == 0 && track_extremes!(state)
    end
    displace!(state, tables)
    half_kick!(state, tables)
    state.lane[PEAK] = peak
    state.lane[QUIETEST] = quietest
    return nothing
end

"""(status, reason) of a lane after a block; RUNNING where it goes on."""
function decide(rule::StopRule, schedule::Schedule, clock::Int, rows::Rows, lane::Int)
    fastest = rows[FASTEST, lane]
    energy = rows[KINETIC, lane] + rows[POTENTIAL, lane]
    (isfinite(energy) && isfinite(fastest)) || return UNDECIDED, DIVERGED
    in_box = rule.certified && rows[WINDING, lane] < 0.25
    trapped = in_box && energy < rule.trapping_energy
    quietest = min(rows[QUIETEST, lane], fastest)
    if rule.published && clock > schedule.not_before && quietest <= rule.return_frequency
        return RETURNED, PUBLISHED
    elseif clock >= schedule.final
        fastest < rule.return_frequency && return RETURNED, AT_HORIZON
        return (trapped ? UNDECIDED : LEFT), AT_HORIZON
    elseif trapped && schedule.final - clock >= schedule.time_to_settle
        return RETURNED, CERTIFIED
    elseif in_box && energy < rule.quiet_energy
        return RETURNED, CERTIFIED
    elseif rows[CLOSING, lane] > 0 && rows[CHANGE, lane] < rule.settled_tolerance &&
           rows[MEAN, lane] > rule.settled_frequency
        return LEFT, SETTLED
    end
    return RUNNING, AT_HORIZON
end

"""What a worker knows of its lanes: the trajectory (0: none), its clock, its window's end."""
struct Clocks
    trajectory::Vector{Int}
    clock::Vector{Int}
    window_end::Vector{Int}
end

Clocks(lanes::Integer) = Clocks((zeros(Int, lanes) for _ in 1:3)...)

"""
    run_lanes!(outcomes, state, clocks, tables, schedule, rule, perturbations, queue)

Simulates what it can claim from the queue, until that is empty or the work is cancelled. Allocates
nothing.
"""
function run_lanes!(outcomes::Outcomes, state::FastState{N,T}, clocks::Clocks,
                    tables::FastTables{N,T}, schedule::Schedule, rule::StopRule,
                    perturbations::Perturbations, queue::Queue) where {N,T}
    fill!(clocks.trajectory, 0)
    GC.@preserve state while !cancelled(queue.monitor)
        fill_lanes!(state, clocks, tables, schedule, perturbations, queue) || break
        advance_block!(state, tables, schedule.steps, rule.settled)
        check_lanes!(state, clocks, tables, schedule, rule)
        collect_outcomes!(outcomes, state, clocks, schedule, rule, queue)
    end
    return nothing
end

"""Fills free lanes and doubles the step where it is time; whether any lane is taken."""
function fill_lanes!(state::FastState{N,T}, clocks::Clocks, tables::FastTables{N,T},
                     schedule::Schedule, perturbations::Perturbations, queue::Queue) where {N,T}
    live = false
    for lane in 1:N
        @inbounds if clocks.trajectory[lane] == 0
            k = claim!(queue)
            k == 0 && continue
            row = tables.rank[perturbations.node[k]]
            fill_lane!(state, tables, lane, row, perturbations.dtheta[k], perturbations.domega[k])
            process_around!(state, tables, lane, row, tables.step_table[PROCESSOR, 1])
            clocks.trajectory[lane] = k
            clocks.clock[lane] = 0
            clocks.window_end[lane] = schedule.window
        elseif clocks.clock[lane] == schedule.switch && state.steps[IS_LATE, lane] == 0
            set_step!(state, tables, lane, true)
            process!(state, tables, lane,
                     tables.step_table[PROCESSOR, 2] - tables.step_table[PROCESSOR, 1])
        end
        live = true
    end
    return live
end

"""Advances the clocks, and evaluates the tests that some lane needs."""
function check_lanes!(state::FastState{N,T}, clocks::Clocks, tables::FastTables{N,T},
                      schedule::Schedule, rule::StopRule) where {N,T}
    wrap_angles!(state)
    kinetic_energy!(state, tables)
    slow = closing = false
    for lane in 1:N
        state.lane[CLOSING, lane] = 0
        state.lane[POTENTIAL, lane] = 0
        state.lane[WINDING, lane] = 1
        @inbounds clocks.trajectory[lane] == 0 && continue
        @inbounds clocks.clock[lane] += state.steps[IS_LATE, lane] > 0 ? 2 : 1
        slow |= state.lane[KINETIC, lane] < rule.trapping_energy
        @inbounds if clocks.clock[lane] == clocks.window_end[lane]
            clocks.window_end[lane] += schedule.window
            state.lane[CLOSING, lane] = 1
            closing = true
        end
    end
    if rule.certified && slow
        potential_energy!(state, tables.lines)
        winding!(state, tables.lines)
    end
    rule.settled && closing && close_windows!(state, schedule.window * schedule.interval)
    return nothing
end

"""Writes what has ended, and frees its lanes."""
function collect_outcomes!(outcomes::Outcomes, state::FastState{N,T}, clocks::Clocks,
                           schedule::Schedule, rule::StopRule, queue::Queue) where {N,T}
    ended = 0
    for lane in 1:N
        @inbounds k = clocks.trajectory[lane]
        k == 0 && continue
        @inbounds clock = clocks.clock[lane]
        status, reason = decide(rule, schedule, clock, state.lane, lane)
        status == RUNNING && continue
        @inbounds outcomes.status[k] = status
        @inbounds outcomes.reason[k] = reason
        @inbounds outcomes.stop_time[k] = clock * schedule.interval
        @inbounds outcomes.max_frequency[k] = max(state.lane[PEAK, lane], state.lane[FASTEST, lane])
        @inbounds clocks.trajectory[lane] = 0
        ended += 1
    end
    ended > 0 && finished!(queue.monitor, ended)
    return nothing
end
