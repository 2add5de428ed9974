# A loop for callers that want Julia in a process of its own; see PROTOCOL.md.

const PROTOCOL_VERSION = 1
const SECONDS_BETWEEN_LOOKS = 0.1

"""
    FolderMonitor(folder, output)

Says `done COUNT` at times, and stops when the folder holds a file named `cancel`.
"""
mutable struct FolderMonitor{O<:IO} <: Monitor
    path::String
    output::O
    count::Int
    said::Float64
    looked::Float64
    stop::Bool
    lock::Threads.SpinLock
end

FolderMonitor(folder, output) =
    FolderMonitor(joinpath(folder, "cancel"), output, 0, time(), time(), false, Threads.SpinLock())

function finished!(monitor::FolderMonitor, count::Integer)
    lock(monitor.lock)
    monitor.count += count
    now = time()
    # Only the first thread prints: tasks of others may not wait for the output.
    if Threads.threadid() == 1 && now - monitor.said >= 2 * SECONDS_BETWEEN_LOOKS
        monitor.said = now
        total = monitor.count
        unlock(monitor.lock)
        println(monitor.output, "done ", total)
        flush(monitor.output)
        return nothing
    end
    unlock(monitor.lock)
    return nothing
end

function cancelled(monitor::FolderMonitor)
    if !monitor.stop && time() - monitor.looked >= SECONDS_BETWEEN_LOOKS
        monitor.looked = time()
        monitor.stop = ispath(monitor.path)
    end
    return monitor.stop
end

const NUMBERS = Tuple(name for name in fieldnames(Request)
                      if !(fieldtype(Request, name) <: Ptr) &&
                         !(name in (:nodes, :lines, :trajectories, :message_length)))
const TEXTS = (:include, :nodes, :measure)

"""The scalars of a request's text file by name; texts may be in quotes."""
function read_scalars(path::AbstractString)
    isfile(path) || throw(InvalidParameterError("there is no file $path"))
    scalars = Dict{Symbol,Union{Int64,Float64,String}}()
    for line in eachline(path)
        text = strip(line)
        (isempty(text) || startswith(text, "#")) && continue
        parts = split(text, '='; limit = 2)
        length(parts) == 2 || throw(InvalidParameterError("'$text' is not KEY=VALUE"))
        key, value = Symbol(strip(parts[1])), strip(parts[2])
        scalars[key] = key in TEXTS ? unquoted(value) : number(key, value)
    end
    for key in NUMBERS
        haskey(scalars, key) || throw(InvalidParameterError("the request lacks $key"))
    end
    return scalars
end

function number(key, text)
    key === :time || key in NUMBERS || throw(InvalidParameterError("unknown key '$key'"))
    value = tryparse(key === :time ? Float64 : fieldtype(Request, key), text)
    value === nothing && throw(InvalidParameterError("$key must be a number, got '$text'"))
    return value
end

unquoted(text) = length(text) >= 2 && text[1] == text[end] && text[1] in ('\'', '"') ?
    String(chop(text; head = 1, tail = 1)) : String(text)

function read_problem(folder::AbstractString, scalars)
    numbers = NamedTuple{NUMBERS}(Tuple(scalars[key] for key in NUMBERS))
    array(name, ::Type{T}, dimensions) where {T} = begin
        read = read_npy(joinpath(folder, "$name.npy"))
        eltype(read) === T && ndims(read) == dimensions ||
            throw(InvalidParameterError("$name.npy must hold $T in $dimensions dimensions"))
        read
    end
    floats = [array(name, Float64, 1) for name in
              ("power", "inertia", "damping", "coupling", "theta", "dtheta", "domega")]
    return Problem(numbers, array("lines", Int64, 2), floats[1:5]..., array("node", Int64, 1),
                   floats[6:7]...)
end

"""The node type and the measure that a request names, from the file that it includes."""
function extensions(scalars)
    space = Module(:Extension)
    # This very module, which may be included in a program and not be found by its name.
    Core.eval(space, :(const GridDynamics = $(@__MODULE__)))
    Core.eval(space, :(using .GridDynamics))
    haskey(scalars, :include) && Base.include(space, abspath(scalars[:include]))
    evaluate(key, default) =
        haskey(scalars, key) ? Core.eval(space, Meta.parse(scalars[key])) : default
    nodes, measure = evaluate(:nodes, SwingNode()), evaluate(:measure, NoMeasure())
    nodes isa Nodes ||
        throw(InvalidParameterError("nodes must be NodeDynamics, got $(typeof(nodes))"))
    measure isa Measure ||
        throw(InvalidParameterError("measure must be a Measure, got $(typeof(measure))"))
    return nodes, measure
end

"""Does what the folder asks, and writes the outputs there."""
function serve_folder(folder::AbstractString, output::IO)
    scalars = read_scalars(joinpath(folder, "request.txt"))
    problem = read_problem(folder, scalars)
    extended = any(key -> haskey(scalars, key), TEXTS)
    nodes, measure = extended ? extensions(scalars) : (SwingNode(), NoMeasure())
    out(name, array) = write_npy(joinpath(folder, "$name.npy"), array)
    if haskey(scalars, :time)
        # What was included just now is younger than this call.
        theta, omega = Base.invokelatest(states, problem, scalars[:time]; nodes = nodes)
        out("theta_out", theta)
        out("omega_out", omega)
        return nothing
    end
    count = length(problem.perturbations)
    outcomes, values = Outcomes(count), fill(NaN, count)
    Base.invokelatest(run!, outcomes, values, problem, FolderMonitor(folder, output);
                      nodes = nodes, measure = measure)
    out("status", outcomes.status)
    out("reason", outcomes.reason)
    out("stop_time", outcomes.stop_time)
    out("max_frequency", outcomes.max_frequency)
    haskey(scalars, :measure) && out("measure", values)
    return nothing
end

"""
    serve(input = stdin, output = stdout)

Answers requests until the input ends; see `PROTOCOL.md`.
"""
function serve(input::IO = stdin, output::IO = stdout)
    say(line) = (println(output, line); flush(output))
    say("ready $PROTOCOL_VERSION")
    for line in eachline(input)
        isempty(strip(line)) && continue
        answer = try
            # What a node type or a measure prints must not look like an answer.
            output === stdout ? redirect_stdout(() -> serve_folder(line, output), stderr) :
                serve_folder(line, output)
            "ok"
        catch e
            e isa Cancelled ? "cancelled" : "error: $(one_line(e))"
        end
        say(answer)
    end
end
