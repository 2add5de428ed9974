# How slowly a grid comes to rest, from which the waiting times of the stop rules follow.

const CREEP_ITERATIONS = 200

"""
    slowest_decay(model)

Rate at which the last small swing around the operating point dies out [1/s]; 0 where a node is
undamped.

One friction γ = D/m for all nodes leaves modes s² + γ s + γ μ = 0, where μ is an eigenvalue of D⁻¹L
and L the Laplacian of K cos φ*. They decay at γ/2 where γ < 4 μ; beyond that they creep, at
γ/2 − √(γ²/4 − γ μ), in the end at μ. Of nodes with different frictions, the slower of the smallest
and the largest friction counts, which is no theorem but leaves some time to spare.
"""
function slowest_decay(model::SwingModel)
    friction = model.grid.damping ./ model.grid.inertia
    minimum(friction) > 0 || return 0.0
    creep = slowest_creep(model.grid, model.theta)
    return minimum(decay_of_mode(γ, creep) for γ in extrema(friction))
end

function decay_of_mode(γ, creep)
    half = γ / 2
    half <= 2creep && return half
    return γ * creep / (half + sqrt(half^2 - γ * creep))
end

"""The smallest eigenvalue of D⁻¹L that moves nodes against each other, by inverse iteration."""
function slowest_creep(grid, theta)
    count = num_nodes(grid)
    count == 1 && return Inf
    laplacian, damping = weighted_laplacian(grid, theta), grid.damping
    shift = 1e-6 * sum(grid.coupling) / sum(damping)
    factor = cholesky(Symmetric(laplacian + shift * spdiagm(0 => damping)))
    mode = cos.(1:count)
    for _ in 1:CREEP_ITERATIONS
        mode .-= dot(damping, mode) / sum(damping)
        mode = factor \ (damping .* mode)
        mode ./= norm(mode)
    end
    mode .-= dot(damping, mode) / sum(damping)
    return max(dot(mode, laplacian * mode) / dot(mode, damping .* mode), 0.0)
end
