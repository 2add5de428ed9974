# A request of another program: one structure, the same for both sides, eight bytes a field.

"""
    Request

Arrays are the caller's and contiguous; outputs are written in place. Nodes are counted from 0, as
in C. The same fields in the same order are a `ctypes.Structure` in Python.

`method` is 0 (fast), 1 (Tsitouras 5(4)) or 2 (Dormand–Prince 8(5,3)), the latter two with `rtol`
and `atol`. `published` to `settled_frequency` are the [`StopRule`](@ref); `interval` to `final` the
[`Schedule`](@ref) of the fast method. `line_ends` is 2 × lines for Julia.
"""
struct Request
    nodes::Int64
    lines::Int64
    trajectories::Int64
    line_ends::Ptr{Int64}
    power::Ptr{Float64}
    inertia::Ptr{Float64}
    damping::Ptr{Float64}
    coupling::Ptr{Float64}
    theta::Ptr{Float64}
    node::Ptr{Int64}
    dtheta::Ptr{Float64}
    domega::Ptr{Float64}
    status::Ptr{Int8}
    reason::Ptr{Int8}
    stop_time::Ptr{Float64}
    max_frequency::Ptr{Float64}
    method::Int64
    rtol::Float64
    atol::Float64
    published::Int64
    certified::Int64
    settled::Int64
    trapping_energy::Float64
    quiet_energy::Float64
    time_to_settle::Float64
    return_frequency::Float64
    settled_window::Float64
    settled_tolerance::Float64
    settled_frequency::Float64
    horizon::Float64
    interval::Float64
    steps::Int64
    switch::Int64
    window::Int64
    time_to_settle_intervals::Int64
    not_before::Int64
    final::Int64
    check_interval::Float64
    threads::Int64
    done::Ptr{Int64}
    cancel::Ptr{Int64}
    message::Ptr{UInt8}
    message_length::Int64
end

"""
    Problem

A request in Julia's terms, whether it came as a structure or as files.
"""
struct Problem
    model::SwingModel
    perturbations::Perturbations
    rule::StopRule
    schedule::Schedule
    horizon::Float64
    method::Int
    rtol::Float64
    atol::Float64
    threads::Int
end

"""
    Problem(numbers, arrays...)

From an object with the scalar fields of [`Request`](@ref), and arrays with nodes counted from 0.
"""
function Problem(numbers, line_ends::AbstractMatrix, power, inertia, damping, coupling, theta, node,
                 dtheta, domega)
    n = numbers
    0 <= n.method <= 2 ||
        throw(InvalidParameterError("unknown method $(n.method); it is 0, 1 or 2"))
    grid = PowerGrid(line_ends .+ 1, power; inertia = inertia, damping = damping,
                     coupling = coupling)
    rule = StopRule(
        n.published != 0, n.certified != 0, n.settled != 0, n.trapping_energy, n.quiet_energy,
        n.time_to_settle, n.return_frequency, n.settled_window, n.settled_tolerance,
        n.settled_frequency, n.check_interval)
    schedule = Schedule(n.interval, n.steps, n.switch, n.window, n.time_to_settle_intervals,
                        n.not_before, n.final)
    perturbations = Perturbations(node .+ 1, dtheta, domega)
    return Problem(SwingModel(grid, theta), perturbations, rule, schedule, n.horizon, n.method,
                   n.rtol, n.atol, n.threads)
end

tableau_of(p::Problem) = p.method == 1 ? TSIT5 : DOP853

"""
    run!(outcomes, values, problem, monitor; nodes = SwingNode(), measure = NoMeasure())

Fills the outcomes and the measure's numbers.
"""
function run!(outcomes::Outcomes, values, p::Problem, monitor::Monitor;
              nodes::Nodes = SwingNode(), measure::Measure = NoMeasure())
    if p.method == 0
        check_fast(nodes, measure)
        run_fast!(outcomes, p.model, p.perturbations, p.rule, p.schedule,
                  number_type(p.model, p.rule, p.schedule), p.threads, monitor)
    else
        solver = Solver(p.model, nodes, tableau_of(p), p.rtol, p.atol)
        run_adaptive!(outcomes, values, solver, p.perturbations, p.rule, p.horizon, measure,
                      p.threads, monitor)
    end
    return nothing
end

"""
    states(problem, time; nodes = SwingNode())

Phases and frequencies after `time`, each nodes × trajectories. The fast method divides the time
into equal steps of at most its early step.
"""
function states(p::Problem, time::Float64; nodes::Nodes = SwingNode())
    if p.method == 0
        check_fast(nodes, NoMeasure())
        check(p.schedule)
        return fast_states(p.model, p.perturbations, time;
                           step = p.schedule.interval / p.schedule.steps,
                           precision = number_type(p.model, p.rule, p.schedule))
    end
    return adaptive_states(p.model, p.perturbations, time; tableau = tableau_of(p), rtol = p.rtol,
                           atol = p.atol, nodes = nodes)
end
