# Grids and perturbations that the tests share.

ring(n) = PowerGrid([(i, i % n + 1) for i in 1:n], [isodd(i) ? 1.0 : -1.0 for i in 1:n])

"""A ring with chords; nodes differ in everything where `mixed`."""
function mesh(n; mixed = false)
    lines = [[(i, i % n + 1) for i in 1:n]; [(i, mod1(i + n ÷ 3, n)) for i in 1:3:n÷2]]
    power = [isodd(i) ? 1.0 : -1.0 for i in 1:n]
    mixed || return PowerGrid(lines, power)
    return PowerGrid(lines, power; inertia = [1 + 0.3 * sin(i) for i in 1:n],
                     damping = [0.1 + 0.05 * cos(i) for i in 1:n],
                     coupling = [8 + 2 * sin(2.0 * e) for e in 1:length(lines)])
end

two_nodes(power; coupling = 9.0, parameters...) =
    PowerGrid([(1, 2)], [power, -power]; coupling = coupling, parameters...)

same(a, b) = all(getfield(a, f) == getfield(b, f) for f in fieldnames(typeof(a)))

part(p, range) = GridDynamics.Perturbations(p.node[range], p.dtheta[range], p.domega[range])
