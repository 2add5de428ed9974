"""Sine and cosine of a vector of angles in half turns: sin πx and cos πx.

In half turns the reduction to [−½, ½] is one exact subtraction. The polynomials are minimax on
that interval; their largest errors are 2.7e-8 (sine) and 8.9e-10 (cosine) before rounding in
float32, below 1e-17 in float64. |x| must stay below 2^22 (float32), far from where its fraction
would have lost its meaning; the driver takes full turns out in time.
"""

import math
from typing import Any

from numba import types
from numba.extending import overload

from gridstab.dynamics.native.simd import flip_sign, nearest_and_parity

# sin r = r (1 + S0 r² + S1 r⁴ + …), cos r = 1 + C0 r² + C1 r⁴ + …, r in radians.
_SINE_32 = (1.0, -0.16666665962425573, 0.0083332419996518508, -0.00019822721217076865,
            2.6346972122250139e-06)  # fmt: skip
_COSINE_32 = (1.0, -0.49999999963863428, 0.041666659345523799, -0.0013888651295044915,
              2.4774553122863013e-05, -2.6296901320638783e-07)  # fmt: skip
_SINE_64 = (1.0, -0.16666666666666666, 0.0083333333333333159, -0.00019841269841254928,
            2.7557319219151219e-06, -2.5052107615466609e-08, 1.6058977213318265e-10,
            -7.6439671321309136e-13, 2.7314053169647314e-15)  # fmt: skip
_COSINE_64 = (1.0, -0.5, 0.041666666666666664, -0.0013888888888888816, 2.4801587301556554e-05,
              -2.7557319217577121e-07, 2.087675623727923e-09, -1.1470693933995241e-11,
              4.7774028360325776e-14, -1.5168945091022923e-16)  # fmt: skip


def _in_half_turns(coefficients: tuple[float, ...], first: int) -> tuple[float, ...]:
    return tuple(c * math.pi ** (first + 2 * k) for k, c in enumerate(coefficients))


SINE_32, COSINE_32 = _in_half_turns(_SINE_32, 1), _in_half_turns(_COSINE_32, 0)
SINE_64, COSINE_64 = _in_half_turns(_SINE_64, 1), _in_half_turns(_COSINE_64, 0)


def sincos_half_turns(x: Any) -> Any:
    """(sin πx, cos πx) of a vector, inside numba code."""
    raise NotImplementedError("sincos_half_turns runs inside numba code only")


@overload(sincos_half_turns, jit_options={"forceinline": True})
def _sincos_half_turns(x: Any) -> Any:
    if x.dtype == types.float32:

        def single(x: Any) -> Any:
            whole, sign = nearest_and_parity(x)
            r = x - whole
            z = r * r
            s0, s1, s2, s3, s4 = SINE_32
            c0, c1, c2, c3, c4, c5 = COSINE_32
            sine = r * (s0 + z * (s1 + z * (s2 + z * (s3 + z * s4))))
            cosine = c0 + z * (c1 + z * (c2 + z * (c3 + z * (c4 + z * c5))))
            return flip_sign(sine, sign), flip_sign(cosine, sign)

        return single

    def double(x: Any) -> Any:
        whole, sign = nearest_and_parity(x)
        r = x - whole
        z = r * r
        s0, s1, s2, s3, s4, s5, s6, s7, s8 = SINE_64
        c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 = COSINE_64
        sine = s4 + z * (s5 + z * (s6 + z * (s7 + z * s8)))
        sine = r * (s0 + z * (s1 + z * (s2 + z * (s3 + z * sine))))
        cosine = c5 + z * (c6 + z * (c7 + z * (c8 + z * c9)))
        cosine = c0 + z * (c1 + z * (c2 + z * (c3 + z * (c4 + z * cosine))))
        return flip_sign(sine, sign), flip_sign(cosine, sign)

    return double
