# Every lane's state and its record of frequencies, one row a node.

# Rows of one value a lane, kept from block to block.
const PEAK, QUIETEST, FASTEST, KINETIC, POTENTIAL, WINDING, CHANGE, MEAN, CLOSING = 1:9
const LANE_ROWS = 9

"""Stands for a frequency of a window that has not been observed yet."""
const UNSET = 1e9

"""
    FastState{N,T}(nodes, lines)

Rows of all lanes. `theta` is in half turns, `omega` in rad/s. Row 2i − 1 of `trig` is the sine of
row i's phase, row 2i its cosine, so that they share a page of memory; `displaced` is the same at
the displaced phases. `turns` counts the full turns taken out of theta since the window began;
`start` is theta then. `room` is scratch of one lane.
"""
struct FastState{N,T}
    theta::Rows{N,T}
    omega::Rows{N,T}
    trig::Rows{N,T}
    displaced::Rows{N,T}
    turns::Rows{N,T}
    start::Rows{N,T}
    highest::Rows{N,T}
    lowest::Rows{N,T}
    last_mean::Rows{N,T}
    last_highest::Rows{N,T}
    last_lowest::Rows{N,T}
    node_turns::Rows{N,T}
    line_turns::Rows{N,T}
    steps::Rows{N,T}
    lane::Rows{N,T}
    room::Matrix{Float64}
end

FastState{N,T}(nodes::Integer, lines::Integer) where {N,T} = FastState{N,T}(
    Rows{N,T}(nodes), Rows{N,T}(nodes), Rows{N,T}(2nodes), Rows{N,T}(2nodes),
    (Rows{N,T}(nodes) for _ in 1:8)..., Rows{N,T}(lines), Rows{N,T}(STEP_ROWS),
    Rows{N,T}(LANE_ROWS), zeros(2, nodes))

"""Gives the lane the early or the late step's coefficients."""
@inline function set_step!(state::FastState, tables::FastTables, lane::Integer, late::Bool)
    for row in 1:STEP_ROWS
        @inbounds state.steps[row, lane] = tables.step_table[row, 1 + late]
    end
end

"""Puts a row of a lane at `theta` [half turns] and `omega`."""
@inline function place!(state::FastState, lane::Integer, i::Integer, theta, omega)
    state.theta[i, lane] = theta
    state.omega[i, lane] = omega
    state.trig[2i - 1, lane] = sin(π * theta)
    state.trig[2i, lane] = cos(π * theta)
    return nothing
end

"""
    fill_lane!(state, tables, lane, row, dtheta, domega)

Puts the operating point into the lane, the given row being off it.
"""
function fill_lane!(state::FastState, tables::FastTables, lane::Integer, row::Integer,
                    dtheta::Float64, domega::Float64)
    for i in 1:length(state.theta)
        theta = @inbounds tables.theta[i] / π
        offset = i == row
        theta += offset ? dtheta / π : 0.0
        place!(state, lane, i, theta, offset ? domega : 0.0)
        state.turns[i, lane] = 0
        state.start[i, lane] = theta
        state.highest[i, lane] = -UNSET
        state.lowest[i, lane] = UNSET
        state.last_mean[i, lane] = UNSET
        state.last_highest[i, lane] = UNSET
        state.last_lowest[i, lane] = UNSET
    end
    state.lane[PEAK, lane] = abs(domega)
    set_step!(state, tables, lane, false)
    return nothing
end
