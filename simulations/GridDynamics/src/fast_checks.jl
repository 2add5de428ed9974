# The tests that end a trajectory, lane by lane: the energy certificate and the settled windows.
#
# Certificate. Relative to the operating point, a state in the box −π − φ*_e < φ_e < π − φ*_e has
# the potential energy U = Σ_e K_e g_e(φ_e) with
#
#     g_e(φ) = cos φ*_e − cos φ − (φ − φ*_e) sin φ*_e ≥ 0.
#
# To leave the box, some line must pass its wall, which costs at least the lowest barrier; damping
# only takes energy. A state whose angle differences have a consistent lift into the box (the turns
# taken out add up to zero around every cycle) and whose energy is below the barrier therefore
# stays for ever, and returns.

"""Takes full turns out of every angle, so that single precision resolves it, and counts them."""
function wrap_angles!(state::FastState{N,T}) where {N,T}
    for i in 1:length(state.theta)
        theta = state.theta[i]
        turns = nearest(theta * T(0.5))
        state.theta[i] = theta - T(2) * turns
        state.turns[i] = state.turns[i] + turns
    end
end

"""½ Σ m ω² and the largest |ω|, into the lanes' rows."""
function kinetic_energy!(state::FastState{N,T}, tables::FastTables{N,T}) where {N,T}
    energy = Vec{N,T}(0)
    fastest = Vec{N,T}(0)
    for i in 1:length(state.omega)
        omega = state.omega[i]
        energy += Vec{N,T}(@inbounds tables.half_inertia[i]) * omega * omega
        fastest = max(fastest, abs(omega))
    end
    state.lane[KINETIC] = energy
    state.lane[FASTEST] = fastest
    return nothing
end

"""Σ K g(φ), with every φ lifted into its box; the lifts go to `line_turns`."""
function potential_energy!(state::FastState{N,T}, lines::FastLines{T}) where {N,T}
    energy = Vec{N,T}(0)
    @inbounds for e in 1:length(lines.tail)
        a, b = lines.tail[e], lines.head[e]
        # In half turns from the operating point; the box ends half a turn from −φ*.
        shift = state.theta[a] - state.theta[b] - lines.phase[e]
        turns = nearest(muladd(shift, Vec{N,T}(0.5), lines.phase[e]))
        state.line_turns[e] = turns
        cosine = muladd(state.trig[2a], state.trig[2b], state.trig[2a - 1] * state.trig[2b - 1])
        bent = (lines.cosine[e] - cosine) - (shift - T(2) * turns) * (T(π) * lines.sine[e])
        energy = muladd(lines.coupling[e], bent, energy)
    end
    state.lane[POTENTIAL] = energy
    return nothing
end

"""Σ over the fundamental cycles of their turns squared: 0 where the lift is consistent."""
function winding!(state::FastState{N,T}, lines::FastLines{T}) where {N,T}
    state.node_turns[lines.tree_root] = 0
    @inbounds for q in 1:length(lines.tree_node)
        turns = state.line_turns[lines.tree_line[q]] * lines.tree_sign[q]
        state.node_turns[lines.tree_node[q]] = state.node_turns[lines.tree_parent[q]] + turns
    end
    total = Vec{N,T}(0)
    @inbounds for e in lines.chord
        ends = state.node_turns[lines.tail[e]] - state.node_turns[lines.head[e]]
        excess = state.line_turns[e] - ends
        total = muladd(excess, excess, total)
    end
    state.lane[WINDING] = total
    return nothing
end

"""Largest and smallest frequency of every node in the present window."""
function track_extremes!(state::FastState)
    for i in 1:length(state.omega)
        omega = state.omega[i]
        state.highest[i] = max(omega, state.highest[i])
        state.lowest[i] = min(omega, state.lowest[i])
    end
end

"""
    close_windows!(state, length)

Compares the window that ends with the one before it, in the closing lanes, and opens the next one
there. The largest change of any node's mean, highest or lowest frequency, and the largest
|mean frequency|, go to the lanes' rows; both are meaningful in closing lanes only.
"""
function close_windows!(state::FastState{N,T}, duration::Float64) where {N,T}
    closing = state.lane[CLOSING] > 0
    change = Vec{N,T}(0)
    fastest = Vec{N,T}(0)
    for i in 1:length(state.theta)
        theta, turns, start = state.theta[i], state.turns[i], state.start[i]
        highest, lowest = state.highest[i], state.lowest[i]
        mean = (muladd(T(2), turns, theta) - start) * T(π / duration)
        change = max(abs(mean - state.last_mean[i]), change)
        change = max(abs(highest - state.last_highest[i]), change)
        change = max(abs(lowest - state.last_lowest[i]), change)
        fastest = max(abs(mean), fastest)

        state.start[i] = select(closing, theta, start)
        state.turns[i] = select(closing, Vec{N,T}(0), turns)
        state.last_mean[i] = select(closing, mean, state.last_mean[i])
        state.last_highest[i] = select(closing, highest, state.last_highest[i])
        state.last_lowest[i] = select(closing, lowest, state.last_lowest[i])
        state.highest[i] = select(closing, Vec{N,T}(-UNSET), highest)
        state.lowest[i] = select(closing, Vec{N,T}(UNSET), lowest)
    end
    state.lane[CHANGE] = change
    state.lane[MEAN] = fastest
    return nothing
end
