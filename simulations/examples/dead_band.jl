# A node type and a measure of your own.

"""
Frequency control that acts beyond a dead band only: the swing equation, and a further damping
`gain` [power s/rad] on what |ω| exceeds `band` [rad/s] by.
"""
struct DeadBand <: NodeDynamics
    band::Float64
    gain::Float64
end

function GridDynamics.acceleration(node::DeadBand, grid, i, theta, omega, inflow)
    control = -node.gain * copysign(max(abs(omega) - node.band, 0.0), omega)
    return (grid.power[i] - grid.damping[i] * omega + inflow + control) / grid.inertia[i]
end

# Control only ever takes energy, so certified stops remain right.
GridDynamics.loses_energy(::DeadBand) = true

"""How long some frequency exceeds `bound` [rad/s] in a trajectory [s]."""
mutable struct TimeAbove <: Measure
    bound::Float64
    last::Float64
    total::Float64
end

TimeAbove(bound) = TimeAbove(bound, 0.0, 0.0)

function GridDynamics.reset!(m::TimeAbove)
    m.last = m.total = 0.0
end

function GridDynamics.measure!(m::TimeAbove, t, theta, omega)
    if maximum(abs, omega) > m.bound
        m.total += t - m.last
    end
    m.last = t
end

GridDynamics.value(m::TimeAbove) = m.total
