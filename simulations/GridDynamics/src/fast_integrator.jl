# The processed Takahashi–Imada integrator with exact damped drift, on all lanes at once.
#
# With accelerations f_i(θ) = (P_i + Σ_j K_ij sin(θ_j − θ_i)) / m_i and friction γ_i = D_i/m_i, one
# step h is
#
#     kick    ω ← ω + h f(θ + (h²/12) f(θ))
#     drift   θ ← θ + a ω,   ω ← e ω        with e = exp(−γh), a = (1 − e)/γ
#
# the drift being the exact damped flow without forces. Kicks and drifts alternate to second order;
# conjugated by the processor
#
#     θ ← θ − (h²/12) f,   ω ← ω + (h²/12) (f'(θ) ω + γ f)
#
# which is applied once, when a trajectory starts or changes its step, the scheme is of fourth
# order. The force is evaluated twice a step, but sine and cosine only once: the displaced angles
# differ so little that sin(θ + d) = sin θ + d cos θ is enough, to the same order. A block of steps
# starts and ends with half a kick, so that phases and frequencies are synchronous where they are
# checked. The operating point stays exactly where it is.

"""
Before this last share of a kick, the scheme's ω is the exact one of that moment, up to h³.

In the middle of the kick it is ω + (h²/12) d²ω/dt², because of the processor; a share s/2 later it
is ω(t + s h/2) + h² (1/12 − s²/8) d²ω/dt², but for what friction takes meanwhile
([`remains_at_look`](@ref)). Crests are therefore missed but hardly overestimated.
"""
const LAST_SHARE = 0.5 - 0.5 * sqrt(2 / 3)

"""P_i + Σ_j K_ij sin(θ_j − θ_i), or that divided by K where the grid is homogeneous."""
@inline function unscaled_force(trig::Rows{N,T}, tables::FastTables{N,T,C}, i::Int) where {N,T,C}
    sines = Vec{N,T}(0)
    cosines = Vec{N,T}(0)
    @inbounds for k in tables.row_start[i]:tables.row_start[i + 1] - 1
        row = tables.neighbours[k]
        if C === Nothing
            sines += trig[row]
            cosines += trig[row + 1]
        else
            weight = Vec{N,T}(tables.coupling[k])
            sines = muladd(weight, trig[row], sines)
            cosines = muladd(weight, trig[row + 1], cosines)
        end
    end
    power = Vec{N,T}(@inbounds tables.power[i])
    return muladd(trig[2i], sines, power) - trig[2i - 1] * cosines
end

"""`vector` times the node's gain, which a homogeneous grid's step table contains already."""
@inline per_node(vector, tables::FastTables{N,T,Nothing}, i) where {N,T} = vector
@inline per_node(vector, tables::FastTables, i) = vector * @inbounds tables.gain[i]

"""a, e and e^(−γτ) of a row in every lane."""
@inline drift_of(state, tables::FastTables{N,T,Nothing}, i) where {N,T} =
    state.steps[DRIFT], state.steps[DECAY], state.steps[REMAINS]
@inline function drift_of(state, tables::FastTables{N,T}, i) where {N,T}
    late = state.steps[IS_LATE] > 0
    @inbounds return (
        select(late, Vec{N,T}(tables.late[1, i]), Vec{N,T}(tables.early[1, i])),
        select(late, Vec{N,T}(tables.late[2, i]), Vec{N,T}(tables.early[2, i])),
        select(late, Vec{N,T}(tables.late[3, i]), Vec{N,T}(tables.early[3, i])))
end

"""Sine and cosine of θ + (h²/12) f(θ)."""
function displace!(state::FastState, tables::FastTables)
    strength = state.steps[DISPLACEMENT]
    for i in 1:length(state.theta)
        force = unscaled_force(state.trig, tables, i)
        d = force * per_node(strength, tables, i)
        sine, cosine = state.trig[2i - 1], state.trig[2i]
        state.displaced[2i - 1] = muladd(cosine, d, sine)
        state.displaced[2i] = cosine - sine * d
    end
end

