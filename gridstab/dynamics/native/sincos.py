"""Sine and cosine of a vector, from minimax polynomials on [−π/2, π/2].

Largest errors: 2.7e-8 (sine) and 8.9e-10 (cosine) before rounding in float32, 1e-17 in float64.
Valid while the whole number nearest to x/π has few digits; the driver wraps angles in time.
"""

import math

from numba import types
from numba.extending import overload

from gridstab.dynamics.native.simd import nearest, negate_odd

INVERSE_PI = 1 / math.pi

# sin r = r + r³ (S0 + S1 r² + …), cos r = 1 + r² (C0 + C1 r² + …); π = HIGH + LOW, with HIGH
# short enough that its product with a small whole number is exact.
HIGH_32, LOW_32 = 3.140625, 9.67653589793e-4
SINE_32 = (-0.16666665962425573, 0.0083332419996518508, -0.00019822721217076865,
           2.6346972122250139e-06)  # fmt: skip
COSINE_32 = (-0.49999999963863428, 0.041666659345523799, -0.0013888651295044915,
             2.4774553122863013e-05, -2.6296901320638783e-07)  # fmt: skip

HIGH_64, LOW_64 = 3.14159265160560607910, 1.98418714791870343106e-9
SINE_64 = (-0.16666666666666666, 0.0083333333333333159, -0.00019841269841254928,
           2.7557319219151219e-06, -2.5052107615466609e-08, 1.6058977213318265e-10,
           -7.6439671321309136e-13, 2.7314053169647314e-15)  # fmt: skip
COSINE_64 = (-0.5, 0.041666666666666664, -0.0013888888888888816, 2.4801587301556554e-05,
             -2.7557319217577121e-07, 2.087675623727923e-09, -1.1470693933995241e-11,
             4.7774028360325776e-14, -1.5168945091022923e-16)  # fmt: skip


def sincos(x):  # type: ignore[no-untyped-def]
    """(sin x, cos x) of a vector, inside numba code."""
    raise NotImplementedError("sincos runs inside numba code only")


@overload(sincos, jit_options={"forceinline": True})
def _sincos(x):  # type: ignore[no-untyped-def]
    if x.dtype == types.float32:

        def single(x):  # type: ignore[no-untyped-def]
            turns = nearest(x * INVERSE_PI)
            r = x - turns * HIGH_32 - turns * LOW_32
            z = r * r
            s0, s1, s2, s3 = SINE_32
            c0, c1, c2, c3, c4 = COSINE_32
            sine = r + r * z * (s0 + z * (s1 + z * (s2 + z * s3)))
            cosine = 1.0 + z * (c0 + z * (c1 + z * (c2 + z * (c3 + z * c4))))
            return negate_odd(sine, turns), negate_odd(cosine, turns)

        return single

    def double(x):  # type: ignore[no-untyped-def]
        turns = nearest(x * INVERSE_PI)
        r = x - turns * HIGH_64 - turns * LOW_64
        z = r * r
        s0, s1, s2, s3, s4, s5, s6, s7 = SINE_64
        c0, c1, c2, c3, c4, c5, c6, c7, c8 = COSINE_64
        sine = s0 + z * (s1 + z * (s2 + z * (s3 + z * (s4 + z * (s5 + z * (s6 + z * s7))))))
        cosine = c4 + z * (c5 + z * (c6 + z * (c7 + z * c8)))
        cosine = c0 + z * (c1 + z * (c2 + z * (c3 + z * cosine)))
        return negate_odd(r + r * z * sine, turns), negate_odd(1.0 + z * cosine, turns)

    return double

