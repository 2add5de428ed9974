# What keeps the inner loops fast: no allocation, and types that are known.

@testset "inner loops" begin
    for mixed in (false, true)
        model = G.SwingModel(mesh(20; mixed = mixed))
        rule = G.stop_rule("fast", model)
        p = G.random_perturbations(model.grid, 5; seed = 2)
        outcomes = G.Outcomes(length(p))

        @testset "fast method, mixed = $mixed" begin
            schedule = G.Schedule(model, rule, 500.0)
            for T in (Float32, Float64)
                N = G.lanes(T)
                tables = G.FastTables{N,T}(model, schedule.interval / schedule.steps)
                state, clocks = G.FastState{N,T}(20, G.num_lines(model.grid)), G.Clocks(N)
                run(queue) = @allocated G.run_lanes!(outcomes, state, clocks, tables, schedule, rule,
                                                     p, queue)
                run(G.Queue(length(p)))
                @test run(G.Queue(length(p))) == 0
                @inferred G.run_lanes!(outcomes, state, clocks, tables, schedule, rule, p,
                                       G.Queue(length(p)))
                @inferred G.kick_and_drift!(state, tables, T(1))
                @inferred G.unscaled_force(state.trig, tables, 1)
                @inferred G.decide(rule, schedule, 1, state.lane, 1)
            end
        end

        @testset "adaptive methods, mixed = $mixed" begin
            for tableau in (G.TSIT5, G.DOP853)
                solver = G.Solver(model, SwingNode(), tableau, 1e-6, 1e-6)
                w, window, certificate = G.Workspace(solver), G.Window(20), G.Certificate(model)
                follow() = @allocated begin
                    G.start!(w, solver, 1, 1.0, 2.0)
                    G.follow!(w, window, certificate, G.NoMeasure(), solver, rule, 50.0)
                end
                follow()
                @test follow() == 0
                @inferred G.follow!(w, window, certificate, G.NoMeasure(), solver, rule, 50.0)
                @inferred G.adaptive_step!(w, solver, 0.0, 1.0, 0.1)
                step() = @allocated G.attempt_step!(w, solver, 0.01)
                step()
                @test step() == 0
            end
        end
    end
end
