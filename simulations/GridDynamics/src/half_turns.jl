# Sine and cosine of angles in half turns: sin πx and cos πx.

# Minimax polynomials on [-π/2, π/2]: sin r = r (1 + S₁ r² + …), cos r = 1 + C₁ r² + ….
const SINE_32 = (1.0, -0.16666665962425573, 0.0083332419996518508, -0.00019822721217076865,
    2.6346972122250139e-06)
const COSINE_32 = (1.0, -0.49999999963863428, 0.041666659345523799, -0.0013888651295044915,
    2.4774553122863013e-05, -2.6296901320638783e-07)
const SINE_64 = (1.0, -0.16666666666666666, 0.0083333333333333159, -0.00019841269841254928,
    2.7557319219151219e-06, -2.5052107615466609e-08, 1.6058977213318265e-10,
    -7.6439671321309136e-13, 2.7314053169647314e-15)
const COSINE_64 = (1.0, -0.5, 0.041666666666666664, -0.0013888888888888816, 2.4801587301556554e-05,
    -2.7557319217577121e-07, 2.087675623727923e-09, -1.1470693933995241e-11,
    4.7774028360325776e-14, -1.5168945091022923e-16)

in_half_turns(coefficients, first) =
    Tuple(c * Float64(π)^(first + 2 * (k - 1)) for (k, c) in enumerate(coefficients))

const SINE_HALF_TURNS_32 = Float32.(in_half_turns(SINE_32, 1))
const COSINE_HALF_TURNS_32 = Float32.(in_half_turns(COSINE_32, 0))
const SINE_HALF_TURNS_64 = in_half_turns(SINE_64, 1)
const COSINE_HALF_TURNS_64 = in_half_turns(COSINE_64, 0)

@inline sine_coefficients(::Type{Float32}) = SINE_HALF_TURNS_32
@inline sine_coefficients(::Type{Float64}) = SINE_HALF_TURNS_64
@inline cosine_coefficients(::Type{Float32}) = COSINE_HALF_TURNS_32
@inline cosine_coefficients(::Type{Float64}) = COSINE_HALF_TURNS_64

# Horner's rule. The compiler unrolls the recursion over the tuple.
@inline horner(z::Vec{N,T}, c::Tuple{T}) where {N,T} = Vec{N,T}(c[1])
@inline horner(z::Vec{N,T}, c::Tuple{T,Vararg{T}}) where {N,T} =
    muladd(z, horner(z, Base.tail(c)), Vec{N,T}(c[1]))

"""
    sincos_half_turns(x::Vec)

(sin πx, cos πx). In half turns the reduction to [−½, ½] is one exact subtraction. The largest
errors are 2.7e-8 (sine) and 8.9e-10 (cosine) before rounding in single precision, below 1e-17 in
double precision; |x| must be below 2^22 (single), 2^51 (double).
"""
@inline function sincos_half_turns(x::Vec{N,T}) where {N,T}
    whole, parity = nearest_and_parity(x)
    r = x - whole
    z = r * r
    sine = r * horner(z, sine_coefficients(T))
    cosine = horner(z, cosine_coefficients(T))
    return flip_sign(sine, parity), flip_sign(cosine, parity)
end
