# SIMD vectors: one trajectory a lane, arithmetic on all lanes at once.

"""
    Vec{N,T}

`N` numbers of type `T` that fill vector registers. Arithmetic with vectors and numbers works lane
by lane; comparisons give a [`Mask`](@ref). Defined for the lanes of one cache line,
`Vec{16,Float32}` and `Vec{8,Float64}`; where registers are shorter, the compiler takes several.
"""
struct Vec{N,T}
    data::NTuple{N,VecElement{T}}
end

"""
    Mask{N}

One truth value a lane, as bytes 0 or 1.
"""
struct Mask{N}
    data::NTuple{N,VecElement{UInt8}}
end

"""The lanes of one cache line, for a number type."""
lanes(::Type{Float32}) = 16
lanes(::Type{Float64}) = 8

for (N, T, float, integer, bits) in
    ((16, Float32, "float", "i32", 32), (8, Float64, "double", "i64", 64))
    D = NTuple{N,VecElement{T}}
    M = NTuple{N,VecElement{UInt8}}
    V = "<$N x $float>"
    I = "<$N x $integer>"
    B = "<$N x i8>"
    # Rounds to the nearest integer when added; the integer's parity is then in the lowest bit.
    magic = T(1.5) * T(2)^(T === Float32 ? 23 : 52)

    @eval @inline function Vec{$N,$T}(x::Real)
        value = convert($T, x)
        Vec{$N,$T}(Base.llvmcall(
            $("%2 = insertelement $V undef, $float %0, i32 0\n" *
              "%3 = shufflevector $V %2, $V undef, <$N x i32> zeroinitializer\nret $V %3"),
            $D, Tuple{$T}, value))
    end

    for (operator, instruction) in
        ((:+, "fadd"), (:-, "fsub"), (:*, "fmul"), (:/, "fdiv"))
        # A product and a sum may become one fused multiply-add.
        @eval @inline Base.$operator(x::Vec{$N,$T}, y::Vec{$N,$T}) = Vec{$N,$T}(Base.llvmcall(
            $("%3 = $instruction contract $V %0, %1\nret $V %3"),
            $D, Tuple{$D,$D}, x.data, y.data))
    end

    @eval @inline Base.muladd(x::Vec{$N,$T}, y::Vec{$N,$T}, z::Vec{$N,$T}) =
        Vec{$N,$T}(ccall($("llvm.fmuladd.v$(N)f$bits"), llvmcall, $D, ($D, $D, $D),
            x.data, y.data, z.data))

    @eval @inline Base.abs(x::Vec{$N,$T}) =
        Vec{$N,$T}(ccall($("llvm.fabs.v$(N)f$bits"), llvmcall, $D, ($D,), x.data))

    for (operator, comparison) in ((:max, "ogt"), (:min, "olt"))
        # Gives y where x is not a number.
        @eval @inline Base.$operator(x::Vec{$N,$T}, y::Vec{$N,$T}) = Vec{$N,$T}(Base.llvmcall(
            $("%3 = fcmp $comparison $V %0, %1\n" *
              "%4 = select <$N x i1> %3, $V %0, $V %1\nret $V %4"),
            $D, Tuple{$D,$D}, x.data, y.data))
    end

    @eval @inline Base.:>(x::Vec{$N,$T}, y::Vec{$N,$T}) = Mask{$N}(Base.llvmcall(
        $("%3 = fcmp ogt $V %0, %1\n%4 = zext <$N x i1> %3 to $B\nret $B %4"),
        $M, Tuple{$D,$D}, x.data, y.data))

    @eval @inline select(mask::Mask{$N}, x::Vec{$N,$T}, y::Vec{$N,$T}) =
        Vec{$N,$T}(Base.llvmcall(
            $("%4 = trunc $B %0 to <$N x i1>\n" *
              "%5 = select <$N x i1> %4, $V %1, $V %2\nret $V %5"),
            $D, Tuple{$M,$D,$D}, mask.data, x.data, y.data))

    @eval @inline function nearest(x::Vec{$N,$T})
        shift = Vec{$N,$T}($magic)
        return (x + shift) - shift
    end

    @eval @inline function nearest_and_parity(x::Vec{$N,$T})
        shift = Vec{$N,$T}($magic)
        shifted = x + shift
        return shifted - shift, shifted
    end

    @eval @inline flip_sign(x::Vec{$N,$T}, parity::Vec{$N,$T}) = Vec{$N,$T}(Base.llvmcall(
        $("%3 = bitcast $V %0 to $I\n%4 = bitcast $V %1 to $I\n" *
          "%5 = shl $I %4, <" * join(fill("$integer $(bits - 1)", N), ", ") * ">\n" *
          "%6 = xor $I %3, %5\n%7 = bitcast $I %6 to $V\nret $V %7"),
        $D, Tuple{$D,$D}, x.data, parity.data))
