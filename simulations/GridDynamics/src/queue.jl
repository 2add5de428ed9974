# Work shared by threads: who takes which trajectory, how far it is, and whether to go on.

"""
    Monitor

Hears how many trajectories have finished, and says whether the caller wants to stop: methods of
[`finished!`](@ref) and [`cancelled`](@ref). Both are called from any thread, often.
"""
abstract type Monitor end

"""Nobody listens."""
struct NoMonitor <: Monitor end

"""    finished!(monitor, count): `count` more trajectories have finished."""
finished!(::NoMonitor, count::Integer) = nothing

"""    cancelled(monitor): whether to stop soon."""
cancelled(::NoMonitor) = false

"""
    Queue(total, monitor = NoMonitor())

Trajectories 1 to `total`, each claimed by one worker. They are taken one by one, so that no thread
waits while another still has some.
"""
struct Queue{M<:Monitor}
    next::Threads.Atomic{Int}
    total::Int
    monitor::M
end

Queue(total::Integer, monitor::Monitor = NoMonitor()) =
    Queue(Threads.Atomic{Int}(1), Int(total), monitor)

"""    claim!(queue): the number of the next trajectory; 0 when none is left."""
@inline function claim!(queue::Queue)
    k = Threads.atomic_add!(queue.next, 1)
    return k <= queue.total ? k : 0
end

"""
    work(body, queue; threads = Threads.nthreads())

Calls `body()` on up to `threads` threads at once; each call takes from the queue until it is
empty. An error of any is thrown, once all have ended; throws [`Cancelled`](@ref) where the
monitor asked for it.
"""
function work(body::F, queue::Queue; threads::Integer = Threads.nthreads()) where {F}
    threads >= 1 || throw(InvalidParameterError("threads must be at least 1, got $threads"))
    workers = min(threads, Threads.nthreads(), max(queue.total, 1))
    if workers == 1
        body()
    else
        errors = Vector{Any}(nothing, workers)
        Threads.@threads for worker in 1:workers
            try
                body()
            catch e
                errors[worker] = e
                queue.next[] = queue.total + 1
            end
        end
        failed = findfirst(e -> e !== nothing, errors)
        failed === nothing || throw(errors[failed])
    end
    cancelled(queue.monitor) && throw(Cancelled())
    return nothing
end
