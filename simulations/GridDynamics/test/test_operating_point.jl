@testset "operating point" begin
    @testset "two nodes: the line carries the power" begin
        for power in (4.5, -4.5, 8.9)
            theta = operating_point(two_nodes(power))
            @test theta[1] - theta[2] ≈ asin(power / 9) atol = 1e-11
            @test theta[1] == 0
        end
    end

    @testset "a tree: flows add up towards the root" begin
        theta = operating_point(PowerGrid([(1, 2), (2, 3), (3, 4)], [1.0, 2.0, -0.5, -2.5]))
        @test theta[1:3] .- theta[2:4] ≈ asin.([1, 3, 2.5] ./ 9) atol = 1e-11
    end

    @testset "residual" begin
        for grid in (mesh(20), mesh(60; mixed = true))
            theta = operating_point(grid)
            @test maximum(abs, G.mismatch(grid, grid.power, theta)) <= 1e-10
            @test G.is_stable(grid, theta)
        end
    end

    @testset "stability" begin
        grid = two_nodes(4.5)
        # Both solve the power flow; beyond the quarter turn the state is a saddle.
        @test G.is_stable(grid, [0, -asin(0.5)])
        @test !G.is_stable(grid, [0, asin(0.5) - π])
    end

    @testset "a single node" begin
        @test operating_point(PowerGrid(zeros(Int, 2, 0), [0.0])) == [0.0]
    end

    @testset "errors" begin
        @test_throws G.NoOperatingPointError operating_point(two_nodes(9.5))
        @test_throws G.InvalidGridError operating_point(PowerGrid([(1, 2)], [1.0, 1.0]))
        message = try
            PowerGrid([(1, 2), (3, 4)], zeros(4))
        catch e
            sprint(showerror, e)
        end
        @test occursin("node 3 is not connected", message)
        @test_throws G.InvalidGridError PowerGrid([(1, 1)], [0.0])
        @test_throws G.InvalidGridError PowerGrid([(1, 2), (2, 1)], [0.0, 0.0])
        @test_throws G.InvalidGridError PowerGrid([(1, 3)], [0.0, 0.0])
        @test_throws G.InvalidGridError PowerGrid([(1, 2)], [0.0, NaN])
        @test_throws G.InvalidGridError PowerGrid([(1, 2)], [0.0, 0.0]; inertia = 0.0)
        @test_throws G.InvalidGridError PowerGrid([(1, 2)], [0.0, 0.0]; coupling = [1.0, 2.0])
    end

    @testset "tables" begin
        model = G.SwingModel(mesh(20))
        @test sort([model.tree_line; model.chord]) == 1:G.num_lines(model.grid)
        for (node, parent, line, sign) in
            zip(model.tree_node, model.tree_parent, model.tree_line, model.tree_sign)
            ends = model.grid.lines[:, line]
            @test ends == (sign > 0 ? [node, parent] : [parent, node])
        end
        order = G.node_order(model.grid)
        @test sort(order) == 1:20
        @test issorted([G.degree(model.grid, i) for i in order])
    end
end
