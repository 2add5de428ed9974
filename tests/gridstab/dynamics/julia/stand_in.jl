# GridDynamics as Python sees it, without the dynamics: loads in no time, and fails or works for
# ever when asked to. Outcomes are a formula of the perturbation.
module GridDynamics

const ENDLESS = 1.0e5 # of a horizon, in seconds
const BROKEN = 99     # of a method

struct Task
    method::Int
    horizon::Float64
    domega::Vector{Float64}
end

"""Uses all threads, and makes the garbage collector stop them."""
function frequencies(task, cancelled)
    frequency = zeros(length(task.domega))
    while task.horizon >= ENDLESS && !cancelled()
        sum(string(k)[1] == '1' for k in 1:1000)
    end
    Threads.@threads for k in eachindex(frequency)
        task.method == BROKEN && sqrt(-1.0 * k)
        rubbish = [string(k, j) for j in 1:20]
        frequency[k] = abs(task.domega[k]) + length(rubbish) - 20
    end
    GC.gc()
    return frequency
end

# In one process: the structure as 43 words.

word(request, k, ::Type{T} = Int) where {T} = unsafe_load(Ptr{T}(request + 8 * (k - 1)))
pointer_at(request, k, ::Type{T}) where {T} = Ptr{T}(word(request, k))

function run(request::Ptr{Cvoid})::Cint
    count = word(request, 3)
    task = Task(word(request, 17), word(request, 30, Float64),
                copy(unsafe_wrap(Array, pointer_at(request, 12, Float64), count)))
    cancel = pointer_at(request, 41, Int)
    try
        frequency = frequencies(task, () -> unsafe_load(cancel) != 0)
        unsafe_load(cancel) != 0 && return 2
        unsafe_copyto!(pointer_at(request, 16, Float64), pointer(frequency), count)
        return 0
    catch error
        text = Vector{UInt8}(sprint(showerror, error))
        text = text[1:min(end, word(request, 43) - 1)]
        unsafe_copyto!(pointer_at(request, 42, UInt8), pointer(text), length(text))
        return 1
    end
end

entry_points() = (Int(@cfunction(run, Cint, (Ptr{Cvoid},))), 0)

# In a process of its own: PROTOCOL.md.

function read_floats(path)
    bytes = read(path)
    start = 11 + bytes[9] + 256 * bytes[10]
    return collect(reinterpret(Float64, bytes[start:end]))
end

function write_array(path, type, values)
    header = "{'descr': '$type', 'fortran_order': False, 'shape': ($(length(values)),), }"
    header = rpad(header, 117) * "\n"
    open(path, "w") do file
        write(file, "\x93NUMPY\x01\x00", htol(UInt16(length(header))), header, values)
    end
end

function serve_folder(folder)
    numbers = Dict(split(line, '=') for line in eachline(joinpath(folder, "request.txt")))
    task = Task(parse(Int, numbers["method"]), parse(Float64, numbers["horizon"]),
                read_floats(joinpath(folder, "domega.npy")))
    frequency = frequencies(task, () -> false)
    write_array(joinpath(folder, "status.npy"), "|i1", fill(Int8(-1), length(frequency)))
    write_array(joinpath(folder, "reason.npy"), "|i1", fill(Int8(4), length(frequency)))
    write_array(joinpath(folder, "stop_time.npy"), "<f8", zeros(length(frequency)))
    write_array(joinpath(folder, "max_frequency.npy"), "<f8", frequency)
end

function serve()
    println("ready 1")
    for folder in eachline()
        println("done 1") # to be skipped
        println(try
            serve_folder(folder)
            "ok"
        catch error
            "error: " * join(split(sprint(showerror, error)), " ")
        end)
        flush(stdout)
    end
end

end
