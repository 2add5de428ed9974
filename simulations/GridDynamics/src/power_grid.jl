# The power grid: nodes that generate or consume, lines that couple their phases.

"""
    PowerGrid(lines, power; inertia = 1.0, damping = 0.1, coupling = 9.0)

A validated grid, in the usual dimensionless units of the swing equation

    dθ_i/dt = ω_i
    m_i dω_i/dt = P_i − D_i ω_i + Σ_j K_ij sin(θ_j − θ_i)

with inertia m > 0, damping D ≥ 0 (the papers' α), power P (generation positive) and coupling
K > 0; numbers hold for every node or line. The defaults are those of the published studies
(Nauck et al. 2022, arXiv:2206.06369).

`lines` holds node pairs, 1-based, each line once: a 2 × lines matrix or a list of tuples.
Neighbours are in compressed rows: those of node `i` are `neighbours[k]`, coupled by
`neighbour_coupling[k]`, for `k in neighbour_range(grid, i)`.

Throws [`InvalidGridError`](@ref) where the arrays do not form a connected grid.
"""
struct PowerGrid
    lines::Matrix{Int}
    power::Vector{Float64}
    inertia::Vector{Float64}
    damping::Vector{Float64}
    coupling::Vector{Float64}
    row_start::Vector{Int}
    neighbours::Vector{Int}
    neighbour_coupling::Vector{Float64}

    function PowerGrid(lines::AbstractMatrix{<:Integer}, power::AbstractVector{<:Real};
                       inertia = 1.0, damping = 0.1, coupling = 9.0)
        nodes = length(power)
        nodes > 0 || throw(InvalidGridError("a grid has at least one node, got none"))
        size(lines, 1) == 2 ||
            throw(InvalidGridError("lines must be a 2 x lines matrix, got size $(size(lines))"))
        pairs = Matrix{Int}(lines)
        check_lines(pairs, nodes)
        powers = per("power", power, nodes, isfinite, "finite")
        inertias = per("inertia", inertia, nodes, x -> isfinite(x) && x > 0, "positive")
        dampings = per("damping", damping, nodes, x -> isfinite(x) && x >= 0, "zero or positive")
        couplings = per("coupling", coupling, size(pairs, 2), x -> isfinite(x) && x > 0, "positive")
        grid = new(pairs, powers, inertias, dampings, couplings,
                   compressed_rows(pairs, couplings, nodes)...)
        check_connected(grid)
        return grid
    end
end

PowerGrid(lines::AbstractVector, power::AbstractVector{<:Real}; parameters...) =
    PowerGrid(isempty(lines) ? zeros(Int, 2, 0) : reduce(hcat, collect.(lines)), power;
              parameters...)

num_nodes(grid::PowerGrid) = length(grid.power)
num_lines(grid::PowerGrid) = size(grid.lines, 2)

"""Positions of node `i`'s neighbours in the compressed rows."""
@inline neighbour_range(grid::PowerGrid, i::Integer) =
    @inbounds grid.row_start[i]:grid.row_start[i + 1] - 1

degree(grid::PowerGrid, i::Integer) = length(neighbour_range(grid, i))

Base.show(io::IO, grid::PowerGrid) =
    print(io, "PowerGrid with $(num_nodes(grid)) nodes and $(num_lines(grid)) lines")

function per(name, values, count, holds, wanted)
    list = values isa Number ? fill(Float64(values), count) : Vector{Float64}(values)
    length(list) == count ||
        throw(InvalidGridError("$name must have $count entries, got $(length(list))"))
    bad = findfirst(!holds, list)
    bad === nothing ||
        throw(InvalidGridError("$name must be $wanted, got $(list[bad]) at position $bad"))
    return list
end

function check_lines(pairs, nodes)
    seen = Set{Tuple{Int,Int}}()
    for line in axes(pairs, 2)
        a, b = minmax(pairs[1, line], pairs[2, line])
        1 <= a && b <= nodes ||
            throw(InvalidGridError("line $a-$b names a node outside 1 to $nodes"))
        a != b || throw(InvalidGridError("line $a-$b joins a node to itself"))
        (a, b) in seen && throw(InvalidGridError("line $a-$b is there twice"))
        push!(seen, (a, b))
    end
end

function compressed_rows(pairs, coupling, nodes)
    row_start = ones(Int, nodes + 1)
    for node in pairs
        row_start[node + 1] += 1
    end
    row_start = cumsum(row_start) .- (0:nodes)
    entries = [NamedTuple{(:row, :node, :coupling)}((pairs[side, line], pairs[3 - side, line],
        coupling[line])) for line in axes(pairs, 2) for side in 1:2]
    sort!(entries; by = entry -> (entry.row, entry.node))
    return row_start, Int[e.node for e in entries], Float64[e.coupling for e in entries]
end

function check_connected(grid)
    reached = falses(num_nodes(grid))
    reached[1] = true
    queue = [1]
    while !isempty(queue)
        i = pop!(queue)
        for k in neighbour_range(grid, i)
            j = grid.neighbours[k]
            reached[j] || push!(queue, j)
            reached[j] = true
        end
    end
    alone = findfirst(!, reached)
    alone === nothing ||
        throw(InvalidGridError("node $alone is not connected to node 1; simulate components apart"))
end
