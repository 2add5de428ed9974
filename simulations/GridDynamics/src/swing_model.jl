# A grid around its operating point, and the tables derived from both.

"""
    SwingModel(grid, theta = operating_point(grid))

What the solvers and the stopping tests read.

* `phase_difference`: θ*_a − θ*_b of each line (a, b) [rad].
* `lowest_barrier`: energy that a state must hold to leave the basin box
  −π − φ*_e < θ_a − θ_b < π − φ*_e; 0 where a line carries more than a quarter turn and no such
  bound exists.
* `tree_node`, `tree_parent`, `tree_line`, `tree_sign`: a spanning tree, breadth first from node 1;
  the k-th entry reaches `tree_node` from `tree_parent` over `tree_line`, whose first end is
  `tree_node` where `tree_sign` is 1.
* `chord`: the lines outside the tree; each closes one fundamental cycle.
"""
struct SwingModel
    grid::PowerGrid
    theta::Vector{Float64}
    phase_difference::Vector{Float64}
    lowest_barrier::Float64
    tree_node::Vector{Int}
    tree_parent::Vector{Int}
    tree_line::Vector{Int}
    tree_sign::Vector{Float64}
    chord::Vector{Int}
end

function SwingModel(grid::PowerGrid, theta::AbstractVector{<:Real} = operating_point(grid))
    length(theta) == num_nodes(grid) || throw(InvalidParameterError(
        "theta must have $(num_nodes(grid)) entries, got $(length(theta))"))
    all(isfinite, theta) || throw(InvalidParameterError("theta must be finite"))
    point = Vector{Float64}(theta)
    difference = [point[grid.lines[1, e]] - point[grid.lines[2, e]] for e in 1:num_lines(grid)]
    node, parent, line, sign = spanning_tree(grid)
    return SwingModel(grid, point, difference, lowest_barrier(grid.coupling, difference),
                      node, parent, line, sign, setdiff(1:num_lines(grid), line))
end

"""min over lines of K [2 cos|φ*| − (π − 2|φ*|) sin|φ*|], the energy at the nearer box wall."""
function lowest_barrier(coupling, difference)
    angle = abs.(difference)
    (isempty(angle) || maximum(angle) >= π / 2) && return 0.0
    return minimum(coupling .* (2 .* cos.(angle) .- (π .- 2 .* angle) .* sin.(angle)))
end

function spanning_tree(grid)
    line_of = Dict{Tuple{Int,Int},Int}()
    for e in 1:num_lines(grid)
        line_of[minmax(grid.lines[1, e], grid.lines[2, e])] = e
    end
    node, parent, line, sign = Int[], Int[], Int[], Float64[]
    reached = falses(num_nodes(grid))
    reached[1] = true
    queue = [1]
    head = 1
    while head <= length(queue)
        i = queue[head]
        head += 1
        for k in neighbour_range(grid, i)
            j = grid.neighbours[k]
            reached[j] && continue
            reached[j] = true
            push!(queue, j)
            e = line_of[minmax(i, j)]
            push!(node, j)
            push!(parent, i)
            push!(line, e)
            push!(sign, grid.lines[1, e] == j ? 1.0 : -1.0)
        end
    end
    return node, parent, line, sign
end
