"""A request and the arrays that it points at, as another program makes them."""
function make_request(grid; changes...)
    model = G.SwingModel(grid)
    rule = G.stop_rule("fast", model)
    s = G.Schedule(model, rule, 500.0)
    p = G.random_perturbations(grid, 3; seed = 1)
    n = length(p)
    arrays = (line_ends = grid.lines .- 1, power = grid.power, inertia = grid.inertia,
              damping = grid.damping, coupling = grid.coupling, theta = model.theta,
              node = p.node .- 1, dtheta = p.dtheta, domega = p.domega, status = zeros(Int8, n),
              reason = zeros(Int8, n), stop_time = zeros(n), max_frequency = zeros(n),
              done = zeros(Int, 1), cancel = zeros(Int, 1), message = fill(0xff, 200))
    numbers = (nodes = G.num_nodes(grid), lines = G.num_lines(grid), trajectories = n, method = 0,
               rtol = 1e-6, atol = 1e-6, published = 0, certified = 1, settled = 1,
               trapping_energy = rule.trapping_energy, quiet_energy = rule.quiet_energy,
               time_to_settle = rule.time_to_settle, return_frequency = 0.1,
               settled_window = rule.settled_window, settled_tolerance = 0.02, settled_frequency = 1.0,
               horizon = 500.0, interval = s.interval, steps = s.steps, switch = s.switch,
               window = s.window, time_to_settle_intervals = s.time_to_settle,
               not_before = s.not_before, final = s.final, check_interval = 1.0, threads = 1,
               message_length = 200)
    fields = merge(map(pointer, arrays), numbers, values(changes))
    return G.Request((fields[name] for name in fieldnames(G.Request))...), arrays, p
end

function call_run(request)
    box = Ref(request)
    address, _ = G.entry_points()
    return GC.@preserve box ccall(Ptr{Cvoid}(address), Cint, (Ptr{G.Request},), box)
end

message(arrays) = GC.@preserve arrays unsafe_string(pointer(arrays.message))

@testset "entry points" begin
    grid = mesh(12; mixed = true)
    model = G.SwingModel(grid)

    @test isbitstype(G.Request)
    @test sizeof(G.Request) == 8 * fieldcount(G.Request) == 8 * 43

    @testset "outcomes of method $method" for method in 0:2
        request, arrays, p = make_request(grid; method = method)
        GC.@preserve arrays begin
            @test call_run(request) == 0
            rule = G.stop_rule("fast", model)
            truth = method == 0 ? G.run_fast(model, p, rule, G.Schedule(model, rule, 500.0)) :
                G.run_adaptive(model, p, rule, 500.0; tableau = method == 1 ? G.TSIT5 : G.DOP853,
                               rtol = 1e-6, atol = 1e-6)[1]
            @test arrays.status == truth.status
            @test arrays.reason == truth.reason
            @test arrays.stop_time == truth.stop_time
            @test arrays.max_frequency == truth.max_frequency
            @test arrays.done[1] == length(p)
        end
    end

    @testset "states" begin
        request, arrays, p = make_request(grid; method = 2, rtol = 1e-10, atol = 1e-10)
        _, address = G.entry_points()
        theta, omega = zeros(12, length(p)), zeros(12, length(p))
        box = Ref(request)
        GC.@preserve arrays box begin
            @test ccall(Ptr{Cvoid}(address), Cint,
                        (Ptr{G.Request}, Ptr{Float64}, Ptr{Float64}, Float64),
                        box, theta, omega, 1.5) == 0
            @test ccall(Ptr{Cvoid}(address), Cint,
                        (Ptr{G.Request}, Ptr{Float64}, Ptr{Float64}, Float64),
                        box, theta, omega, -1.0) == 1
        end
        @test occursin("time must be at least 0", message(arrays))
        truth = G.adaptive_states(model, p, 1.5; rtol = 1e-10, atol = 1e-10)
        @test (theta, omega) == truth
    end

    @testset "errors have a message of one line" begin
        for (changes, expected) in (
            ((method = 7,), "unknown method 7"),
            ((threads = 0,), "threads must be at least 1"),
            ((steps = 0,), "schedule is not usable"),
            ((rtol = 0.0, method = 1), "rtol must be at least 1e-14"),
            ((horizon = -1.0, method = 1), "horizon must be positive"),
            ((power = Ptr{Float64}(0),), "an array of the request is missing"),
            ((status = Ptr{Int8}(0),), "an array of the request is missing"),
            ((nodes = -1,), "sizes must not be negative"),
            ((nodes = 5,), "names a node outside 1 to 5"),
        )
            request, arrays, _ = make_request(grid; changes...)
            GC.@preserve arrays begin
                @test call_run(request) == 1
                @test occursin(expected, message(arrays))
                @test !occursin('\n', message(arrays))
            end
        end
        request, arrays, _ = make_request(grid)
        arrays.node[2] = 12
        GC.@preserve arrays @test call_run(request) == 1
        @test occursin("no node 13 to perturb", message(arrays))
    end

    @testset "a short message ends where there is room" begin
        request, arrays, _ = make_request(grid; method = 7, message_length = 8)
        GC.@preserve arrays @test call_run(request) == 1
        @test message(arrays) == "unknown"
        @test arrays.message[9] == 0xff
        request, arrays, _ = make_request(grid; method = 7, message_length = 0)
        GC.@preserve arrays @test call_run(request) == 1
        @test arrays.message[1] == 0xff
    end

    @testset "cancelled" begin
        for method in 0:2
            request, arrays, _ = make_request(grid; method = method)
            arrays.cancel[1] = 1
            GC.@preserve arrays @test call_run(request) == 2
            @test arrays.done[1] == 0
        end
    end

    @test G.gridstab_run(Ptr{G.Request}(0)) == 1
end