"""
    kick_and_drift!(state, tables, share)

`share` of a kick, then a drift; gives the largest |ω| of every lane, looked at where it is exact,
see [`LAST_SHARE`](@ref).
"""
function kick_and_drift!(state::FastState{N,T}, tables::FastTables{N,T}, share::T) where {N,T}
    strength = share * state.steps[KICK]
    exact = T(1 - LAST_SHARE / share)
    fastest = Vec{N,T}(0)
    for i in 1:length(state.theta)
        force = unscaled_force(state.displaced, tables, i)
        impulse = force * per_node(strength, tables, i)
        before = state.omega[i]
        a, decay, remains = drift_of(state, tables, i)
        fastest = max(remains * abs(muladd(exact, impulse, before)), fastest)
        omega = before + impulse
        theta = muladd(a, omega, state.theta[i])
        state.omega[i] = decay * omega
        state.theta[i] = theta
        state.trig[2i - 1], state.trig[2i] = sincos_half_turns(theta)
    end
    return fastest
end

"""The closing half of a kick."""
function half_kick!(state::FastState{N,T}, tables::FastTables{N,T}) where {N,T}
    strength = T(0.5) * state.steps[KICK]
    for i in 1:length(state.theta)
        force = unscaled_force(state.displaced, tables, i)
        state.omega[i] = muladd(force, per_node(strength, tables, i), state.omega[i])
    end
end

"""θ [half turns] and ω of a row and lane after the processor of `strength`, in double precision."""
@inline function processed(state::FastState, tables::FastTables{N,T,C}, lane::Int, i::Int,
                           strength::T) where {N,T,C}
    sine, cosine = Float64(state.trig[2i - 1, lane]), Float64(state.trig[2i, lane])
    omega = Float64(state.omega[i, lane])
    @inbounds force = Float64(tables.power[i])
    rate = 0.0
    @inbounds for k in tables.row_start[i]:tables.row_start[i + 1] - 1
        row = tables.neighbours[k]
        other_sine, other_cosine = state.trig[row, lane], state.trig[row + 1, lane]
        weight = C === Nothing ? 1.0 : Float64(tables.coupling[k])
        force += weight * (cosine * other_sine - sine * other_cosine)
        rate += weight * (cosine * other_cosine + sine * other_sine) *
            (state.omega[(row + 1) >> 1, lane] - omega)
    end
    @inbounds f = force * tables.gain[i]
    @inbounds return (state.theta[i, lane] - strength * f / π,
                      omega + strength * (rate * tables.gain[i] + tables.friction[i] * f))
end

"""
    process!(state, tables, lane, strength)

Applies the processor to a whole lane. `strength` is h²/12 for a fresh state, (h'² − h²)/12 for a
change of step from h to h'; its negative undoes it to the order of the method.
"""
function process!(state::FastState{N,T}, tables::FastTables{N,T}, lane::Int,
                  strength::T) where {N,T}
    room = state.room
    for i in 1:length(state.theta)
        @inbounds room[1, i], room[2, i] = processed(state, tables, lane, i, strength)
    end
    for i in 1:length(state.theta)
        @inbounds place!(state, lane, i, room[1, i], room[2, i])
    end
end

"""
    process_around!(state, tables, lane, row, strength)

Applies the processor where `row` alone is off the operating point: forces vanish elsewhere, so
only it and its neighbours change.
"""
function process_around!(state::FastState{N,T}, tables::FastTables{N,T}, lane::Int, row::Int,
                         strength::T) where {N,T}
    room = state.room
    neighbours = @inbounds tables.row_start[row]:tables.row_start[row + 1] - 1
    theta, omega = processed(state, tables, lane, row, strength)
    for k in neighbours
        @inbounds j = (tables.neighbours[k] + 1) >> 1
        @inbounds room[1, j], room[2, j] = processed(state, tables, lane, j, strength)
    end
    for k in neighbours
        @inbounds j = (tables.neighbours[k] + 1) >> 1
        @inbounds place!(state, lane, j, room[1, j], room[2, j])
    end
    place!(state, lane, row, theta, omega)
end
