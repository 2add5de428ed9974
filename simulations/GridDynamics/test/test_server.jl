"""A folder that asks for what the request says."""
function write_request(folder, request, arrays; extra...)
    for (file, name) in (("lines", :line_ends), (("$name", name) for name in
        (:power, :inertia, :damping, :coupling, :theta, :node, :dtheta, :domega))...)
        G.write_npy(joinpath(folder, "$file.npy"), arrays[name])
    end
    open(joinpath(folder, "request.txt"), "w") do io
        println(io, "# what a caller may note\n")
        for name in G.NUMBERS
            println(io, name, "=", getfield(request, name))
        end
        for (name, value) in pairs(values(extra))
            println(io, name, "=", value)
        end
    end
end

function answers(folders...)
    output = IOBuffer()
    G.serve(IOBuffer(join(folders, "\n")), output)
    lines = split(String(take!(output)), "\n"; keepempty = false)
    # Progress comes or does not come, as time passes.
    return filter(line -> !startswith(line, "done "), lines)
end

@testset "npy" begin
    mktempdir() do folder
        path = joinpath(folder, "a.npy")
        for array in ([1.5, -2.0, NaN], Int8[1, -1], reshape(collect(1:6), 2, 3), zeros(0),
                      zeros(Int, 2, 0))
            G.write_npy(path, array)
            @test isequal(G.read_npy(path), array)
            @test filesize(path) % 64 == sizeof(array) % 64
        end
        @test !ispath(path * ".part")
        # As NumPy 2 writes numpy.array([[1, 2], [3, 4], [5, 6]]): rows follow one another.
        header = rpad("{'descr': '<i8', 'fortran_order': False, 'shape': (3, 2), }", 117) * "\n"
        write(path, UInt8[0x93], "NUMPY", UInt8[1, 0], UInt16(118), header, collect(1:6))
        @test G.read_npy(path) == [1 3 5; 2 4 6]
        write(path, "no array")
        @test_throws G.InvalidParameterError G.read_npy(path)
        @test_throws G.InvalidParameterError G.read_npy(path * ".gone")
        G.write_npy(path, [1.0, 2.0])
        write(path, read(path)[1:end - 1])
        @test_throws G.InvalidParameterError G.read_npy(path)
    end
end

@testset "server" begin
    grid = mesh(12)
    request, arrays, p = make_request(grid)
    GC.@preserve arrays call_run(request)
    mktempdir() do folder
        read_output(name) = G.read_npy(joinpath(folder, "$name.npy"))

        @testset "outcomes" begin
            write_request(folder, request, arrays)
            @test answers(folder, folder) == ["ready 1", "ok", "ok"]
            for name in (:status, :reason, :stop_time, :max_frequency)
                @test read_output(name) == arrays[name]
            end
        end

        @testset "states" begin
            write_request(folder, request, arrays; time = 0.7)
            @test answers(folder) == ["ready 1", "ok"]
            theta, omega = G.fast_states(G.SwingModel(grid), p, 0.7)
            @test read_output("theta_out") == theta
            @test read_output("omega_out") == omega
        end

        @testset "a node type and a measure from a file" begin
            request, arrays, _ = make_request(grid; method = 1)
            example = joinpath(@__DIR__, "..", "..", "examples", "dead_band.jl")
            write_request(folder, request, arrays; include = repr(example),
                          nodes = "DeadBand(0.05, 1.0)", measure = "'TimeAbove(1.0)'")
            @test answers(folder) == ["ready 1", "ok"]
            model = G.SwingModel(grid)
            truth, seconds = G.run_adaptive(model, p, G.stop_rule("fast", model), 500.0;
                                            tableau = G.TSIT5, rtol = 1e-6, atol = 1e-6,
                                            nodes = DeadBand(0.05, 1.0), measure = TimeAbove(1.0))
            @test read_output("measure") == seconds
            @test read_output("status") == truth.status
        end

        @testset "errors, and on it goes" begin
            request, arrays, _ = make_request(grid)
            broken = joinpath(folder, "broken")
            mkdir(broken)
            function ask(; extra...)
                write_request(broken, request, arrays; extra...)
                return answers(broken, folder)
            end
            write_request(folder, request, arrays)
            @test answers(joinpath(folder, "gone"))[2] ==
                "error: there is no file $(joinpath(folder, "gone", "request.txt"))"
            @test ask(; colour = 3)[2:3] == ["error: unknown key 'colour'", "ok"]
            @test ask(; steps = 1.5)[2:3] == ["error: steps must be a number, got '1.5'", "ok"]
            @test startswith(ask(; measure = "no such thing")[2], "error: ")
            @test ask(; measure = 3)[2] == "error: measure must be a Measure, got Int64"
            @test ask(; include = "/there/is/no.jl")[3] == "ok"
            write(joinpath(broken, "request.txt"), "method=0\n")
            @test startswith(answers(broken)[2], "error: the request lacks ")
        end

        @testset "cancelled" begin
            touch(joinpath(folder, "cancel"))
            monitor = G.FolderMonitor(folder, IOBuffer())
            monitor.looked = 0.0
            @test G.cancelled(monitor)
            @test_throws G.Cancelled G.work(() -> nothing, G.Queue(1, monitor))
        end

        @testset "progress" begin
            output = IOBuffer()
            monitor = G.FolderMonitor(folder, output)
            monitor.said = 0.0
            G.finished!(monitor, 3)
            G.finished!(monitor, 2)
            @test String(take!(output)) == "done 3\n"
        end
    end
end
