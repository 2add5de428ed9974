# When a single trajectory may stop: the energy certificate and the test for another attractor.

"""
    Certificate(model)

Scratch of [`basin_energy`](@ref): whole turns of lines and nodes. One a thread.
"""
struct Certificate
    line_turns::Vector{Float64}
    node_turns::Vector{Float64}
end

Certificate(model::SwingModel) =
    Certificate(zeros(num_lines(model.grid)), zeros(num_nodes(model.grid)))

"""max |ω_i|."""
function largest_frequency(omega)
    largest = 0.0
    @inbounds for frequency in omega
        largest = max(largest, abs(frequency))
    end
    return largest
end

"""
    basin_energy(model, theta, omega, certificate = Certificate(model))

Energy above the operating point of a state in its basin box, infinite outside:
½ Σ m ω² + Σ K_e g(φ_e) with g(φ) = cos φ* − cos φ − (φ − φ*) sin φ*, where whole turns of the nodes
have been taken off so that every φ_e = θ_a − θ_b lies in (−π − φ*_e, π − φ*_e).
"""
function basin_energy(model::SwingModel, theta, omega, c::Certificate = Certificate(model))
    grid = model.grid
    energy = 0.0
    @inbounds for i in 1:num_nodes(grid)
        energy += 0.5 * grid.inertia[i] * omega[i]^2
    end
    @inbounds for e in 1:num_lines(grid)
        rest = model.phase_difference[e]
        phase = theta[grid.lines[1, e]] - theta[grid.lines[2, e]]
        turns = round((phase + rest) / 2π)
        phase -= 2π * turns
        c.line_turns[e] = turns
        energy += grid.coupling[e] * (cos(rest) - cos(phase) - (phase - rest) * sin(rest))
    end
    # Turns of the nodes explain the turns of the lines only if these cancel around every cycle.
    c.node_turns[1] = 0
    @inbounds for k in 1:length(model.tree_node)
        turns = model.tree_sign[k] * c.line_turns[model.tree_line[k]]
        c.node_turns[model.tree_node[k]] = c.node_turns[model.tree_parent[k]] + turns
    end
    @inbounds for e in model.chord
        a, b = grid.lines[1, e], grid.lines[2, e]
        c.line_turns[e] == c.node_turns[a] - c.node_turns[b] || return Inf
    end
    return energy
end

"""Whether a state of this basin energy returns, and within the time that is left."""
is_certified(energy, time_left, rule::StopRule) = energy < rule.quiet_energy ||
    (energy < rule.trapping_energy && time_left >= rule.time_to_settle)

"""
    Window(nodes)

Frequencies of every node over the running and the previous window.
"""
struct Window
    start_theta::Vector{Float64}
    lowest::Vector{Float64}
    highest::Vector{Float64}
    previous_mean::Vector{Float64}
    previous_lowest::Vector{Float64}
    previous_highest::Vector{Float64}
end

Window(nodes::Integer) = Window((zeros(nodes) for _ in 1:6)...)

"""Begins a trajectory; its first window has no predecessor to agree with."""
function open_first_window!(window::Window, theta)
    fill!(window.previous_mean, Inf)
    fill!(window.previous_lowest, Inf)
    fill!(window.previous_highest, Inf)
    open_window!(window, theta)
end

function open_window!(window::Window, theta)
    copyto!(window.start_theta, theta)
    fill!(window.lowest, Inf)
    fill!(window.highest, -Inf)
    return nothing
end

"""Takes the frequencies of one more step into the running window."""
function widen_window!(window::Window, omega)
    @inbounds for i in 1:length(omega)
        window.lowest[i] = min(window.lowest[i], omega[i])
        window.highest[i] = max(window.highest[i], omega[i])
    end
end

"""
    close_window!(window, theta, rule)

Ends the running window, opens the next, and tells whether the trajectory has settled: in every
node the mean, smallest and largest frequency are those of the previous window to the tolerance,
and some node turns faster than the rule's frequency on average.
"""
function close_window!(window::Window, theta, rule::StopRule)
    change = fastest = 0.0
    @inbounds for i in 1:length(theta)
        mean = (theta[i] - window.start_theta[i]) / rule.settled_window
        fastest = max(fastest, abs(mean))
        change = max(change, abs(mean - window.previous_mean[i]),
                     abs(window.lowest[i] - window.previous_lowest[i]),
                     abs(window.highest[i] - window.previous_highest[i]))
        window.previous_mean[i] = mean
        window.previous_lowest[i] = window.lowest[i]
        window.previous_highest[i] = window.highest[i]
    end
    open_window!(window, theta)
    return fastest > rule.settled_frequency && change < rule.settled_tolerance
end
