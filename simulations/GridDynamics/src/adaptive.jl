# Trajectories of the adaptive methods, each on its own: to a stop, or to a time.

"""
    follow!(workspace, window, certificate, measure, solver, rule, horizon, monitor = NoMonitor())

Runs the started trajectory to its stop: status, reason, stop time, largest |ω|. Steps end on the
multiples of the check interval and of the window, so that certified and settled stops happen at
the same times whatever the method. A cancelled trajectory is undecided.
"""
function follow!(w::Workspace, window::Window, certificate::Certificate, measure::Measure,
                 solver::Solver, rule::StopRule, horizon::Float64,
                 monitor::Monitor = NoMonitor())
    nodes = length(w.sine)
    theta, omega = view(w.state, 1:nodes), view(w.state, nodes + 1:2nodes)
    largest = largest_frequency(omega)
    open_first_window!(window, theta)
    reset!(measure)
    measure!(measure, 0.0, theta, omega)
    time = 0.0
    step = first_step(w, solver, horizon)
    checks = windows = 1
    while true
        next_check = rule.certified ? checks * rule.check_interval : Inf
        next_window = rule.settled ? windows * rule.settled_window : Inf
        limit = min(next_check, next_window, horizon)
        before = time
        time, step = adaptive_step!(w, solver, time, limit, step)
        (step == 0 || cancelled(monitor)) && return UNDECIDED, DIVERGED, time, largest
        measure!(measure, time, theta, omega)
        fastest = largest_frequency(omega)
        largest = highest_crest(w, time - before, max(largest, fastest))

        if time >= horizon
            fastest < rule.return_frequency && return RETURNED, AT_HORIZON, time, largest
            trapped = rule.certified &&
                basin_energy(solver.model, theta, omega, certificate) < rule.trapping_energy
            return (trapped ? UNDECIDED : LEFT), AT_HORIZON, time, largest
        end
        if rule.published && time >= PUBLISHED_FIRST_TIME && fastest <= rule.return_frequency
            return RETURNED, PUBLISHED, time, largest
        end
        if time >= next_check
            checks += 1
            energy = basin_energy(solver.model, theta, omega, certificate)
            is_certified(energy, horizon - time, rule) && return RETURNED, CERTIFIED, time, largest
        end
        if rule.settled
            widen_window!(window, omega)
            if time >= next_window
                windows += 1
                close_window!(window, theta, rule) && return LEFT, SETTLED, time, largest
            end
        end
    end
end

"""
    run_adaptive(model, perturbations, rule, horizon; tableau = DOP853, rtol = 1e-9, atol = 1e-9,
                 nodes = SwingNode(), measure = NoMeasure(), threads, monitor)

[`Outcomes`](@ref), and the measure's number of every trajectory. Every trajectory has its own step
size and is the same, bit for bit, in any batch and on any number of threads.
"""
function run_adaptive(model::SwingModel, perturbations::Perturbations, rule::StopRule,
                      horizon::Real; tableau::Tableau = DOP853, rtol::Real = 1e-9,
                      atol::Real = 1e-9, nodes::Nodes = SwingNode(),
                      measure::Measure = NoMeasure(), threads::Integer = Threads.nthreads(),
                      monitor::Monitor = NoMonitor())
    outcomes, values = Outcomes(length(perturbations)), fill(NaN, length(perturbations))
    solver = Solver(model, nodes, tableau, Float64(rtol), Float64(atol))
    run_adaptive!(outcomes, values, solver, perturbations, rule, Float64(horizon), measure, threads,
                  monitor)
    return outcomes, values
end

function run_adaptive!(outcomes::Outcomes, values, solver::Solver, perturbations::Perturbations,
                       rule::StopRule, horizon::Float64, measure::Measure, threads::Integer,
                       monitor::Monitor)
    check(perturbations, solver.model.grid)
    check(solver)
    isfinite(horizon) && horizon > 0 ||
        throw(InvalidParameterError("horizon must be positive and finite, got $horizon"))
    rule.certified && !loses_energy(solver.nodes) && throw(InvalidParameterError(
        "certified stops need a node type that loses energy; take the stop rule 'horizon', or " *
        "define loses_energy for it"))
    queue = Queue(length(perturbations), monitor)
    work(queue; threads = threads) do
        follow_all!(outcomes, values, solver, perturbations, rule, horizon, deepcopy(measure),
                    queue)
    end
end

function follow_all!(outcomes, values, solver::Solver, perturbations, rule, horizon, measure, queue)
    w, certificate = Workspace(solver), Certificate(solver.model)
    window = Window(length(w.sine))
    p = perturbations
    while !cancelled(queue.monitor)
        k = claim!(queue)
        k == 0 && break
        start!(w, solver, p.node[k], p.dtheta[k], p.domega[k])
        outcomes.status[k], outcomes.reason[k], outcomes.stop_time[k], outcomes.max_frequency[k] =
            follow!(w, window, certificate, measure, solver, rule, horizon,
                    queue.monitor)
        values[k] = value(measure)
        finished!(queue.monitor, 1)
    end
end

function check(solver::Solver)
    for (name, tolerance) in (("rtol", solver.rtol), ("atol", solver.atol))
        isfinite(tolerance) && tolerance >= 1e-14 ||
            throw(InvalidParameterError("$name must be at least 1e-14, got $tolerance"))
    end
    check(solver.nodes, solver.model)
end

"""
    adaptive_states(model, perturbations, time; tableau, rtol, atol, nodes)

Phases [rad], not wrapped, and frequencies [rad/s] after `time`, each nodes × trajectories; NaN
where a trajectory left the finite numbers.
"""
function adaptive_states(model::SwingModel, p::Perturbations, time::Real;
                         tableau::Tableau = DOP853, rtol::Real = 1e-9, atol::Real = 1e-9,
                         nodes::Nodes = SwingNode())
    check(p, model.grid)
    isfinite(time) && time >= 0 ||
        throw(InvalidParameterError("time must be at least 0, got $time"))
    solver = Solver(model, nodes, tableau, Float64(rtol), Float64(atol))
    check(solver)
    w = Workspace(solver)
    count = num_nodes(model.grid)
    states = fill(NaN, 2count, length(p))
    for k in 1:length(p)
        start!(w, solver, p.node[k], p.dtheta[k], p.domega[k])
        now, step = 0.0, first_step(w, solver, Float64(time))
        while now < time && step > 0
            now, step = adaptive_step!(w, solver, now, Float64(time), step)
        end
        now >= time && (states[:, k] = w.state)
    end
    return states[1:count, :], states[count + 1:end, :]
end
