# The fast method as a whole: trajectories to their stops, or states after a time.

"""
    run_fast(model, perturbations, rule, schedule; precision, threads, monitor)

[`Outcomes`](@ref) of the processed Takahashi–Imada method; the same, bit for bit, in any batch and
on any number of threads. `precision` is `Float32` unless the steps are too short for it, or the
couplings too different.
"""
function run_fast(model::SwingModel, perturbations::Perturbations, rule::StopRule,
                  schedule::Schedule; precision::Type = number_type(model, rule, schedule),
                  threads::Integer = Threads.nthreads(), monitor::Monitor = NoMonitor())
    return run_fast!(Outcomes(length(perturbations)), model, perturbations, rule, schedule,
                     precision, threads, monitor)
end

function run_fast!(outcomes::Outcomes, model::SwingModel, perturbations::Perturbations,
                   rule::StopRule, schedule::Schedule, ::Type{T}, threads::Integer,
                   monitor::Monitor) where {T}
    check(perturbations, model.grid)
    check(schedule)
    tables = FastTables{lanes(T),T}(model, schedule.interval / schedule.steps)
    run_tables!(outcomes, tables, perturbations, rule, schedule, threads, monitor)
    return outcomes
end

function run_tables!(outcomes, tables::FastTables{N,T}, perturbations, rule, schedule, threads,
                     monitor) where {N,T}
    queue = Queue(length(perturbations), monitor)
    work(queue; threads = threads) do
        state = FastState{N,T}(length(tables.order), length(tables.lines.tail))
        run_lanes!(outcomes, state, Clocks(N), tables, schedule, rule, perturbations, queue)
    end
end

"""
    fast_states(model, perturbations, time; step = EARLY_STEP, precision = Float32)

Phases [rad] and frequencies [rad/s] after `time`, each nodes × trajectories, in equal steps of at
most `step`.
"""
function fast_states(model::SwingModel, perturbations::Perturbations, time::Real;
                     step::Real = EARLY_STEP, precision::Type{T} = Float32) where {T}
    check(perturbations, model.grid)
    isfinite(time) && time >= 0 ||
        throw(InvalidParameterError("time must be at least 0, got $time"))
    count = ceil(Int, time / step - 1e-9)
    h = count == 0 ? Float64(step) : time / count
    tables = FastTables{lanes(T),T}(model, h)
    nodes, total = length(tables.order), length(perturbations)
    theta, omega = zeros(nodes, total), zeros(nodes, total)
    state = FastState{lanes(T),T}(nodes, num_lines(model.grid))
    for first in 1:lanes(T):total
        batch = first:min(first + lanes(T) - 1, total)
        advance!(theta, omega, state, tables, perturbations, batch, count)
    end
    return theta, omega
end

function advance!(theta, omega, state::FastState{N,T}, tables::FastTables{N,T}, perturbations,
                  batch, count) where {N,T}
    GC.@preserve state begin
        strength = tables.step_table[PROCESSOR, 1]
        for (lane, k) in enumerate(batch)
            fill_lane!(state, tables, lane, tables.rank[perturbations.node[k]],
                       perturbations.dtheta[k], perturbations.domega[k])
            count > 0 && process!(state, tables, lane, strength)
        end
        # Without the half kicks of an empty block.
        count > 0 && advance_block!(state, tables, count, false)
        for (lane, k) in enumerate(batch)
            count > 0 && process!(state, tables, lane, -strength)
            for (row, node) in enumerate(tables.order)
                theta[node, k] = π * state.theta[row, lane]
                omega[node, k] = state.omega[row, lane]
            end
        end
    end
end
