# Orders of the integrators, against solutions that do not come from them.

observed_order(errors) = log2(errors[1] / errors[2])

"""State of the network linearised around the operating point, by the matrix exponential."""
function linear_state(model, p, time)
    grid, n = model.grid, G.num_nodes(model.grid)
    laplacian = Matrix(G.weighted_laplacian(grid, model.theta))
    jacobian = [zeros(n, n) Matrix(1.0I, n, n)
                -laplacian ./ grid.inertia Matrix(Diagonal(-grid.damping ./ grid.inertia))]
    start = zeros(2n)
    start[p.node[1]] = p.dtheta[1]
    start[n + p.node[1]] = p.domega[1]
    return exp(jacobian * time) * start
end

function fixed_steps(model, tableau, p, step, count)
    solver = G.Solver(model, SwingNode(), tableau, 1e-9, 1e-9)
    w = G.Workspace(solver)
    G.start!(w, solver, p.node[1], p.dtheta[1], p.domega[1])
    for _ in 1:count
        G.attempt_step!(w, solver, step)
        G.accept_step!(w)
    end
    return copy(w.state)
end

@testset "order" begin
    for mixed in (false, true)
        model = G.SwingModel(mesh(10; mixed = mixed))
        n = 10
        tiny = G.Perturbations([3], [1e-7], [2e-7])
        large = G.Perturbations([3], [1.0], [3.0])

        @testset "fast method, linear network, mixed = $mixed" begin
            truth = linear_state(model, tiny, 2.0)
            errors = map((0.1, 0.05)) do h
                theta, omega = G.fast_states(model, tiny, 2.0; step = h, precision = Float64)
                norm([theta[:, 1] .- model.theta; omega[:, 1]] .- truth)
            end
            @test observed_order(errors) ≈ 4 atol = 0.2
        end

        truth = vcat(G.adaptive_states(model, large, 2.0; rtol = 1e-13, atol = 1e-13)...)
        @testset "fast method, large perturbation, mixed = $mixed" begin
            errors = map((0.025, 0.0125)) do h
                states = G.fast_states(model, large, 2.0; step = h, precision = Float64)
                norm(vcat(states...) - truth)
            end
            @test observed_order(errors) ≈ 4 atol = 0.2
        end

        for (name, tableau, order, h) in (("tsit5", G.TSIT5, 5, 0.05), ("dop853", G.DOP853, 8, 0.1))
            @testset "$name, mixed = $mixed" begin
                errors = [norm(fixed_steps(model, tableau, large, h / k, round(Int, 2k / h)) - truth)
                          for k in (1, 2)]
                # The next order's terms are larger than the leading one until steps are minute.
                @test order - 0.2 < observed_order(errors) < order + 1.5
            end
        end

        @testset "adaptive method, linear network, mixed = $mixed" begin
            linear = linear_state(model, tiny, 2.0)
            for tableau in (G.TSIT5, G.DOP853)
                theta, omega = G.adaptive_states(model, tiny, 2.0; tableau = tableau, rtol = 1e-13,
                                                 atol = 1e-14)
                @test [theta[:, 1] .- model.theta; omega[:, 1]] ≈ linear rtol = 1e-5
            end
        end
    end

    @testset "order conditions of $name" for (name, tableau, order) in
        (("tsit5", G.TSIT5, 5), ("dop853", G.DOP853, 8))
        A, b = tableau.matrix', tableau.weights
        unit = ones(length(b))
        # Exact for polynomials in time, and for linear equations, up to the order but not beyond.
        quadrature(k) = k * dot(b, (A * unit) .^ (k - 1)) - 1
        linear(k) = factorial(k) * dot(b, A^(k - 1) * unit) - 1
        @test maximum(abs, quadrature.(1:order)) < 1e-12
        @test maximum(abs, linear.(1:order)) < 1e-12
        @test abs(quadrature(order + 1)) > 1e-4
        @test abs(linear(order + 1)) > 1e-2
        @test abs(sum(tableau.error)) < 1e-12
    end

    @testset "steps follow what is fast" begin
        usual = G.SwingModel(mesh(12))
        rule = G.stop_rule("fast", usual)
        schedule = G.Schedule(usual, rule, 500.0)
        @test (schedule.interval, schedule.steps, schedule.switch) == (1.0, 25, 40)
        damped = G.SwingModel(two_nodes(3.0; damping = 100.0))
        @test G.Schedule(damped, rule, 500.0).steps == 500
        @test G.number_type(damped, rule, G.Schedule(damped, rule, 500.0)) == Float64
        @test G.number_type(usual, rule, schedule) == Float32
        @test G.Schedule(usual, rule, 500.0; fastest_offset = 60.0).steps == 100
        @test_throws G.InvalidParameterError G.Schedule(
            G.SwingModel(two_nodes(3.0; damping = 1e6)), rule, 500.0)
    end

    @testset "the single precision follows the double" begin
        model = G.SwingModel(mesh(10))
        p = G.Perturbations([3, 5], [1.0, -2.0], [3.0, 1.0])
        single = G.fast_states(model, p, 2.0)
        double = G.fast_states(model, p, 2.0; precision = Float64)
        @test single[1] ≈ double[1] atol = 2e-5
        @test single[2] ≈ double[2] atol = 1e-4
    end

    @testset "the operating point stays" begin
        model = G.SwingModel(mesh(10; mixed = true))
        theta, omega = G.fast_states(model, G.Perturbations([1], [0.0], [0.0]), 50.0;
                                     precision = Float64)
        @test maximum(abs, theta[:, 1] .- model.theta) < 1e-11
        @test maximum(abs, omega) < 1e-11
    end
end

@testset "energy" begin
    # Without damping the energy is conserved; a symplectic scheme lets it swing but not drift.
    grid = PowerGrid([(1, 2), (2, 3), (3, 1)], [1.0, 1.0, -2.0]; damping = 0.0)
    model = G.SwingModel(grid)
    p = G.Perturbations([1], [0.5], [1.0])
    energy(time, step) = begin
        theta, omega = G.fast_states(model, p, time; step = step, precision = Float64)
        G.basin_energy(model, theta[:, 1], omega[:, 1])
    end
    start = energy(0.0, 0.05)
    deviation(step) = [energy(Float64(t), step) / start - 1 for t in (10, 11, 12, 1000, 1001, 1002)]
    coarse = deviation(0.05)
    @test maximum(abs, coarse) < 1e-4
    @test abs(sum(coarse[4:6]) - sum(coarse[1:3])) / 3 < 1e-4
    @test maximum(abs, deviation(0.025)) < maximum(abs, coarse) / 8

    theta, omega = G.adaptive_states(model, p, 1000.0; rtol = 1e-11, atol = 1e-11)
    @test G.basin_energy(model, theta[:, 1], omega[:, 1]) ≈ start rtol = 1e-7
end
