# The order in which the fast kernels store the nodes.

const NODES_PER_BLOCK = 512

"""
    node_order(grid)

`order[row]` is the node of a row. Neighbours are brought near each other (reverse Cuthill–McKee),
so that rows of large grids are found in the nearest cache; within a block, nodes are sorted by
degree, so that the length of the loop over neighbours seldom changes and the processor predicts
its end.
"""
function node_order(grid::PowerGrid)
    nodes = num_nodes(grid)
    degrees = [degree(grid, i) for i in 1:nodes]
    order = [argmin(degrees)]
    placed = falses(nodes)
    placed[order[1]] = true
    for position in 1:nodes
        # The grid is connected, so there is always a next one.
        range = neighbour_range(grid, order[position])
        next = Int[j for j in view(grid.neighbours, range) if !placed[j]]
        placed[next] .= true
        append!(order, sort!(next; by = j -> degrees[j]))
    end
    reverse!(order)
    for first in 1:NODES_PER_BLOCK:nodes
        block = view(order, first:min(first + NODES_PER_BLOCK - 1, nodes))
        sort!(block; by = j -> degrees[j], alg = MergeSort)
    end
    return order
end
