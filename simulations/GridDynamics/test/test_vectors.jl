@testset "vectors" begin
    for (T, tolerance) in ((Float32, 2.4e-7), (Float64, 3e-16))
        N = G.lanes(T)
        vector(f) = G.Vec{N,T}(ntuple(k -> VecElement(T(f(k))), N))
        numbers(x) = [x[k] for k in 1:N]

        @testset "sine and cosine in $T" begin
            worst = 0.0
            for first in -6.0:0.171:6.0
                x = vector(k -> first + k / 97)
                sine, cosine = G.sincos_half_turns(x)
                worst = max(worst,
                    maximum(abs.(numbers(sine) .- sinpi.(big.(numbers(x))))),
                    maximum(abs.(numbers(cosine) .- cospi.(big.(numbers(x))))))
            end
            @test worst < tolerance
        end

        @testset "arithmetic in $T" begin
            x, y = vector(k -> k - 4.5), vector(k -> 3 - k)
            a, b = numbers(x), numbers(y)
            @test numbers(x + 2y) == a .+ 2 .* b
            @test numbers(x / y)[1] == a[1] / b[1]
            @test numbers(max(x, y)) == max.(a, b)
            @test numbers(min(x, y)) == min.(a, b)
            @test numbers(abs(x)) == abs.(a)
            @test numbers(muladd(x, y, 1.0)) == a .* b .+ 1
            @test numbers(G.select(x > 0, x, y)) == ifelse.(a .> 0, a, b)
            @test numbers(G.nearest(vector(k -> k / 4))) == round.(T[k / 4 for k in 1:N])
            @test numbers(max(vector(k -> NaN), y)) == b
        end

        @testset "rows of $T" begin
            rows = G.Rows{N,T}(3)
            @test UInt(rows.first) % 64 == 0
            GC.@preserve rows begin
                rows[2] = vector(k -> k)
                rows[2, 3] = 7.5
                @test numbers(rows[2]) == [k == 3 ? 7.5 : k for k in 1:N]
                @test rows[2, 1] == 1
                @test numbers(rows[1]) == numbers(rows[3]) == zeros(N)
            end
        end
    end
end
