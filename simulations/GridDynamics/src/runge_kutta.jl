# One step of any explicit embedded Runge–Kutta method, with error control.
#
# Error norm, step control and first step are those of Hairer, Nørsett and Wanner, Solving Ordinary
# Differential Equations I, sections II.4 and II.5, with SciPy's constants, so that both take the
# same steps.

const SAFETY = 0.9
const SMALLEST_FACTOR = 0.2
const LARGEST_FACTOR = 10.0

"""
    Workspace(nodes, stages)

The arrays of one trajectory; column 1 of `slopes` belongs to `state` between steps. `theta` and
`omega` are the halves of `state`. `old_state` and `old_slope` are those before the last accepted
step.
"""
struct Workspace
    state::Vector{Float64}
    new_state::Vector{Float64}
    slopes::Matrix{Float64}
    sine::Vector{Float64}
    cosine::Vector{Float64}
    old_state::Vector{Float64}
    old_slope::Vector{Float64}
end

Workspace(nodes::Integer, stages::Integer) = Workspace(
    zeros(2nodes), zeros(2nodes), zeros(2nodes, stages + 1), zeros(nodes), zeros(nodes),
    zeros(2nodes), zeros(2nodes))

"""
    Solver(model, nodes, tableau, rtol, atol)

An adaptive method for a model; shared by threads, each with a [`Workspace`](@ref) of its own.
"""
struct Solver{D<:Nodes}
    model::SwingModel
    nodes::D
    tableau::Tableau
    rtol::Float64
    atol::Float64
end

Workspace(solver::Solver) = Workspace(num_nodes(solver.model.grid), length(solver.tableau.weights))

@inline evaluate!(w::Workspace, solver::Solver, state, column) = right_hand_side!(
    view(w.slopes, :, column), state, w.sine, w.cosine, solver.model.grid, solver.nodes)

"""Puts the operating point with one node perturbed into the workspace."""
function start!(w::Workspace, solver::Solver, node::Int, dtheta::Float64, domega::Float64)
    nodes = length(w.sine)
    copyto!(w.state, solver.model.theta)
    fill!(view(w.state, nodes + 1:2nodes), 0.0)
    w.state[node] += dtheta
    w.state[nodes + node] += domega
    evaluate!(w, solver, w.state, 1)
    return nothing
end

"""new_state = state + step Σ_k coefficients[k] slopes[:, k] over the first `count` slopes."""
@inline function combine!(w::Workspace, coefficients, count::Int, step::Float64)
    copyto!(w.new_state, w.state)
    @inbounds for stage in 1:count
        weight = step * coefficients[stage]
        weight == 0 && continue
        @simd for i in 1:length(w.new_state)
            w.new_state[i] = muladd(weight, w.slopes[i, stage], w.new_state[i])
        end
    end
end

"""Fills `new_state` and all slopes; the last slope belongs to `new_state`."""
function attempt_step!(w::Workspace, solver::Solver, step::Float64)
    stages = length(solver.tableau.weights)
    for stage in 2:stages
        combine!(w, view(solver.tableau.matrix, :, stage), stage - 1, step)
        evaluate!(w, solver, w.new_state, stage)
    end
    combine!(w, solver.tableau.weights, stages, step)
    evaluate!(w, solver, w.new_state, stages + 1)
    return nothing
end

"""The new state becomes the state."""
function accept_step!(w::Workspace)
    copyto!(w.old_state, w.state)
    copyto!(w.state, w.new_state)
    last = size(w.slopes, 2)
    @inbounds @simd for i in 1:length(w.state)
        w.old_slope[i] = w.slopes[i, 1]
        w.slopes[i, 1] = w.slopes[i, last]
    end
end

"""
    error_norm(workspace, solver, step)

Estimated error of the attempted step in units of the tolerance; below 1 is accepted.
h e² / √(n (e² + 0.01 e_c²)) with the norms e of the error and e_c of the correction (Hairer et al.,
section II.10); without a correction this is the root mean square h e / √n.
"""
function error_norm(w::Workspace, solver::Solver, step::Float64)
    t = solver.tableau
    squared = squared_correction = 0.0
    @inbounds for i in 1:length(w.state)
        error = correction = 0.0
        for stage in 1:length(t.error)
            error = muladd(t.error[stage], w.slopes[i, stage], error)
            correction = muladd(t.error_correction[stage], w.slopes[i, stage], correction)
        end
        scale = solver.atol + solver.rtol * max(abs(w.state[i]), abs(w.new_state[i]))
        squared += (error / scale)^2
        squared_correction += (correction / scale)^2
    end
    squared == 0 && return 0.0
    return step * squared / sqrt((squared + 0.01 * squared_correction) * length(w.state))
end

"""A first step from the sizes of the state, its slope and its curvature (section II.4)."""
function first_step(w::Workspace, solver::Solver, interval::Float64)
    size = speed = curvature = 0.0
    @inbounds for i in 1:length(w.state)
        scale = solver.atol + solver.rtol * abs(w.state[i])
        size += (w.state[i] / scale)^2
        speed += (w.slopes[i, 1] / scale)^2
    end
    root = sqrt(length(w.state))
    size, speed = sqrt(size) / root, sqrt(speed) / root
    small = size < 1e-5 || speed < 1e-5 ? 1e-6 : 0.01 * size / speed
    small = min(small, interval)
    @inbounds for i in 1:length(w.state)
        w.new_state[i] = w.state[i] + small * w.slopes[i, 1]
    end
    evaluate!(w, solver, w.new_state, 2)
    @inbounds for i in 1:length(w.state)
        scale = solver.atol + solver.rtol * abs(w.state[i])
        curvature += ((w.slopes[i, 2] - w.slopes[i, 1]) / scale)^2
    end
    curvature = sqrt(curvature) / root / small
    fastest = max(speed, curvature)
    step = fastest <= 1e-15 ? max(1e-6, 1e-3 * small) :
        (0.01 / fastest)^(1 / (solver.tableau.error_order + 1))
    return min(100 * small, step, interval)
end

"""
    adaptive_step!(workspace, solver, time, limit, step)

One accepted step that ends at `limit` at the latest. Gives the new time and the proposed next
step; a step of 0 says that no step is small enough.
"""
function adaptive_step!(w::Workspace, solver::Solver, time::Float64, limit::Float64, step::Float64)
    exponent = -1 / (solver.tableau.error_order + 1)
    rejected = false
    while step > 10 * eps(time)
        lands = time + step >= limit
        trial = lands ? limit - time : step
        attempt_step!(w, solver, trial)
        error = error_norm(w, solver, trial)
        if error < 1
            factor = error > 0 ? min(LARGEST_FACTOR, SAFETY * error^exponent) : LARGEST_FACTOR
            factor = rejected ? min(1.0, factor) : factor
            accept_step!(w)
            # A step cut short by the limit says little about the next one.
            return lands ? (limit, max(step, trial * factor)) : (time + step, step * factor)
        end
        factor = isfinite(error) ? max(SMALLEST_FACTOR, SAFETY * error^exponent) : SMALLEST_FACTOR
        step = trial * factor
        rejected = true
    end
    return time, 0.0
end
