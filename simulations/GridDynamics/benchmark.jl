# Trajectories a second of every method, for a grid from arrays.
#
#   julia --startup-file=no -O3 --check-bounds=no -t 1 --project=simulations/GridDynamics \
#       simulations/GridDynamics/benchmark.jl [FOLDER [TRAJECTORIES]]
#
# FOLDER holds lines.npy (lines, 2), 0-based, and power.npy (nodes,); inertia.npy, damping.npy and
# coupling.npy where they differ from 1, 0.1 and 9. Without one, a ring of 100 nodes with chords.
using GridDynamics

const G = GridDynamics

function read_grid(folder)
    array(name) = G.read_npy(joinpath(folder, "$name.npy"))
    given = Dict(Symbol(name) => array(name) for name in ("inertia", "damping", "coupling")
                 if isfile(joinpath(folder, "$name.npy")))
    return PowerGrid(array("lines") .+ 1, array("power"); given...)
end

example_grid(n = 100) = PowerGrid(
    [[(i, i % n + 1) for i in 1:n]; [(i, mod1(i + n ÷ 3, n)) for i in 1:3:n÷2]],
    [isodd(i) ? 1.0 : -1.0 for i in 1:n])

function main(arguments)
    grid = isempty(arguments) ? example_grid() : read_grid(arguments[1])
    total = length(arguments) < 2 ? 2000 : parse(Int, arguments[2])
    nodes = G.num_nodes(grid)
    println(grid, ", Julia $VERSION, $(Threads.nthreads()) threads, stop rule fast, horizon 500 s")
    for (method, share) in (("fast", 1), ("tsit5", 50), ("dop853", 50))
        samples = max(1, total ÷ share ÷ nodes)
        run() = simulate(grid; samples = samples, method = method, tolerance = 1e-6)
        simulate(grid; samples = 1, method = method, horizon = 10.0)
        seconds = minimum(@elapsed(run()) for _ in 1:3)
        println(rpad(method, 8), round(samples * nodes / seconds; digits = 1), " trajectories/s")
    end
end

main(ARGS)