end

for operator in (:+, :-, :*, :/, :>, :max, :min)
    @eval @inline Base.$operator(x::Vec{N,T}, y::Real) where {N,T} = $operator(x, Vec{N,T}(y))
    @eval @inline Base.$operator(x::Real, y::Vec{N,T}) where {N,T} = $operator(Vec{N,T}(x), y)
end
@inline Base.muladd(x::Vec{N,T}, y::Vec{N,T}, z::Real) where {N,T} = muladd(x, y, Vec{N,T}(z))
@inline Base.muladd(x::Real, y::Vec{N,T}, z::Vec{N,T}) where {N,T} = muladd(Vec{N,T}(x), y, z)
@inline Base.getindex(x::Vec, lane::Integer) = x.data[lane].value

"""
    nearest(x)

The nearest integers, for |x| < 2^22 (2^51 in double precision).
"""
nearest

"""
    nearest_and_parity(x)

The nearest integers, and what [`flip_sign`](@ref) needs to know about them.
"""
nearest_and_parity

"""
    flip_sign(x, parity)

`-x` in the lanes whose integer was odd, `x` in the others.
"""
flip_sign

"""
    Rows{N,T}(count)

Zeroed rows of `N` lanes, aligned to cache lines: `rows[i]` is a [`Vec`](@ref), `rows[i, lane]` one
number. The caller keeps the rows alive (`GC.@preserve`) and the indices in range.
"""
struct Rows{N,T}
    memory::Vector{T}
    first::Ptr{T}
    count::Int
end

function Rows{N,T}(count::Integer) where {N,T}
    memory = zeros(T, (count + 1) * N)
    address = UInt(pointer(memory))
    return Rows{N,T}(memory, Ptr{T}((address + 63) & ~UInt(63)), count)
end

Base.length(rows::Rows) = rows.count

@inline Base.getindex(rows::Rows{N,T}, i::Integer) where {N,T} = Vec{N,T}(
    unsafe_load(Ptr{NTuple{N,VecElement{T}}}(rows.first + (i - 1) * N * sizeof(T))))

@inline function Base.setindex!(rows::Rows{N,T}, x::Vec{N,T}, i::Integer) where {N,T}
    unsafe_store!(Ptr{NTuple{N,VecElement{T}}}(rows.first + (i - 1) * N * sizeof(T)), x.data)
    return nothing
end

@inline Base.setindex!(rows::Rows{N,T}, x::Real, i::Integer) where {N,T} =
    setindex!(rows, Vec{N,T}(x), i)

@inline Base.getindex(rows::Rows{N}, i::Integer, lane::Integer) where {N} =
    unsafe_load(rows.first, (i - 1) * N + lane)

@inline function Base.setindex!(rows::Rows{N,T}, x::Real, i::Integer, lane::Integer) where {N,T}
    unsafe_store!(rows.first, convert(T, x), (i - 1) * N + lane)
    return nothing
end
