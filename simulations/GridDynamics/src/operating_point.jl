# The operating point: the stable stationary state around which perturbations are simulated.

const NEWTON_ITERATIONS = 50

"""
    operating_point(grid)

Phases θ* [rad] at which all powers balance, with θ*_1 = 0, not wrapped.

Newton's method with sparse Jacobians, started from the linear solution L θ = P; steps are halved
until the residual falls. The residual of every node is at most 1e-10 max(1, max |P|), and small
disturbances decay: the Laplacian with weights K cos(θ*_a − θ*_b) is positive semidefinite.

Throws [`InvalidGridError`](@ref) where the powers do not sum to zero,
[`NoOperatingPointError`](@ref) where no solution is found and
[`UnstableOperatingPointError`](@ref) where it is unstable.
"""
function operating_point(grid::PowerGrid)
    scale = max(1.0, maximum(abs, grid.power))
    total = sum(grid.power)
    abs(total) <= 1e-9 * scale * num_nodes(grid) || throw(InvalidGridError(
        "powers must sum to zero, got $total; subtract the mean from every node"))
    theta = zeros(num_nodes(grid))
    num_nodes(grid) == 1 && return theta
    power = grid.power .- total / num_nodes(grid)

    theta[2:end] = weighted_laplacian(grid, theta)[2:end, 2:end] \ power[2:end]
    residual = mismatch(grid, power, theta)
    for _ in 1:NEWTON_ITERATIONS
        maximum(abs, residual) <= 1e-12 * scale && break
        direction = newton_direction(grid, theta, residual)
        direction === nothing && break
        share = 1.0
        trial = theta + direction
        while norm(mismatch(grid, power, trial)) >= norm(residual) && share > 1e-6
            share /= 2
            trial = theta + share * direction
        end
        share > 1e-6 || break
        theta, residual = trial, mismatch(grid, power, trial)
    end
    worst = maximum(abs, residual)
    worst <= 1e-10 * scale || throw(NoOperatingPointError(
        "no operating point found: node $(argmax(abs.(residual))) lacks $worst of its power; " *
        "lower the power or raise the coupling"))
    is_stable(grid, theta) || throw(UnstableOperatingPointError(
        "the operating point is unstable: a line carries a quarter turn or more; " *
        "lower the power or raise the coupling"))
    return theta
end

"""P_i + Σ_j K_ij sin(θ_j − θ_i) of every node, 0 at an operating point."""
function mismatch(grid, power, theta)
    excess = copy(power)
    for line in 1:num_lines(grid)
        a, b = grid.lines[1, line], grid.lines[2, line]
        flow = grid.coupling[line] * sin(theta[a] - theta[b])
        excess[a] -= flow
        excess[b] += flow
    end
    return excess
end

"""The Laplacian with weights K cos(θ_a − θ_b), sparse."""
function weighted_laplacian(grid, theta)
    a, b = grid.lines[1, :], grid.lines[2, :]
    weight = grid.coupling .* cos.(theta[a] .- theta[b])
    return sparse([a; b; a; b], [b; a; a; b], [-weight; -weight; weight; weight],
                  num_nodes(grid), num_nodes(grid))
end

function newton_direction(grid, theta, residual)
    direction = zero(theta)
    try
        direction[2:end] = lu(weighted_laplacian(grid, theta)[2:end, 2:end]) \ residual[2:end]
    catch e
        e isa SingularException || rethrow()
        return nothing
    end
    return all(isfinite, direction) ? direction : nothing
end

"""
    is_stable(grid, theta)

Whether small disturbances of the operating point decay, that is, whether the weighted Laplacian
without its first row and column is positive definite.
"""
is_stable(grid, theta) = num_nodes(grid) == 1 ||
    issuccess(cholesky(Symmetric(weighted_laplacian(grid, theta)[2:end, 2:end]); check = false))
