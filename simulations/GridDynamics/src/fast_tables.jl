# A swing model as the fast kernels read it: nodes in a good order, numbers in their precision.

# Rows of the step table: what the lanes' own step sizes determine. In a homogeneous grid the gain
# K/m is part of KICK and DISPLACEMENT. DRIFT gives half turns, as theta is stored.
const KICK, DISPLACEMENT, DRIFT, DECAY, IS_LATE, PROCESSOR, REMAINS = 1:7
const STEP_ROWS = 7

"""Lines between rows: ends, operating point [half turns], and the tree of the model."""
struct FastLines{T}
    tail::Vector{Int}
    head::Vector{Int}
    coupling::Vector{T}
    phase::Vector{T}
    sine::Vector{T}
    cosine::Vector{T}
    tree_root::Int
    tree_node::Vector{Int}
    tree_parent::Vector{Int}
    tree_line::Vector{Int}
    tree_sign::Vector{T}
    chord::Vector{Int}
end

"""
    FastTables{N,T}(model, step)

The model for the step sizes `step` and twice that, in lanes of `N` numbers of type `T`.

`order[row]` is the node of a row and `rank[node]` its row; ends and tree are rows. `neighbours` are
the rows of sines in `FastState.trig`, 2 row − 1.
`coupling` has one entry a neighbour, and is `nothing` where the grid is homogeneous (one K, m and
D), which spares the kernels a multiplication a neighbour: `power` is then P/K and `gain` K/m.
`early` and `late` hold a [half turns s] and e of the drift and e^(−γτ) of the two step sizes.
"""
struct FastTables{N,T,C<:Union{Nothing,Vector{T}}}
    order::Vector{Int}
    rank::Vector{Int}
    theta::Vector{Float64}
    row_start::Vector{Int}
    neighbours::Vector{Int}
    coupling::C
    power::Vector{T}
    gain::Vector{T}
    half_inertia::Vector{T}
    friction::Vector{T}
    early::Matrix{T}
    late::Matrix{T}
    step_table::Matrix{T}
    lines::FastLines{T}
end

is_homogeneous(grid::PowerGrid) = num_lines(grid) > 0 && all(
    values -> all(==(values[1]), values), (grid.coupling, grid.inertia, grid.damping))

"""a [half turns s] and e of the exact damped drift; a = h/π at γ = 0."""
drift_coefficients(friction, step) = vcat(
    ([γ > 0 ? -expm1(-γ * step) / γ / π : step / π for γ in friction])',
    (exp.(-friction .* step))')

"""
Up to this γh the friction of a share of a kick is left out where ω is looked at. It would lower the
largest frequency by 0.2 %, by 0.4 % with the late step; all data published with D/m = 0.1 were made
so.
"""
const WEAK_FRICTION_STEP = 0.005

"""e^(−γτ), what friction leaves of ω in the time τ from a kick to the look; 1 where it is weak."""
remains_at_look(friction, step, early_step) =
    [γ * early_step <= WEAK_FRICTION_STEP ? 1.0 : exp(-γ * step / sqrt(6)) for γ in friction]'

function FastTables{N,T}(model::SwingModel, step::Real) where {N,T}
    grid = model.grid
    order = node_order(grid)
    rank = invperm(order)
    homogeneous = is_homogeneous(grid)
    scale = homogeneous ? grid.coupling[1] : 1.0
    gain = (scale ./ grid.inertia)[order]
    friction = (grid.damping ./ grid.inertia)[order]
    early, late = (
        vcat(drift_coefficients(friction, h), remains_at_look(friction, h, step))
        for h in (step, 2step))

    row_start = cumsum([1; [degree(grid, i) for i in order]])
    entries = reduce(vcat, collect.(neighbour_range.(Ref(grid), order)); init = Int[])
    table = zeros(STEP_ROWS, 2)
    for (column, h, drift) in ((1, step, early), (2, 2step, late))
        factor = homogeneous ? gain[1] : 1.0
        table[:, column] .= (h * factor, h^2 / 12 * factor, drift[1, 1], drift[2, 1], column - 1,
                             h^2 / 12, drift[3, 1])
    end
    coupling = homogeneous ? nothing : Vector{T}(grid.neighbour_coupling[entries])
    return FastTables{N,T,typeof(coupling)}(
        order, rank, model.theta[order], row_start, 2 .* rank[grid.neighbours[entries]] .- 1,
        coupling,
        grid.power[order] ./ scale, gain, grid.inertia[order] ./ 2, friction, early, late, table,
        fast_lines(T, model, rank))
end

function fast_lines(::Type{T}, model, rank) where {T}
    phase = model.phase_difference
    return FastLines{T}(
        rank[model.grid.lines[1, :]], rank[model.grid.lines[2, :]], model.grid.coupling,
        phase ./ π, sin.(phase), cos.(phase), rank[1], rank[model.tree_node],
        rank[model.tree_parent], model.tree_line, model.tree_sign, model.chord)
end
