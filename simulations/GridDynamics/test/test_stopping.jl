@testset "certificate" begin
    @testset "two nodes: the barrier in closed form" begin
        for power in (0.0, 3.0, -6.0)
            angle = asin(power / 9)
            model = G.SwingModel(two_nodes(power))
            barrier = 9 * (2cos(abs(angle)) - (π - 2abs(angle)) * sin(abs(angle)))
            @test model.lowest_barrier ≈ barrier
            # On the wall of the box the energy is that of the barrier; beyond, the lift changes.
            wall = power >= 0 ? π - angle : -π - angle
            near = [model.theta[1] + (wall - angle) * (1 - 1e-9), model.theta[2]]
            @test G.basin_energy(model, near, zeros(2)) ≈ barrier rtol = 1e-6
            @test G.basin_energy(model, model.theta .+ [2π, 0], zeros(2)) ≈ 0 atol = 1e-12
        end
    end

    @testset "kinetic energy counts inertia" begin
        model = G.SwingModel(two_nodes(3.0; inertia = [2.0, 3.0]))
        @test G.basin_energy(model, model.theta, [1.0, -2.0]) ≈ 1 + 6
    end

    @testset "a twisted ring is outside" begin
        model = G.SwingModel(PowerGrid([(i, i % 12 + 1) for i in 1:12], zeros(12)))
        @test G.basin_energy(model, [2π * i / 12 for i in 1:12], zeros(12)) == Inf
        # Each node a whole number of turns away is the operating point itself.
        @test G.basin_energy(model, [2π * i for i in 1:12], zeros(12)) ≈ 0 atol = 1e-12
    end

    @testset "trapped states return, in both kinds of methods" begin
        model = G.SwingModel(two_nodes(3.0))
        certified, horizon = G.stop_rule("certified", model), G.stop_rule("horizon", model)
        # Long enough for every trapped state to come to rest.
        p = G.random_perturbations(model.grid, 50; seed = 3)
        truth, _ = G.run_adaptive(model, p, horizon, 300.0; rtol = 1e-8, atol = 1e-8)
        adaptive, _ = G.run_adaptive(model, p, certified, 300.0; rtol = 1e-8, atol = 1e-8)
        fast = G.run_fast(model, p, certified, G.Schedule(model, certified, 300.0))
        @test adaptive.status == truth.status
        @test count(fast.status .!= truth.status) <= 3
        @test any(==(G.LEFT), truth.status) && any(==(G.RETURNED), truth.status)
        returned = truth.status .== G.RETURNED
        @test all(==(G.CERTIFIED), adaptive.reason[returned])
        @test all(adaptive.stop_time[returned] .< truth.stop_time[returned])
    end
end

@testset "stops" begin
    model = G.SwingModel(mesh(12; mixed = true))
    p = G.random_perturbations(model.grid, 8; seed = 1)
    horizon = 150.0
    reference, _ = G.run_adaptive(model, p, G.stop_rule("horizon", model), horizon;
                                  rtol = 1e-7, atol = 1e-7)
    for name in ("published", "certified", "fast")
        rule = G.stop_rule(name, model)
        adaptive, _ = G.run_adaptive(model, p, rule, horizon; rtol = 1e-7, atol = 1e-7)
        fast = G.run_fast(model, p, rule, G.Schedule(model, rule, horizon))
        @testset "$name" begin
            for outcomes in (adaptive, fast)
                @test count(outcomes.status .!= reference.status) <= 0.03 * length(p)
                @test sum(outcomes.stop_time) < 0.8 * sum(reference.stop_time)
                @test all(0 .< outcomes.stop_time .<= horizon)
            end
            @test (G.SETTLED in fast.reason) == (name == "fast")
            @test (G.PUBLISHED in fast.reason) == (name == "published")
            # Largest frequencies are those of the start, or later.
            @test all(fast.max_frequency .>= abs.(p.domega) .- 1e-5)
            @test count(isapprox.(fast.max_frequency, adaptive.max_frequency; rtol = 0.03)) >
                0.9 * length(p)
        end
    end

    @testset "without damping nothing is certified before the horizon" begin
        free = G.SwingModel(two_nodes(3.0; damping = 0.0))
        rule = G.stop_rule("certified", free)
        outcomes, _ = G.run_adaptive(free, G.Perturbations([1], [0.0], [1.0]), rule, 20.0)
        @test (outcomes.status[1], outcomes.reason[1]) == (G.UNDECIDED, G.AT_HORIZON)
        outcomes = G.run_fast(free, G.Perturbations([1], [0.0], [1.0]), rule,
                              G.Schedule(free, rule, 20.0))
        @test (outcomes.status[1], outcomes.reason[1]) == (G.UNDECIDED, G.AT_HORIZON)
    end

    @testset "what is not finite ends" begin
        outcomes = G.run_fast(model, G.Perturbations([1, 2], [0.0, 0.0], [Inf, 0.0]),
                              G.stop_rule("fast", model),
                              G.Schedule(model, G.stop_rule("fast", model), 100.0))
        @test outcomes.reason == [G.DIVERGED, G.CERTIFIED]
    end

    @test_throws G.InvalidParameterError G.stop_rule("never", model)

    @testset "waiting times follow the slowest mode" begin
        path(damping) = PowerGrid([(i, i + 1) for i in 1:9], zeros(10); damping = damping)
        creep = 2 * 9 * (1 - cos(π / 10))
        for damping in (0.1, 4.0, 30.0)
            slow = G.SwingModel(path(damping))
            rate = damping^2 > 4creep ? (damping - sqrt(damping^2 - 4creep)) / 2 : damping / 2
            @test G.slowest_decay(slow) ≈ rate rtol = 1e-6
            @test G.stop_rule("fast", slow).time_to_settle ≈ 5 / rate rtol = 1e-6
        end
        rule = G.stop_rule("fast", G.SwingModel(path(0.1)))
        @test (rule.time_to_settle, rule.settled_window) == (100.0, 10.0)
        @test G.stop_rule("fast", G.SwingModel(path(0.02))).settled_window == 50.0
        @test G.stop_rule("fast", G.SwingModel(path(0.0))).settled_window == Inf
    end
end
