# Outcomes do not depend on the batch, the order, or the number of threads.

include("both_methods.jl")

@testset "independence" begin
    @testset "of the batch" begin
        for mixed in (false, true)
            model = G.SwingModel(mesh(20; mixed = mixed))
            rule = G.stop_rule("fast", model)
            schedule = G.Schedule(model, rule, 500.0)
            p = G.random_perturbations(model.grid, 4; seed = 5)
            whole = G.run_fast(model, p, rule, schedule)
            for range in (1:1, 17:30, 3:2:79, reverse(1:80))
                some = G.run_fast(model, part(p, range), rule, schedule)
                @test some.status == whole.status[range]
                @test some.reason == whole.reason[range]
                @test some.stop_time == whole.stop_time[range]
                @test some.max_frequency == whole.max_frequency[range]
            end
            @test isempty(G.run_fast(model, part(p, 1:0), rule, schedule).status)
        end
    end

    @testset "of the number of threads" begin
        here = outcomes_of_both(1)
        script = """
            using GridDynamics
            const G = GridDynamics
            include($(repr(joinpath(@__DIR__, "grids.jl"))))
            include($(repr(joinpath(@__DIR__, "both_methods.jl"))))
            println(Threads.nthreads(), " ", checksum(outcomes_of_both(2)))
            """
        package = normpath(joinpath(@__DIR__, ".."))
        environment = copy(ENV)
        environment["JULIA_NUM_THREADS"] = "2"
        command = `$(Base.julia_cmd()) --startup-file=no --project=$package -e $script`
        numbers = split(read(setenv(command, environment), String))
        @test parse(Int, numbers[1]) == 2
        @test parse(UInt, numbers[2]) == checksum(here)
    end

    @testset "errors come through threads" begin
        @test_throws G.InvalidParameterError G.work(() -> nothing, G.Queue(1); threads = 0)
        @test_throws ErrorException G.work(() -> error("on purpose"), G.Queue(1))
    end
end
