# What other programs call, in the same process. No exception crosses the border.

const DONE, FAILED, CANCELLED = Cint(0), Cint(1), Cint(2)

"""
    PointerMonitor(done, cancel)

Counts finished trajectories at `done`, and stops when the number at `cancel` is not 0.
"""
struct PointerMonitor <: Monitor
    done::Ptr{Int64}
    cancel::Ptr{Int64}
    count::Threads.Atomic{Int}
    lock::Threads.SpinLock
end

PointerMonitor(done, cancel) =
    PointerMonitor(done, cancel, Threads.Atomic{Int}(0), Threads.SpinLock())

function finished!(monitor::PointerMonitor, count::Integer)
    monitor.done == C_NULL && return nothing
    # In order, so that the number seen outside only grows.
    lock(monitor.lock)
    monitor.count[] += count
    unsafe_store!(monitor.done, monitor.count[])
    unlock(monitor.lock)
    return nothing
end

# Not inlined, so that no loop may keep what it has read before.
@noinline cancelled(monitor::PointerMonitor) =
    monitor.cancel != C_NULL && unsafe_load(monitor.cancel) != 0

"""The caller's own memory as an array; valid during the call, whose tasks all end before it does."""
function shared(pointer::Ptr{T}, sizes::Int64...) where {T}
    all(>=(0), sizes) || throw(InvalidParameterError("sizes must not be negative, got $sizes"))
    prod(sizes) == 0 && return Array{T}(undef, sizes...)
    pointer == C_NULL && throw(InvalidParameterError("an array of the request is missing"))
    return unsafe_wrap(Array, pointer, sizes)
end

Problem(r::Request) = Problem(
    r, shared(r.line_ends, 2, r.lines), shared(r.power, r.nodes), shared(r.inertia, r.nodes),
    shared(r.damping, r.nodes), shared(r.coupling, r.lines), shared(r.theta, r.nodes),
    shared(r.node, r.trajectories), shared(r.dtheta, r.trajectories),
    shared(r.domega, r.trajectories))

function write_message(r::Request, text::AbstractString)
    (r.message == C_NULL || r.message_length < 1) && return nothing
    bytes = Vector{UInt8}(codeunits(text))
    count = min(length(bytes), r.message_length - 1)
    # Not in the middle of a character.
    while count < length(bytes) && count > 0 && bytes[count + 1] & 0xc0 == 0x80
        count -= 1
    end
    GC.@preserve bytes unsafe_copyto!(r.message, pointer(bytes), count)
    unsafe_store!(r.message, 0x00, count + 1)
    return nothing
end

"""The text of an exception in one line, without a backtrace."""
function one_line(e)
    text = e isa GridError || e isa Cancelled ? sprint(showerror, e) :
        string(nameof(typeof(e)), ": ", sprint(showerror, e))
    return join(split(text), " ")
end

"""Runs `body(request)`; gives the code of what became of it."""
function guarded(body, pointer::Ptr{Request})
    pointer == C_NULL && return FAILED
    request = unsafe_load(pointer)
    try
        body(request)
        return DONE
    catch e
        e isa Cancelled && return CANCELLED
        try
            write_message(request, one_line(e))
        catch
            write_message(request, "Julia failed, and failed to say how")
        end
        return FAILED
    end
end

"""
    gridstab_run(request)::Cint

Simulates: 0 when done, 1 with a message after an error, 2 when cancelled.
"""
gridstab_run(pointer::Ptr{Request}) = guarded(pointer) do r
    problem = Problem(r)
    outcomes = Outcomes((shared(pointer, r.trajectories) for pointer in
                         (r.status, r.reason, r.stop_time, r.max_frequency))...)
    run!(outcomes, fill(NaN, r.trajectories), problem, PointerMonitor(r.done, r.cancel))
end::Cint

"""
    gridstab_final_states(request, theta_out, omega_out, time)::Cint

States after `time`, each nodes × trajectories in Julia's order; codes as those of
[`gridstab_run`](@ref).
"""
gridstab_final_states(pointer::Ptr{Request}, theta_out::Ptr{Float64}, omega_out::Ptr{Float64},
                      time::Float64) = guarded(pointer) do r
    theta, omega = states(Problem(r), time)
    copy_out(theta_out, theta)
    copy_out(omega_out, omega)
end::Cint

function copy_out(target::Ptr{T}, source::Array{T}) where {T}
    isempty(source) && return nothing
    target == C_NULL && throw(InvalidParameterError("an output array of the request is missing"))
    GC.@preserve source unsafe_copyto!(target, pointer(source), length(source))
    return nothing
end

"""
    entry_points()

Addresses of [`gridstab_run`](@ref) and [`gridstab_final_states`](@ref) for callers in C.
"""
function entry_points()
    run = @cfunction(gridstab_run, Cint, (Ptr{Request},))
    final = @cfunction(gridstab_final_states, Cint,
                       (Ptr{Request}, Ptr{Float64}, Ptr{Float64}, Float64))
    return Int(UInt(run)), Int(UInt(final))
end
